"""What all commands share: where the lakehouse is, rows on standard output, hints on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metabt.analysis.run_notes import RunNotes

Layout = str
"""`table`, `csv` or `json`."""


def place(lakehouse: str | None) -> str:
    """Return the lakehouse that the command line names; None there is the one that configuration names."""
    return founded(lakehouse, None)[0]


def founded(lakehouse: str | None, catalog: str | None) -> tuple[str, str | None]:
    """Return the lakehouse and the catalogue that the command line names, else those of configuration.

    Raises
    ------
    StoreError
        If there is one, and configuration names another catalogue than it has.
    """
    if lakehouse is not None:
        return lakehouse, catalog
    from metabt.config import stated_lakehouse

    path, stated = stated_lakehouse()
    agreed(path, stated)
    return path, stated if catalog is None else catalog


def agreed(lakehouse: str, catalog: str | None) -> None:
    """Raise StoreError if `lakehouse` is there and has another catalogue than `catalog`; None allows any."""
    if catalog is not None:
        from metabt.lakehouse import confirm

        confirm(lakehouse, catalog)


def print_rows(
    columns: Sequence[str], rows: Iterable[tuple[Any, ...]], layout: Layout, percent: Collection[str] = ()
) -> None:
    """Print rows with named columns to standard output as `layout` says, a table's columns `percent` in per cent."""
    from metabt.lakehouse.sql.result_set import PERCENT, QueryResult

    kinds = tuple(PERCENT if name in percent else "" for name in columns)
    print(QueryResult(tuple(columns), kinds, tuple(rows)).to(layout))


def print_notes(lines: Sequence[str]) -> None:
    """Print what must be known of a table below it, after an empty line."""
    print("\n".join(["", *lines]))


def print_run_notes(notes: Sequence[RunNotes], layout: Layout = "table") -> None:
    """Print the notes of one run, or of two side by side; beside CSV and JSON to standard error, and concerns alone."""
    from metabt.analysis.note_lines import concerns, note_lines, pair_lines

    if layout == "table":
        print_notes(note_lines(notes[0]) if len(notes) == 1 else pair_lines(notes[0], notes[1]))
    else:
        for line in dict.fromkeys(line for each in notes for line in concerns(each)):
            notice(line)


def hint(*lines: str) -> None:
    """Print lines that are no result to standard error, after an empty one."""
    print("\n".join(["", *lines]), file=sys.stderr)


def said_first(layout: Layout) -> Callable[[str], None]:
    """Return what prints a sentence before the answer: on standard output, among programs' output on standard error."""
    return print if layout == "table" else notice


def notice(line: str) -> None:
    """Print a line that is no result to standard error."""
    print(line, file=sys.stderr, flush=True)
