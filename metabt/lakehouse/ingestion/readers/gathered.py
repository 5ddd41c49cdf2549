"""Gathered columns: batches of rows as columns in one piece, each cell of them copied once.

1. Numbers and dates go into one array each, that is made for all rows beforehand, as far as their number is said.
2. Texts that mostly repeat go into it as codes, numbered as they first come; from a batch on whose texts do not, they
   are kept as texts, as cells of any other kind are.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from metabt.values.buffers import NUMPY, from_numpy, from_texts, to_numpy

REPEATED = 0.5
"""Distinct texts per row of a batch up to which texts become codes."""
BELIEVED = 1 << 28
"""Rows for which memory is asked before they have come."""
DAYS = np.dtype("i4")
"""Dates as Arrow has them."""


def gathered(schema: pa.Schema, batches: Iterable[pa.RecordBatch], n_rows: int) -> list[pa.Array]:
    """Return the columns of batches, each in one piece; texts that mostly repeat are dictionaries.

    `n_rows` is how many there are said to be; another number costs time only.
    """
    columns = [_column(field.type, min(n_rows, BELIEVED)) for field in schema]
    for batch in batches:
        columns = [column.add(cells) for column, cells in zip(columns, batch.columns, strict=True)]
    return [columns.pop(0).whole() for _ in schema]  # what is joined is not held twice


def _column(kind: pa.DataType, n_rows: int) -> _Pieces | _Plain | _Coded:
    if pa.types.is_string(kind):
        return _Coded(n_rows)
    return _Plain(kind, n_rows) if kind in NUMPY else _Pieces(kind)


class _Pieces:
    """Cells of any kind, in pieces."""

    def __init__(self, kind: pa.DataType, pieces: Iterable[pa.Array] = ()) -> None:
        self.kind, self.pieces = kind, list(pieces)

    def add(self, cells: pa.Array) -> _Pieces:
        # whatever holds a column of a batch holds all of them, unless it is a copy
        self.pieces.append(pa.concat_arrays([cells]))
        return self

    def whole(self) -> pa.Array:
        pieces, self.pieces = pa.chunked_array(self.pieces, self.kind), []
        return pieces.combine_chunks()


class _Values:
    """Numbers that come in pieces and lie in one array, and which of them are missing."""

    def __init__(self, dtype: np.dtype, n_rows: int) -> None:
        self.values = np.empty(n_rows, dtype)
        self.missing: np.ndarray | None = None
        self.n_rows = 0

    def add(self, values: np.ndarray, missing: np.ndarray | None) -> None:
        end = self.n_rows + len(values)
        if end > len(self.values):
            self.values = _longer(self.values, end)
        self.values[self.n_rows : end] = values
        if missing is not None or self.missing is not None:
            before = np.zeros(len(self.values), np.bool_) if self.missing is None else self.missing
            self.missing = before if len(before) == len(self.values) else _longer(before, end)
            self.missing[self.n_rows : end] = False if missing is None else missing
        self.n_rows = end

    def whole(self) -> tuple[np.ndarray, np.ndarray | None]:
        return self.values[: self.n_rows], None if self.missing is None else self.missing[: self.n_rows]


class _Plain:
    """Numbers or dates."""

    def __init__(self, kind: pa.DataType, n_rows: int) -> None:
        self.kind = kind
        self.dtype = DAYS if kind == pa.date32() else np.dtype(NUMPY[kind])
        self.cells = _Values(self.dtype, n_rows)

    def add(self, cells: pa.Array) -> _Plain:
        data = cells.buffers()[1]
        stop = cells.offset + len(cells)
        values = np.frombuffer(data, self.dtype, stop)[cells.offset :] if len(cells) else np.empty(0, self.dtype)
        self.cells.add(values, to_numpy(cells.is_null()) if cells.null_count else None)
        return self

    def whole(self) -> pa.Array:
        values, missing = self.cells.whole()
        valid = from_numpy(~missing).buffers()[1] if missing is not None else None
        return pa.Array.from_buffers(self.kind, len(values), [valid, pa.py_buffer(values)])


class _Coded:
    """Texts as codes."""

    def __init__(self, n_rows: int) -> None:
        self.codes = _Values(np.dtype(np.int32), n_rows)
        self.numbers: dict[str, int] = {}

    def add(self, cells: pa.Array) -> _Coded | _Pieces:
        coded = cells.dictionary_encode()
        if len(coded.dictionary) > len(coded) * REPEATED:
            return _Pieces(cells.type, [self.whole().dictionary_decode()] if self.codes.n_rows else []).add(cells)
        numbers = self.numbers
        own = np.array([numbers.setdefault(text, len(numbers)) for text in coded.dictionary.to_pylist()], np.int32)
        codes = to_numpy(coded.indices)
        self.codes.add(own[codes] if len(own) else codes, to_numpy(cells.is_null()) if cells.null_count else None)
        return self

    def whole(self) -> pa.Array:
        codes, missing = self.codes.whole()
        return pa.DictionaryArray.from_arrays(from_numpy(codes, missing), from_texts([*self.numbers]))


def _longer(array: np.ndarray, n_rows: int) -> np.ndarray:
    longer = np.zeros(max(n_rows, 2 * len(array)), array.dtype)
    longer[: len(array)] = array
    return longer
