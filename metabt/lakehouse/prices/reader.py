"""Reader: prices of one dataset by rows of its calendar, from any process that can reach the lakehouse.

1. Whoever knows the facts works out what is to be read of some partitions.
2. That travels, as path, snapshot and selection; where it arrives a connection is opened, once for everything that is
   read of that lakehouse in the process.
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
    """Reads the prices of one dataset as they were at a snapshot."""

    path: Path
    """The lakehouse."""
    snapshot: int
    """State that is read."""
    facts: Facts
    """What is known of the dataset: its calendar, symbols and digests."""
    connection: duckdb.DuckDBPyConnection | None = None
    """Of this process; it does not travel."""

    @property
    def dates(self) -> np.ndarray:
        """(n_sessions,) the dataset's calendar."""
        return self.facts.dates

    @property
    def symbols(self) -> tuple[str, ...]:
        """The dataset's symbols, or those of them that facts are known of; sorted."""
        return self.facts.symbols

    @property
    def has_volume(self) -> bool:
        """Whether volumes are known of the dataset."""
        return self.facts.has_volume

    def __call__(self, rows: slice) -> Prices:
        """Return the prices in some rows of the calendar, whole partitions.

        Raises
        ------
        StoreError
            If the lakehouse cannot be read from here, or has lost the snapshot.
        """
        return self.part(rows)()

    def part(
        self, rows: slice, symbols: tuple[str, ...] | None = None, *, volume: bool = True, entry: bool = True
    ) -> Part:
        """Return what reads some rows of the calendar, whole partitions; takes what `selection` takes."""
        chosen = selection(self.facts, rows, symbols, volume=volume, entry=entry)
        return Part(self.path, self.snapshot, chosen, self.connection)

    def __reduce__(self) -> tuple[type[Reader], tuple[Path, int, Facts]]:
        """Travel without the connection."""
        return Reader, (self.path.absolute(), self.snapshot, self.facts)


@dataclass(frozen=True)
class Part:
    """Reads some partitions; it is small, for it carries no digests."""

    path: Path
    """The lakehouse."""
    snapshot: int
    """State that is read."""
    selection: Selection
    """What is read."""
    connection: duckdb.DuckDBPyConnection | None = None
    """Of this process; it does not travel."""

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
