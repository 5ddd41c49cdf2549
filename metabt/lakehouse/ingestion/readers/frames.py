"""Frames in memory: pandas as it is, all others through the protocols that data frames share.

1. A pandas frame's index becomes its first columns; pandas itself is never imported here.
2. A pandas series is the column of its name.
3. A period is dated at its last day: only then was its close known.
4. Anything with `__arrow_c_stream__` (Arrow, polars, DuckDB) or `__dataframe__` comes in through Arrow.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from metabt.errors import DataError
from metabt.lakehouse.ingestion.columns import Name, Table
from metabt.lakehouse.ingestion.date_texts import COMPACT


def is_pandas(source: object) -> bool:
    """Return whether `source` is a pandas frame."""
    return all(hasattr(source, name) for name in ("iloc", "index", "reset_index", "columns"))


def is_frame(source: object) -> bool:
    """Return whether `source` is a frame, a series or a table of a kind that is read."""
    return is_pandas(source) or _is_series(source) or _is_shared(source)


def read_frame(source: Any) -> Table:
    """Return the columns of a frame.

    Raises
    ------
    DataError
        When its columns have more than two levels, names clash, or it cannot be read.
    """
    if is_pandas(source):
        return _pandas_table(source)
    if _is_series(source):
        return _pandas_table(source.to_frame("close" if source.name is None else source.name))
    try:
        table = _arrow_table(source)
    except Exception as error:  # the protocols run foreign code, which may raise anything
        raise DataError(
            f"the {type(source).__name__} cannot be read as Arrow: {error}; "
            "convert it to a pandas frame or a pyarrow table"
        ) from error
    return Table([(name, _plain(column)) for name, column in zip(table.column_names, table.columns, strict=True)])


def _is_series(source: object) -> bool:
    return all(hasattr(source, name) for name in ("index", "name", "to_frame", "iloc"))


def _is_shared(source: object) -> bool:
    return hasattr(source, "__arrow_c_stream__") or hasattr(source, "__dataframe__")


def _arrow_table(source: Any) -> pa.Table:
    if hasattr(source, "__arrow_c_stream__"):
        return pa.table(source)
    from pyarrow.interchange import from_dataframe

    return from_dataframe(source)


def _plain(column: pa.ChunkedArray) -> pa.Array:
    kind = column.type
    if pa.types.is_large_string(kind) or str(kind) == "string_view":
        column = column.cast(pa.string())
    array = column.combine_chunks()
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if not pa.types.is_dictionary(kind):
        return array
    words = array.dictionary.cast(pa.string()) if str(kind.value_type) == "string_view" else array.dictionary
    return pa.DictionaryArray.from_arrays(array.indices, words).dictionary_decode()


def _pandas_table(frame: Any) -> Table:
    if frame.columns.nlevels > 2:
        raise DataError(f"the frame's columns have {frame.columns.nlevels} levels; wanted symbols, or (field, symbol)")
    whole = frame.index.name is None and getattr(frame.index.dtype, "kind", "O") in "iu"
    written = whole and len(frame) and all(map(COMPACT.fullmatch, map(str, frame.index[:10])))
    try:
        flat = frame.rename_axis("date").reset_index() if written else frame if whole else frame.reset_index()
    except ValueError as error:
        raise DataError(f"the frame's index and a column share a name ({error}); rename one of them") from error
    notes: list[str] = []
    columns = [(_name(key), _series_array(flat.iloc[:, i], notes)) for i, key in enumerate(flat.columns)]
    return Table(columns, tuple(notes))


def _name(key: object) -> Name:
    if isinstance(key, tuple) and len(key) == 2:
        return str(key[0]), str(key[1])
    return "" if key is None or key != key else str(key)


def _series_array(series: Any, notes: list[str]) -> pa.Array:
    if str(series.dtype).startswith("period"):
        series = _stamped(series, notes)
    try:
        array = pa.Array.from_pandas(series)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        # numbers and text mixed: as text, so that the cell that is no number can be named
        missing = series.isna().to_numpy()
        array = pa.array([None if gone else str(item) for item, gone in zip(series, missing, strict=True)], pa.string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _stamped(series: Any, notes: list[str]) -> Any:
    """Return periods as stamps: the day itself, or the last day of a longer period."""
    first, last = series.dt.start_time, series.dt.end_time.dt.normalize()
    if not (last > first).any():
        return first
    notes.append("periods are dated at their last day")
    return last
