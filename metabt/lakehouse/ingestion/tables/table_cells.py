"""Table cells: columns of a source as texts, dates, numbers and flags, each refused cell with its row.

1. Texts are stripped; an empty cell, and what stands for a missing number, is nothing.
2. Dates are read as those of prices are (metabt.lakehouse.ingestion.cell_values), except that a cell may be empty.
3. Numbers of all columns of a source are written in one way (metabt.lakehouse.ingestion.number_texts).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metabt.errors import DataError
from metabt.lakehouse.ingestion import cell_values
from metabt.lakehouse.ingestion.number_texts import MISSING, NumberFormat, is_text, trimmed
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.ingestion.tables.table_words import FALSE, TRUE
from metabt.values.buffers import to_numpy
from metabt.values.tables import Coded

NOTHING = frozenset(MISSING) - {"na", "nan", "-", "."}
"""Texts, in lower case, that are no name: NA and NAN are tickers."""


def names(column: pa.Array) -> Coded:
    """Return texts, stripped; nothing is code -1."""
    coded = cell_values.as_text(column).dictionary_encode()
    words = [text.strip() for text in coded.dictionary.to_pylist()]
    return recoded(codes_of(coded), [None if word.lower() in NOTHING else word for word in words])


def recoded(codes: np.ndarray, words: list[str | None]) -> Coded:
    """Return texts by the words of their codes, some of which may be alike; None is nothing."""
    held = list(dict.fromkeys(word for word in words if word is not None))
    place = {word: number for number, word in enumerate(held)}
    lookup = np.array([-1 if word is None else place[word] for word in words] + [-1], np.int32)
    return Coded(lookup[codes], tuple(held))


def codes_of(coded: pa.DictionaryArray) -> np.ndarray:
    """Return the codes of a dictionary's cells, -1 where there is none."""
    indices = coded.indices.fill_null(-1) if coded.null_count else coded.indices
    return to_numpy(indices).astype(np.int64)


def dates(column: pa.Array, name: str, options: Options) -> np.ndarray:
    """Return dates, (n_rows,) datetime64[D], NaT where a cell is empty.

    Raises
    ------
    DataError
        For a cell that is no date, with its row, and for dates whose order nothing proves.
    """
    if is_text(column) and not pa.types.is_temporal(column.type):
        column = trimmed(cell_values.as_text(column))
    if not len(column) - column.null_count:
        return np.full(len(column), np.datetime64("NaT", "D"))
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        column = column.cast(pa.int64()).cast(pa.string())
    seen = np.flatnonzero(to_numpy(column.is_valid()))
    read = cell_values.sessions(column.drop_null(), name, options, seen)
    found = np.full(len(column), np.datetime64("NaT", "D"))
    found[seen] = read.dates
    return found


def prepared(column: pa.Array) -> pa.Array:
    """Return a column of numbers with trimmed texts, NULL where nothing stands."""
    return trimmed(cell_values.as_text(column)) if is_text(column) else column


def numbers(column: pa.Array, name: str, written: NumberFormat | None) -> np.ndarray:
    """Return numbers of a prepared column, (n_rows,) float64, NaN where nothing stands.

    Raises
    ------
    DataError
        For a cell that is no number, with its row.
    """
    read = cell_values.numbers(column, written)
    if len(read.refused):
        raise DataError(
            f"column '{name}', row {int(read.refused[0]) + 1}: '{read.example}' is not a number "
            f"({len(read.refused):,} such cells); write plain decimals such as 0.05, without a % sign, and leave the "
            "cell empty where there is none"
        )
    return read.values


def flags(column: pa.Array, name: str) -> np.ndarray:
    """Return flags, (n_rows,) bool; an empty cell is no.

    Raises
    ------
    DataError
        For a cell that says neither yes nor no, with its row.
    """
    if pa.types.is_boolean(column.type):
        return to_numpy(column.fill_null(False))
    coded = pc.utf8_lower(pc.utf8_trim_whitespace(cell_values.as_text(column))).dictionary_encode()
    words = coded.dictionary.to_pylist()
    codes = codes_of(coded)
    unknown = np.array([*(word not in TRUE | FALSE for word in words), False])[codes]
    if unknown.any():
        row = int(np.flatnonzero(unknown)[0])
        raise DataError(
            f"column '{name}', row {row + 1}: '{words[codes[row]]}' is neither true nor false "
            f"({int(unknown.sum()):,} such cells); write true or false"
        )
    return np.array([*(word in TRUE for word in words), False])[codes]
