"""Parquet files, read by DuckDB, which runs no code that a crafted file may carry.

1. Checksums of pages are compared first, where there are any: DuckDB does not.
2. Names are those in the file, by position: DuckDB would rename one that differs from another in case alone.
3. What pandas wrote beside them says whether names have two levels, and in which time zone instants were.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from metabt.errors import DataError
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.ingestion.columns import Name, Table
from metabt.lakehouse.ingestion.page_checksums import check_pages
from metabt.lakehouse.ingestion.readers.gathered import gathered

ENDINGS = (".parquet", ".pq")
CHUNKS = (
    "SELECT CASE WHEN dictionary_page_offset > 0 THEN least(dictionary_page_offset, data_page_offset) "
    "ELSE data_page_offset END, total_compressed_size FROM parquet_metadata($1) WHERE data_page_offset >= 0 "
    "AND total_compressed_size > 0"
)
"""What asks for the place and the size of every column chunk."""
BATCH = 1 << 18
"""Rows that are read at a time."""


def read_parquet(path: Path) -> Table:
    """Return the columns of a Parquet file.

    Raises
    ------
    DataError
        When it cannot be read, or holds instants whose dates are unknown.
    """
    try:
        with duckdb.connect(":memory:", config={"autoinstall_known_extensions": False}) as con:
            pattern = _as_pattern(str(path))
            check_pages(path, execute(con, CHUNKS, pattern).fetchall())
            ((n_rows,),) = execute(con, "SELECT num_rows FROM parquet_file_metadata($1)", pattern).fetchall()
            sql = "SELECT * FROM read_parquet($1, hive_partitioning = false)"
            rows = execute(con, sql, pattern).to_arrow_reader(BATCH)
            columns = gathered(rows.schema, _read(rows), n_rows)
            notes = execute(con, "SELECT value FROM parquet_kv_metadata($1) WHERE key = 'pandas'", pattern).fetchall()
            sql = "SELECT name, num_children FROM parquet_schema($1)"
            names = _top_names(execute(con, sql, pattern).fetchall())
    except duckdb.Error as error:
        first = str(error).partition("\n")[0]
        raise DataError(f"'{path}' cannot be read as Parquet: {first}; write it anew") from error
    try:
        described = json.loads(notes[0][0]) if notes else {}
        zones, levels = _time_zones(described), len(described.get("column_indexes") or [])
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise DataError(
            f"'{path}' holds metadata of pandas that pandas does not write; write it anew, with pandas or without them"
        ) from error
    named = zip(names, columns, strict=True)
    return Table([(_level_name(name, levels), _zoned(name, column, zones)) for name, column in named])


def _read(rows: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yield batches; what DuckDB has to say against the file comes through Arrow as an error of another kind."""
    try:
        yield from rows
    except (OSError, pa.ArrowException) as error:
        raise duckdb.IOException(str(error)) from error


def _top_names(nodes: list[tuple[str, int | None]]) -> list[str]:
    """Return the names of the columns from the nodes of a schema, parents first."""
    names, place = [], 1
    while place < len(nodes):
        names.append(nodes[place][0])
        left = 1
        while left:  # the node and all beneath it
            left += (nodes[place][1] or 0) - 1
            place += 1
    return names


def _as_pattern(path: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in path)


def _level_name(name: str, levels: int) -> Name:
    """Return the pair that pandas wrote as text, where a frame's columns had two levels."""
    try:
        key = ast.literal_eval(name) if levels == 2 else name
    except (ValueError, SyntaxError):
        return name
    return (str(key[0]), str(key[1])) if isinstance(key, tuple) and len(key) == 2 else name


def _time_zones(described: dict[str, Any]) -> dict[str, str]:
    """Return column -> time zone: Parquet keeps instants only, pandas writes the zone beside them."""
    return {
        str(column.get("field_name") or column.get("name")): str(column["metadata"]["timezone"])
        for column in described.get("columns") or []
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
