"""Read result tables: rows of one path, texts of a coded column, the tree in the order in which it was listed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metabt.analysis.summary import metrics_by_path
from metabt.values.tables import Coded, Table

Tables = Mapping[str, Table]


def texts(table: Table, name: str) -> list[str | None]:
    """Return a text column row by row, None where it is NULL."""
    column = table[name]
    assert isinstance(column, Coded)
    return [column.values[code] if code >= 0 else None for code in column.codes.tolist()]


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


def paths(tables: Tables) -> list[str]:
    """Return the path of every sleeve, parents first."""
    return [path for path in texts(tables["sleeves"], "path") if path is not None]


def root(tables: Tables) -> str:
    """Return the root's path."""
    return min(paths(tables), key=lambda path: path.count("/"))


def children(tables: Tables, path: str) -> list[str]:
    """Return the paths of a sleeve's children."""
    return [other for other in paths(tables) if other.rpartition("/")[0] == path]


def metrics(tables: Tables) -> dict[str, dict[str, float]]:
    """Return path -> metric -> value."""
    return metrics_by_path(tables["metrics"])
