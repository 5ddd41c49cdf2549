"""Whole frames: a wide pandas frame of plain prices is taken as one matrix, without a row for each of its cells.

1. Its kind: columns of floats alone, and an index of days, each later than the one before.
2. Its names have to mean a symbol each to `column_layout`, which is asked about them once. It looks at values only
   where the columns are so few that they may be one asset's bars: it is given as many rows as it looks at then.
3. Its values have to be possible prices, some of its first or last so large that it cannot hold returns.

A frame that differs in any of this is read cell by cell, which says what is wrong with it, if anything is. Both ways
come to the same bits.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from metabt.data.prices import Prices
from metabt.errors import DataError
from metabt.lakehouse.ingestion.bar_shape import MOST, ROWS
from metabt.lakehouse.ingestion.column_layout import laid_out
from metabt.lakehouse.ingestion.column_names import is_nameless
from metabt.lakehouse.ingestion.columns import Table
from metabt.lakehouse.ingestion.observations import EARLIEST, LATEST
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.ingestion.readers.frames import is_pandas
from metabt.lakehouse.ingestion.returns import LARGE

Symbols = tuple[str, ...]


def prices_of(name: str, frame: Any) -> Prices | None:
    """Return a wide pandas frame of plain prices as the prices of dataset `name`; None for any other source."""
    days = _days(frame) if is_pandas(frame) else None
    if days is None or not _is_plain(frame):
        return None
    matrix = frame.to_numpy()
    symbols = _symbols(frame, matrix, days)
    if symbols is None or not (matrix[[0, -1]] >= LARGE).any():
        return None
    try:
        return Prices(name, *_observed(days, symbols, matrix))
    except DataError:
        return None


def _days(frame: Any) -> np.ndarray | None:
    """Return the index of a frame as (n_rows,) datetime64[D] if it is one of increasing days; None if it is not."""
    if not isinstance(frame.index.dtype, np.dtype) or frame.index.dtype.kind != "M" or not len(frame.index):
        return None
    stamps = frame.index.to_numpy()
    days = stamps.astype("datetime64[D]")
    in_order = bool((days == stamps).all() and (days[1:] > days[:-1]).all())
    return days if in_order and days[0] >= EARLIEST and days[-1] <= LATEST else None


def _is_plain(frame: Any) -> bool:
    names = [*frame.columns, *([] if frame.index.name is None else [frame.index.name])]
    return frame.columns.nlevels == 1 and all(type(it) is str for it in names) and set(frame.dtypes) == {_FLOAT}


_FLOAT = np.dtype(np.float64)


def _symbols(frame: Any, matrix: np.ndarray, days: np.ndarray) -> Symbols | None:
    """Return the symbol of every column, (n_columns,); None where a column is, or may be, anything else."""
    names, dates = tuple(frame.columns), "index" if frame.index.name is None else frame.index.name
    if len(names) > MOST:
        return _named(names, dates)
    rows = min(len(days), ROWS)
    return _laid_out(names, dates, days[:rows], [pa.array(column) for column in matrix[:rows].T])


@lru_cache(maxsize=64)  # names alone decide, and one frame is often backtested many times
def _named(names: Symbols, dates: str) -> Symbols | None:
    return _laid_out(names, dates, np.array([0], "datetime64[D]"), [pa.array([1.0])] * len(names))


def _laid_out(names: Symbols, dates: str, days: np.ndarray, cells: list[pa.Array]) -> Symbols | None:
    if dates in names or any(map(is_nameless, names)):
        return None
    try:
        _, found = laid_out(Table([(dates, pa.array(days)), *zip(names, cells, strict=True)]), _OPTIONS)
    except DataError:
        return None  # reading it cell by cell fails too, and says of how many rows
    meant = found.symbols.values
    return meant if set(found.fields) == {"close"} and meant == tuple(name.strip() for name in names) else None


_OPTIONS = Options(face="memory")


def _observed(days: np.ndarray, symbols: Symbols, matrix: np.ndarray) -> tuple[np.ndarray, Symbols, np.ndarray]:
    """Return sessions, symbols in order, and closes that are nobody else's, of what has a price at all."""
    order = sorted(range(len(symbols)), key=symbols.__getitem__)
    seen = ~np.isnan(matrix)
    is_whole = bool(seen.all())
    if not is_whole:
        order = [column for column in order if seen[:, column].any()]
        days, matrix = days[seen.any(axis=1)], matrix[seen.any(axis=1)]
    in_order = order == list(range(len(symbols)))
    close = np.array(matrix, order="C") if in_order else np.ascontiguousarray(matrix[:, order])
    if not is_whole:
        close[np.isnan(close)] = np.nan  # a missing price has many patterns of bits
    return days, tuple(symbols[column] for column in order), close
