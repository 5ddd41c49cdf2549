"""Reader: prices by rows of a dataset's calendar, from any process that can reach the lakehouse.

1. `part` works out from the facts of a dataset what is to be read of some partitions.
2. Path, snapshot and that selection travel to other processes, one digest with them, with which each compares what it
   reads. Each process opens one connection to a lakehouse, for everything that it reads of it.
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
from metabt.lakehouse.catalog.catalog_location import FILE, located, require
from metabt.lakehouse.catalog.sqlite import SqliteCatalogue
from metabt.lakehouse.prices.price_panels import Selection, read_selection, selection
from metabt.lakehouse.storage.port import Root
from metabt.values.bucket_address import Address


@dataclass(frozen=True)
class Reader:
    """Reads the prices of a lakehouse as they were at a snapshot; it travels to other processes."""

    path: Path | Address
    """Where the lakehouse lies."""
    snapshot: int
    """Number of the snapshot that is read."""
    connection: duckdb.DuckDBPyConnection | None = None
    """An attached lakehouse, of this process: it does not travel. None opens one when it is needed."""

    def part(self, known: Facts, rows: slice, symbols: Names, fields: Names) -> Part:
        """Return a callable that reads some rows of a dataset's calendar; it is small, and travels to other processes.

        Parameters
        ----------
        known : Facts
            What `load_facts` returned of the dataset, at the same snapshot.
        rows : slice
            Rows of the calendar that are whole partitions (calendar years).
        symbols : tuple of str
            Some of the facts' symbols, sorted.
        fields : tuple of str
            Of close, which is always read; volume, where there is any; and returns. The prices that symbols enter the
            rows with are always read too: they are in files before them, and the digest covers them.

        Returns
        -------
        callable
            Returns the Prices; it raises StoreError where the lakehouse cannot be read from there.
        """
        return partial(self.read, selection(known, rows, symbols, fields))

    def read(self, chosen: Selection) -> Prices:
        """Return the selected prices.

        Parameters
        ----------
        chosen : Selection
            What is to be read, and which files hold it.

        Returns
        -------
        Prices
            The selected sessions and symbols.

        Raises
        ------
        StoreError
            If the lakehouse cannot be read from here, or has lost the snapshot.
        """
        connection = _connection(self.path) if self.connection is None else self.connection
        return read_selection(connection, chosen, self.snapshot)

    def __reduce__(self) -> tuple[type[Reader], tuple[Root, int]]:
        """Travel without the connection."""
        return Reader, (located(self.path), self.snapshot)


def _connection(path: Path | Address) -> duckdb.DuckDBPyConnection:
    found = require(path)
    if isinstance(found.root, Path):
        file = found.file if isinstance(found, SqliteCatalogue) else found.root / FILE
        status = file.stat()
        return _opened(found.root, (status.st_dev, status.st_ino))
    return _opened(found.root, str(found))


@cache
def _opened(root: Root, _marker: object) -> duckdb.DuckDBPyConnection:
    return attach(root, read_only=True)  # with another marker, another lakehouse has taken its place since
