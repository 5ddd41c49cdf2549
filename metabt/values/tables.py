"""Tables as columns: what a run is made of before it becomes Parquet or a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np


class Codes:
    """Numbers distinct texts in the order in which they first come."""

    def __init__(self) -> None:
        """Start without texts."""
        self._known: dict[str, int] = {}

    @property
    def values(self) -> tuple[str, ...]:
        """The distinct texts, by code."""
        return tuple(self._known)

    def of(self, texts: Sequence[str]) -> np.ndarray:
        """Return the code of each text, (n_texts,) int32; new texts get the next codes."""
        known = self._known
        if len(set(texts)) == 1:
            return np.full(len(texts), known.setdefault(texts[0], len(known)), np.int32)
        return np.array([known.setdefault(text, len(known)) for text in texts], np.int32)


@dataclass(frozen=True)
class Coded:
    """A text column as codes into its distinct values."""

    codes: np.ndarray
    """(n_rows,) integer positions in `values`; -1 is NULL."""
    values: tuple[str, ...]
    """The distinct texts."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.codes)

    def take(self, rows: np.ndarray) -> Coded:
        """Return the column at `rows`, a mask or positions."""
        return Coded(self.codes[rows], self.values)

    @classmethod
    def of(cls, texts: Sequence[str]) -> Coded:
        """Return `texts` as a column."""
        known = Codes()
        return cls(known.of(texts), known.values)

    @classmethod
    def constant(cls, text: str, n_rows: int) -> Coded:
        """Return `text` repeated."""
        return cls(np.zeros(n_rows, np.int32), (text,))

    @classmethod
    def repeated(cls, texts: Sequence[str], n_rows: Sequence[int]) -> Coded:
        """Return distinct texts, each repeated for as many rows as it has."""
        return cls(np.repeat(np.arange(len(texts), dtype=np.int32), n_rows), tuple(texts))


@dataclass(frozen=True)
class Cells:
    """The cells of a matrix that become rows of a table, one line of the matrix after another."""

    chosen: np.ndarray
    """(n_lines, n_items) bool."""

    @cached_property
    def _whole(self) -> bool:
        """Whether every cell is chosen, as most often: nothing has to be searched then."""
        return bool(self.chosen.all())

    def values(self, matrix: np.ndarray) -> np.ndarray:
        """Return the chosen cells of a matrix of that shape, (n_cells,); a view of it where all are chosen."""
        return matrix.reshape(-1) if self._whole else matrix[self.chosen]

    def lines(self, labels: np.ndarray) -> np.ndarray:
        """Return the label of each chosen cell's line, (n_cells,); `labels` has one a line."""
        n_items = self.chosen.shape[1]
        return np.repeat(labels, n_items if self._whole else np.count_nonzero(self.chosen, axis=1))

    def items(self, codes: np.ndarray | None = None) -> np.ndarray:
        """Return the code of each chosen cell's item, (n_cells,) int32; `codes` has one an item, None is positions."""
        codes = np.arange(self.chosen.shape[1]) if codes is None else codes
        return self.values(np.broadcast_to(codes.astype(np.int32), self.chosen.shape))


Column = np.ndarray | Coded
Table = dict[str, Column]


def texts(column: Column) -> list[str]:
    """Return the texts of a text column, one a row; the column has no NULL."""
    assert isinstance(column, Coded)
    return [column.values[code] for code in column.codes]


def concat(tables: Sequence[Table]) -> Table:
    """Return the rows of all tables, which share their column names, one after another."""
    if len(tables) == 1:
        return tables[0]
    return {name: _concat_column([table[name] for table in tables]) for name in tables[0]} if tables else {}


def _concat_column(columns: Sequence[Column]) -> Column:
    coded = [column for column in columns if isinstance(column, Coded)]
    if not coded:
        return np.concatenate([column for column in columns if isinstance(column, np.ndarray)])
    if all(column.values == coded[0].values for column in coded):
        return Coded(np.concatenate([column.codes for column in coded]), coded[0].values)
    values: dict[str, int] = {}
    parts = []
    for column in coded:
        lookup = np.array([values.setdefault(text, len(values)) for text in column.values] + [-1], dtype=np.int32)
        parts.append(lookup[column.codes])
    return Coded(np.concatenate(parts), tuple(values))
