"""Streamed table: rows of a table as they are read, batch by batch, put into columns that are as long as they will be.

1. A batch becomes NumPy and coded columns (metabt.lakehouse.catalog.schema), and texts get the codes of the whole.
2. It is put behind those before it, and let go of: beside the table nothing is in memory but one batch. As one Arrow
   table the rows would be there twice, and every text of every row among them.
3. Rows come in the order in which they were stored, by their `rowid`; where a batch says otherwise there is no table,
   and the rows are to be put in order by whoever has them all.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from metabt.lakehouse.catalog.schema import SCHEMA, from_arrow
from metabt.values.buffers import to_numpy
from metabt.values.tables import Coded, Codes, Column, Table

ROWS = 2**17
"""Rows of a batch."""
ROWID = "rowid"
"""Column that counts the rows as they were stored; no column of the table."""


def streamed(name: str, batches: Iterable[pa.RecordBatch], expected: int = 0) -> Table | None:
    """Return the rows of the lakehouse's table `name`, in batches with their ROWID; None where they are not in order.

    There is room for the `expected` number of rows, and more is made where there are more.
    """
    texts = {column: Codes() for column, kind in SCHEMA[name].items() if kind == "VARCHAR"}
    rooms: dict[str, _Room] = {}
    newest = -1
    for batch in batches:
        rows = pa.Table.from_batches([batch])
        ids = to_numpy(rows[ROWID]).astype(np.int64, copy=False)
        if len(ids) and (ids[0] <= newest or (ids[1:] <= ids[:-1]).any()):
            return None
        newest = int(ids[-1]) if len(ids) else newest
        for column, values in from_arrow(name, rows.drop_columns(ROWID)).items():
            plain = values if isinstance(values, np.ndarray) else _recoded(values, texts[column])
            rooms.setdefault(column, _Room(max(expected, len(plain)), plain.dtype)).add(plain)
    return {column: _column(room.whole, texts.get(column)) for column, room in rooms.items()}


def _recoded(column: Coded, known: Codes) -> np.ndarray:
    """Return the codes of a batch's texts among all that are known so far."""
    lookup = np.append(known.of(column.values) if column.values else np.zeros(0, np.int32), np.int32(-1))
    return lookup.astype(np.int32)[column.codes]  # NULL, code -1, is the last of them


def _column(values: np.ndarray, known: Codes | None) -> Column:
    values.flags.writeable = False
    return values if known is None else Coded(values, known.values)


class _Room:
    """Room for a column."""

    def __init__(self, n_rows: int, dtype: np.dtype) -> None:
        self._values, self._size = np.empty(n_rows, dtype), 0

    def add(self, values: np.ndarray) -> None:
        """Put values behind those that are there."""
        stop = self._size + len(values)
        if stop > len(self._values):
            more = np.empty(max(stop, 2 * len(self._values)), self._values.dtype)
            more[: self._size] = self._values[: self._size]
            self._values = more
        self._values[self._size : stop] = values
        self._size = stop

    @property
    def whole(self) -> np.ndarray:
        """All of them, (n_rows,)."""
        return self._values[: self._size]
