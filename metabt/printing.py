"""What all commands share: where the lakehouse is, rows on standard output, hints on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

Layout = str
"""`table`, `csv` or `json`."""


def place(lakehouse: str | None) -> str:
    """Return the lakehouse that was named, else the one that configuration names."""
    if lakehouse is not None:
        return lakehouse
    from metabt.config import lakehouse_path

    return lakehouse_path()


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
