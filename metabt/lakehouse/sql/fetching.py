"""Fetching: an answer as rows, frames, arrays or Arrow, by the names that DuckDB has for it.

What comes out is data alone: never DuckDB's connection or relation, which could write.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import pandas as pd
    import pyarrow as pa

PIECE = 1000
"""Rows that iteration fetches at a time."""


class Fetching:
    """What fetches; where from is said by the classes that have it."""

    __slots__ = ()

    def _rows(self) -> duckdb.DuckDBPyConnection:
        """Return DuckDB's cursor on the answer, of which some rows may have been fetched."""
        raise NotImplementedError

    def _rest(self) -> duckdb.DuckDBPyConnection:
        """Return the same, to be fetched from to the end."""
        return self._rows()

    @property
    def description(self) -> list[Any] | None:
        """A tuple per column, its name and DuckDB's type first, as in the DB-API."""
        return self._rows().description

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row; None after the last."""
        return self._rows().fetchone()

    def fetchmany(self, size: int = 1) -> list[Any]:
        """Return the next rows, at most `size`."""
        return self._rows().fetchmany(size)

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        return self._rest().fetchall()

    def fetchnumpy(self) -> dict[str, np.ndarray]:
        """Return column name -> array, (n_rows,)."""
        return self._rest().fetchnumpy()

    def df(self) -> pd.DataFrame:
        """Return a pandas frame."""
        return self._rest().df()

    def fetchdf(self) -> pd.DataFrame:
        """Return a pandas frame, as `df`."""
        return self.df()

    def pl(self) -> Any:
        """Return a polars frame."""
        return self._rest().pl()

    def to_arrow_table(self) -> pa.Table:
        """Return an Arrow table."""
        return self._rest().to_arrow_table()

    def fetch_arrow_table(self) -> pa.Table:
        """Return an Arrow table, as `to_arrow_table`."""
        return self.to_arrow_table()

    def to_arrow_reader(self, batch_size: int = 100_000) -> pa.RecordBatchReader:
        """Return a reader of Arrow batches of so many rows, which are computed as they are read."""
        return self._rest().to_arrow_reader(batch_size)

    def arrow(self, batch_size: int = 100_000) -> pa.RecordBatchReader:
        """Return a reader of Arrow batches, as `to_arrow_reader`."""
        return self.to_arrow_reader(batch_size)

    def fetch_record_batch(self, batch_size: int = 100_000) -> pa.RecordBatchReader:
        """Return a reader of Arrow batches, as `to_arrow_reader`."""
        return self.to_arrow_reader(batch_size)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Return Arrow's stream in C, through which other libraries read the answer."""
        return self.to_arrow_reader().__arrow_c_stream__(requested_schema)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Yield the rows that are left."""
        cursor = self._rest()
        while rows := cursor.fetchmany(PIECE):
            yield from rows

    def __getattr__(self, name: str) -> NoReturn:
        """Say what there is instead of DuckDB's other methods."""
        names = ", ".join(each for each in dir(type(self)) if not each.startswith("_"))
        raise AttributeError(f"'{name}' is not offered: what `metabt.connect` gives reads and fetches, by {names}")
