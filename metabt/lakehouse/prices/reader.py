"""Reader: prices by rows of a dataset's calendar, from any process that can reach the lakehouse.

1. Whoever knows the facts works out what is to be read of some partitions.
2. That travels, as path, snapshot and selection; where it arrives a connection is opened, once for everything that is
   read of that lakehouse in the process.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import duckdb

from metabt.data.dataset import Names, Part
from metabt.data.facts import Facts
from metabt.data.prices import Prices
from metabt.lakehouse.catalog.attachment import attach
from metabt.lakehouse.catalog.catalog_location import FILE, require
from metabt.lakehouse.catalog.sqlite import SqliteCatalogue
from metabt.lakehouse.prices.price_panels import Selection, read_selection, selection


@dataclass(frozen=True)
class Reader:
    """Reads the prices of a lakehouse as they were at a snapshot."""

    path: Path
    """The lakehouse."""
    snapshot: int
    """State that is read."""
    connection: duckdb.DuckDBPyConnection | None = None
    """Of this process; it does not travel."""

    def part(self, known: Facts, rows: slice, symbols: Names, fields: Names) -> Part:
        """Return what reads some rows of a dataset's calendar, whole partitions; takes what `selection` takes."""
        return partial(self.read, selection(known, rows, symbols, fields))

    def read(self, chosen: Selection) -> Prices:
        """Return the selected prices.

        Raises
        ------
        StoreError
            If the lakehouse cannot be read from here, or has lost the snapshot.
        """
        connection = _connection(self.path) if self.connection is None else self.connection
        return read_selection(connection, chosen, self.snapshot)

    def __reduce__(self) -> tuple[type[Reader], tuple[Path, int]]:
        """Travel without the connection."""
        return Reader, (self.path.absolute(), self.snapshot)


def _connection(path: Path) -> duckdb.DuckDBPyConnection:
    found = require(path)
    marker = (found.file if isinstance(found, SqliteCatalogue) else path / FILE).stat()
    return _opened(path, marker.st_dev, marker.st_ino)  # another lakehouse may have taken its place since


@cache
def _opened(path: Path, _device: int, _inode: int) -> duckdb.DuckDBPyConnection:
    return attach(path, read_only=True)
