"""Price files: rows of a dataset as Parquet, a file for each year, written here as DuckLake would write them.

1. A year's rows go into one file, in groups that are no longer than DuckDB's.
2. Texts come as codes and dictionaries and are written as that, which is what DuckDB, that hashes each text of a row
   anew, takes longest for; it also gathers the rows of each partition before it writes one.
3. The files become part of the table with the commit (metabt.lakehouse.catalog.added_files).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import duckdb
import pyarrow as pa

from metabt.lakehouse.catalog.added_files import add, can_add, column_ids, data_folder, said_as_duckdb, with_ids
from metabt.lakehouse.folder.orphans import NAME
from metabt.lakehouse.storage.place import storage_of

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
    return with_ids(schema, column_ids(con, "prices"))


def write_files(con: duckdb.DuckDBPyConnection, dataset: str, schema: pa.Schema, years: Sequence[Year]) -> None:
    """Write the rows of a dataset, and add the files to the table `prices` within the transaction.

    Raises
    ------
    duckdb.IOException
        If a file cannot be written, as where DuckDB writes it.
    """
    folder = data_folder(con) / f"main/prices/dataset={dataset}"
    files = [folder / f"year={int(year)}/{NAME}{uuid4()}.parquet" for year, _ in years]
    try:
        for file, (_, batches) in zip(files, years, strict=True):
            with ExitStack() as written:
                with said_as_duckdb():
                    opened = written.enter_context(storage_of(file.parent).written(file.name))
                _write(opened, schema, batches)
                with said_as_duckdb():
                    written.close()
        with said_as_duckdb():
            add(con, "prices", files)
    except BaseException:  # nothing was committed: they are nobody's
        for file in files:
            with suppress(OSError):
                storage_of(file.parent).remove(file.name)
        raise


def _write(file: Path | BinaryIO, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    from pyarrow.parquet import ParquetWriter

    with said_as_duckdb():
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
