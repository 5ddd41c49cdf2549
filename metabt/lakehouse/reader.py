"""Reader: prices of one dataset by rows of its calendar, from any process that can reach the lakehouse.

It travels as path, snapshot and facts; where it arrives it opens a connection of its own, once for all readers of that
lakehouse in the process.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from metabt.lakehouse.catalog import attach
from metabt.lakehouse.facts import Facts
from metabt.lakehouse.prices import read_rows
from metabt.prices import Prices


@dataclass(frozen=True)
class Reader:
    """Reads the prices of one dataset as they were at a snapshot."""

    path: Path
    """The lakehouse."""
    snapshot: int
    """State that is read."""
    facts: Facts
    """What is known of the dataset: its calendar, symbols and digests."""
    connection: duckdb.DuckDBPyConnection | None = None
    """Of this process; it does not travel."""

    def __call__(self, rows: slice) -> Prices:
        """Return the prices in some rows of the calendar, whole partitions.

        Raises
        ------
        StoreError
            If the lakehouse cannot be read from here, or has lost the snapshot.
        """
        connection = _connection(self.path) if self.connection is None else self.connection
        return read_rows(connection, self.facts, rows, self.snapshot)

    def __reduce__(self) -> tuple[type[Reader], tuple[Path, int, Facts]]:
        """Travel without the connection."""
        return Reader, (self.path.absolute(), self.snapshot, self.facts)


@cache
def _connection(path: Path) -> duckdb.DuckDBPyConnection:
    return attach(path, read_only=True)
