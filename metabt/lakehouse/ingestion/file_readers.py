"""Read a source as it is: a CSV file, a Parquet file or a pandas frame becomes named Arrow columns.

1. CSV cells stay text: a symbol such as 0700 or NA must not become a number or nothing.
2. Parquet is read by DuckDB, which runs no code that a crafted file may carry; checksums of pages are compared first.
3. A frame's index becomes its first columns; pandas itself is never imported here.
"""

from __future__ import annotations

import ast
import csv
import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from metabt.errors import DataError, nearest
from metabt.lakehouse.catalog.local_paths import address
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.ingestion.page_checksums import check_pages

Name = str | tuple[str, str]
Columns = list[tuple[Name, pa.Array]]
CSV = (".csv", ".csv.gz")
PARQUET = (".parquet", ".pq")
DELIMITERS = ",;\t"
CHUNKS = (
    "SELECT CASE WHEN dictionary_page_offset > 0 THEN least(dictionary_page_offset, data_page_offset) "
    "ELSE data_page_offset END, total_compressed_size FROM parquet_metadata($1) WHERE data_page_offset >= 0 "
    "AND total_compressed_size > 0"
)
"""What asks for the place and the size of every column chunk of a Parquet file."""


def source_name(source: object) -> str:
    """Return the name of a source in messages and in the table `ingests`: the file's path, or `frame`."""
    return "frame" if is_frame(source) else str(source)


def is_frame(source: object) -> bool:
    """Return whether `source` is a pandas frame."""
    return all(hasattr(source, name) for name in ("columns", "index", "reset_index", "iloc"))


def read_columns(source: object) -> Columns:
    """Return the columns of a file or a pandas frame, in their order.

    Raises
    ------
    DataError
        When there is no such file, it is a directory or of an unknown type, or it cannot be read.
    """
    if is_frame(source):
        return _frame_columns(source)
    if not isinstance(source, str | Path):
        raise DataError(f"cannot read a {type(source).__name__}; hand over the path of a file, or a pandas frame")
    path = Path(source).expanduser()
    _check_file(path)
    name = path.name.lower()
    if name.endswith(CSV):
        return _csv_columns(path)
    if name.endswith(PARQUET):
        return _parquet_columns(path)
    raise DataError(f"'{path}' is of an unknown type; wanted one of {', '.join(CSV + PARQUET)}")


def _check_file(path: Path) -> None:
    message = address(path, "file")
    if message:
        raise DataError(message)
    if path.is_dir():
        raise DataError(f"'{path}' is a directory; name one file in it")
    if not path.is_file():
        beside = [p.name for p in path.parent.iterdir() if p.is_file()] if path.parent.is_dir() else []
        raise DataError(f"there is no file '{path}'{nearest(path.name, beside)}; check the path")


def _csv_columns(path: Path) -> Columns:
    try:
        delimiter, n_columns = _csv_header(path)
        names = [f"f{i}" for i in range(n_columns)]
        with pa.input_stream(str(path), compression="gzip" if path.name.lower().endswith(".gz") else None) as stream:
            table = arrow_csv.read_csv(
                stream,
                arrow_csv.ReadOptions(column_names=names),
                arrow_csv.ParseOptions(delimiter=delimiter),
                arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
            )
    except (OSError, EOFError, zlib.error, csv.Error, UnicodeDecodeError, pa.ArrowInvalid) as error:
        raise DataError(f"'{path}' cannot be read as CSV: {_first(error)}; write it anew as UTF-8 text") from error
    # the header was read as the first row, so that names may repeat and are reported as they are
    whole = [column.combine_chunks() for column in table.columns]
    return [(str(column[0].as_py()).strip(), column.slice(1)) for column in whole]


def _csv_header(path: Path) -> tuple[str, int]:
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        line = file.readline()
    if not line.strip():
        raise DataError(f"'{path}' has no header; its first line must name the columns")
    delimiter = max(DELIMITERS, key=line.count)
    return delimiter, len(next(csv.reader([line], delimiter=delimiter)))


def _parquet_columns(path: Path) -> Columns:
    try:
        with duckdb.connect(":memory:", config={"autoinstall_known_extensions": False}) as con:
            pattern = _as_pattern(str(path))
            check_pages(path, execute(con, CHUNKS, pattern).fetchall())
            table = execute(con, "SELECT * FROM read_parquet($1, hive_partitioning = false)", pattern).to_arrow_table()
            notes = execute(con, "SELECT value FROM parquet_kv_metadata($1) WHERE key = 'pandas'", pattern).fetchall()
    except duckdb.Error as error:
        raise DataError(f"'{path}' cannot be read as Parquet: {_first(error)}; write it anew") from error
    described = json.loads(notes[0][0]) if notes else {}
    zones = _time_zones(described)
    levels = len(described.get("column_indexes", []))
    return [
        (_level_name(name, levels), _zoned(name, table[name].combine_chunks(), zones)) for name in table.column_names
    ]


def _as_pattern(path: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in path)


def _level_name(name: str, levels: int) -> Name:
    """Return the pair that pandas wrote as text, where a frame's columns had two levels."""
    try:
        return _name(ast.literal_eval(name)) if levels == 2 else name
    except (ValueError, SyntaxError):
        return name


def _time_zones(described: dict[str, Any]) -> dict[str, str]:
    """Return column -> time zone: Parquet keeps instants only, pandas writes the zone beside them."""
    return {
        str(column.get("field_name") or column.get("name")): str(column["metadata"]["timezone"])
        for column in described.get("columns", [])
        if (column.get("metadata") or {}).get("timezone")
    }


def _zoned(name: str, column: pa.Array, zones: dict[str, str]) -> pa.Array:
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        return column
    micros = column.cast(pa.timestamp("us", "UTC"))
    if name in zones:
        return micros.cast(pa.timestamp("us", zones[name]))
    off_midnight = np.asarray(micros.drop_null().cast(pa.int64())) % 86_400_000_000
    if off_midnight.any():
        raise DataError(
            f"column '{name}' holds instants without their time zone, so their dates are unknown "
            "(not all of them are midnight UTC); store dates instead of instants"
        )
    return micros


def _frame_columns(frame: Any) -> Columns:
    if frame.columns.nlevels > 2:
        raise DataError(f"the frame's columns have {frame.columns.nlevels} levels; wanted symbols, or (field, symbol)")
    positions_only = frame.index.name is None and getattr(frame.index.dtype, "kind", "O") in "iu"
    try:
        flat = frame if positions_only else frame.reset_index()
    except ValueError as error:
        raise DataError(f"the frame's index and a column share a name ({error}); rename one of them") from error
    return [(_name(key), _series_array(flat.iloc[:, i])) for i, key in enumerate(flat.columns)]


def _name(key: object) -> Name:
    return (str(key[0]), str(key[1])) if isinstance(key, tuple) and len(key) == 2 else str(key)


def _series_array(series: Any) -> pa.Array:
    try:
        array = pa.Array.from_pandas(series)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # numbers and text mixed: as text, so that the cell that is no number can be named
        missing = series.isna().to_numpy()
        array = pa.array([None if gone else str(item) for item, gone in zip(series, missing, strict=True)], pa.string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _first(error: Exception) -> str:
    return str(error).partition("\n")[0]
