"""Read result tables: columns of numbers, rows of one path."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metabt.values.tables import Coded, Table

Tables = Mapping[str, Table]


def numbers(table: Table, name: str) -> np.ndarray:
    """Return a column of numbers, dates or truth values."""
    column = table[name]
    assert isinstance(column, np.ndarray)
    return column


def where(table: Table, name: str, text: str) -> Table:
    """Return the rows whose column `name` is `text`."""
    column = table[name]
    assert isinstance(column, Coded)
    code = column.values.index(text) if text in column.values else -2
    rows = np.flatnonzero(column.codes == code)
    return {key: value.take(rows) if isinstance(value, Coded) else value[rows] for key, value in table.items()}
