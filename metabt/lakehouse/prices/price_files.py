"""Price files: rows of a dataset as Parquet, a file for each year, written here as DuckLake would write them.

1. A year's rows go into one file, in groups that are no longer than DuckDB's.
2. Texts come as codes and dictionaries and are written as that, which is what DuckDB, that hashes each text of a row
   anew, takes longest for; it also gathers the rows of each partition before it writes one.
3. The files become part of the table with the commit (metabt.lakehouse.catalog.added_files).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import duckdb
import pyarrow as pa

from metabt.lakehouse.catalog.added_files import add, can_add, column_ids, data_folder, said_as_duckdb
from metabt.lakehouse.folder.orphans import NAME

GROUP = 122_880
"""Rows of a row group at most, as DuckDB has it."""
REPEATED = ["dataset", "symbol", "date"]
"""Columns that are written as dictionaries."""

Year = tuple[str, Iterable[pa.RecordBatch]]
"""A year, and its rows."""


def can_write(con: duckdb.DuckDBPyConnection, dataset: str) -> bool:
    """Return whether a dataset's rows can be written as files here; if not, DuckLake has to write them."""
    return can_add(data_folder(con), [dataset])


def known_to_table(con: duckdb.DuckDBPyConnection, schema: pa.Schema) -> pa.Schema:
    """Return a schema whose columns bear the numbers that the table `prices` knows them by."""
    ids = column_ids(con, "prices")
    return pa.schema([field.with_metadata({"PARQUET:field_id": str(ids[field.name])}) for field in schema])


def write_files(con: duckdb.DuckDBPyConnection, dataset: str, schema: pa.Schema, years: Sequence[Year]) -> None:
    """Write the rows of a dataset, and add the files to the table `prices` within the transaction.

    Raises
    ------
    duckdb.IOException
        If a file cannot be written, as where DuckDB writes it.
    """
    folder = data_folder(con) / "main" / "prices" / f"dataset={dataset}"
    files = [folder / f"year={int(year)}" / f"{NAME}{uuid4()}.parquet" for year, _ in years]
    try:
        for file, (_, batches) in zip(files, years, strict=True):
            _write(file, schema, batches)
        with said_as_duckdb():
            add(con, "prices", files)
    except BaseException:  # nothing was committed: they are nobody's
        for file in files:
            with suppress(OSError):
                file.unlink(missing_ok=True)
        raise


def _write(file: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    from pyarrow.parquet import ParquetWriter

    with said_as_duckdb():
        file.parent.mkdir(parents=True, exist_ok=True)
        writer = ParquetWriter(file, schema, use_dictionary=REPEATED, store_schema=False)
    try:
        for batch in batches:  # which may raise what it likes
            with said_as_duckdb():
                writer.write_batch(batch, row_group_size=GROUP)
        with said_as_duckdb():
            writer.close()
    except BaseException:
        with suppress(OSError):
            writer.close()
        raise
