"""What all commands share: where the lakehouse is, rows on standard output, hints on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

Layout = str
"""`table`, `csv` or `json`."""


def place(lakehouse: str | None) -> str:
    """Return the lakehouse that was named, else the one that configuration names."""
    return founded(lakehouse, None)[0]


def founded(lakehouse: str | None, catalog: str | None) -> tuple[str, str | None]:
    """Return the lakehouse that was named, else that of configuration, and where its catalogue is, if that is said.

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
    """Raise StoreError if there is a lakehouse with another catalogue than configuration names."""
    if catalog is not None:
        from metabt.lakehouse import confirm

        confirm(lakehouse, catalog)


def print_rows(columns: Sequence[str], rows: Iterable[tuple[Any, ...]], layout: Layout) -> None:
    """Print rows with named columns."""
    from metabt.lakehouse import QueryResult

    print(QueryResult(tuple(columns), ("",) * len(columns), tuple(rows)).to(layout))


def hint(*lines: str) -> None:
    """Say something that is no result, after an empty line."""
    print("\n".join(["", *lines]), file=sys.stderr)


def notice(line: str) -> None:
    """Say something that is no result."""
    print(line, file=sys.stderr, flush=True)
