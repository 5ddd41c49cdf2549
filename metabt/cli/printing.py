"""What all commands share: where the lakehouse is, rows on standard output, hints on standard error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from metabt.cli.streams import escaped, say

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


def print_rows(columns: Sequence[str], rows: Iterable[tuple[Any, ...]], layout: Layout) -> None:
    """Print rows with named columns to standard output, as `layout` says."""
    from metabt.lakehouse import QueryResult

    print(QueryResult(tuple(columns), ("",) * len(columns), tuple(rows)).to(layout))


def show(text: object) -> None:
    """Print a result that is no table of rows, its names escaped, to standard output."""
    print(escaped(str(text)))


def hint(*lines: str) -> None:
    """Print lines that are no result to standard error, after an empty one."""
    say("\n".join(["", *lines]))


def notice(line: str) -> None:
    """Print a line that is no result to standard error."""
    say(line)
