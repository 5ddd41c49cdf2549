"""Reader: prices of one dataset by rows of its calendar, from any process that can reach the lakehouse.

1. `Reader` knows the facts of the dataset, and works out from them what is to be read of some partitions.
2. That is a `Part`: path, snapshot and selection, which travel to other processes. Each process opens one connection to
   a lakehouse, for everything that it reads of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import numpy as np

from metabt.data.prices import Prices
from metabt.lakehouse.catalog.attachment import attach
from metabt.lakehouse.catalog.catalog_location import FILE, require
from metabt.lakehouse.catalog.sqlite import SqliteCatalogue
from metabt.lakehouse.prices.dataset_facts import Facts
from metabt.lakehouse.prices.price_panels import Selection, read_selection, selection


@dataclass(frozen=True)
class Reader:
    """Reads the prices of one dataset as they were at a snapshot; it travels to other processes."""

    path: Path
    """Directory of the lakehouse."""
    snapshot: int
    """Number of the snapshot that is read."""
    facts: Facts
    """The dataset's calendar, symbols and digests at that snapshot."""
    connection: duckdb.DuckDBPyConnection | None = None
    """An attached lakehouse, of this process: it does not travel. None opens one when it is needed."""

    @property
    def dates(self) -> np.ndarray:
        """(n_sessions,) datetime64[D]: the dataset's calendar."""
        return self.facts.dates

    @property
    def symbols(self) -> tuple[str, ...]:
        """(n_assets,) symbols that can be read, those of the facts; sorted."""
        return self.facts.symbols

    @property
    def has_volume(self) -> bool:
        """Whether the dataset has volumes."""
        return self.facts.has_volume

    def __call__(self, rows: slice) -> Prices:
        """Return the prices in some rows of the calendar.

        Parameters
        ----------
        rows : slice
            Rows of the calendar that are whole partitions (calendar years).

        Returns
        -------
        Prices
            All symbols, volumes where there are any, and the prices that symbols enter the rows with.

        Raises
        ------
        StoreError
            If the lakehouse cannot be read from here, or has lost the snapshot.
        """
        return self.part(rows)()

    def part(
        self, rows: slice, symbols: tuple[str, ...] | None = None, *, volume: bool = True, entry: bool = True
    ) -> Part:
        """Return a callable that reads some rows of the calendar; it is small, and travels to other processes.

        Parameters
        ----------
        rows : slice
            Rows of the calendar that are whole partitions (calendar years).
        symbols : tuple of str, optional
            Some of the symbols, sorted; None is all.
        volume : bool
            Read volumes, where there are any.
        entry : bool
            Read the prices that symbols enter the rows with, which are in files before them.

        Returns
        -------
        Part
            Calling it returns the Prices; it raises StoreError where the lakehouse cannot be read from there.
        """
        chosen = selection(self.facts, rows, symbols, volume=volume, entry=entry)
        return Part(self.path, self.snapshot, chosen, self.connection)

    def __reduce__(self) -> tuple[type[Reader], tuple[Path, int, Facts]]:
        """Travel without the connection."""
        return Reader, (self.path.absolute(), self.snapshot, self.facts)


@dataclass(frozen=True)
class Part:
    """Reads some partitions; it is small, for it carries no digests."""

    path: Path
    """Directory of the lakehouse."""
    snapshot: int
    """Number of the snapshot that is read."""
    selection: Selection
    """Rows, symbols and fields that are read."""
    connection: duckdb.DuckDBPyConnection | None = None
    """An attached lakehouse, of this process: it does not travel. None opens one when it is needed."""

    def __call__(self) -> Prices:
        """Return the prices.

        Raises
        ------
        StoreError
            If the lakehouse cannot be read from here, or has lost the snapshot.
        """
        connection = _connection(self.path) if self.connection is None else self.connection
        return read_selection(connection, self.selection, self.snapshot)

    def __reduce__(self) -> tuple[type[Part], tuple[Path, int, Selection]]:
        """Travel without the connection."""
        return Part, (self.path.absolute(), self.snapshot, self.selection)


def _connection(path: Path) -> duckdb.DuckDBPyConnection:
    found = require(path)
    marker = (found.file if isinstance(found, SqliteCatalogue) else path / FILE).stat()
    return _opened(path, marker.st_dev, marker.st_ino)  # another lakehouse may have taken its place since


@cache
def _opened(path: Path, _device: int, _inode: int) -> duckdb.DuckDBPyConnection:
    return attach(path, read_only=True)
