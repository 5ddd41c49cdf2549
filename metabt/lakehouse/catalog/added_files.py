"""Added files: data files that are written here and not by DuckLake, which a commit makes part of a table.

1. `data_folder` is where a connection's lakehouse has its data, and `column_ids` what a table's columns are known by;
   a file bears these ids. It lies where DuckLake would have put it, beneath the names of its partition if it has any.
2. `add` has DuckLake make files part of a table with the transaction. Until then nothing names them, and what is left
   of a killed writer is removed as any other orphan (metabt.lakehouse.folder.orphans).
3. DuckLake would have such files read by the names of their columns, and `dataset` by the path from the root of the
   file system on: in a lakehouse that was moved beneath a folder `dataset=x`, every price would be one of x. So
   `take_over` has them read by their ids afterwards, as DuckLake's own are. A note in the folder makes the next writer
   do that where one was killed in between.
4. `can_add` is false where the path means something else already: then DuckLake has to write the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import duckdb
import pyarrow as pa

from metabt.lakehouse.catalog.connection_loss import whole
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.folder.orphans import META, NAME
from metabt.lakehouse.storage.place import place_of, storage_of
from metabt.lakehouse.storage.port import Root

ADDED = "writer.added"
"""File inside a lakehouse while files are added to it that are not taken over yet."""
NOTHING = ("null", "__hive_default_partition__")
"""Names, in lower case, that mean no value where they stand in a path."""


def data_folder(con: duckdb.DuckDBPyConnection) -> Root:
    """Return where the data of the lakehouse are that a connection has attached."""
    return place_of(con.execute("SELECT data_path FROM ducklake_settings('lake')").fetchall()[0][0])


def column_ids(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, int]:
    """Return column -> the number that files of a table know it by."""
    sql = (
        f"SELECT column_name, column_id FROM {META}.ducklake_column JOIN {META}.ducklake_table t USING (table_id) "
        "WHERE t.table_name = $1 AND t.end_snapshot IS NULL AND ducklake_column.end_snapshot IS NULL"
    )
    return dict(execute(con, sql, table).fetchall())


def with_ids(schema: pa.Schema, ids: Mapping[str, int]) -> pa.Schema:
    """Return the schema of a file whose columns bear the numbers that its table knows them by."""
    return pa.schema([field.with_metadata({"PARQUET:field_id": str(ids[field.name])}) for field in schema])


def can_add(folder: Root, names: Sequence[str]) -> bool:
    """Return whether files of partitions with these names can be added in a folder of data."""
    return "=" not in str(folder) and not any(name.lower() in NOTHING for name in names)


def add(con: duckdb.DuckDBPyConnection, table: str, files: Sequence[Root]) -> None:
    """Make files part of a table with the transaction that `con` is in."""
    storage_of(data_folder(con).parent).write(ADDED, b"")
    patterns = [_as_pattern(str(file)) for file in files]
    sql = "CALL ducklake_add_data_files('lake', $1, $2, hive_partitioning => $3)"
    execute(con, sql, table, patterns, table in PARTED)


@contextmanager
def said_as_duckdb() -> Iterator[None]:
    """Raise an OSError of the block as DuckDB would, where it writes a file itself."""
    try:
        yield
    except OSError as error:
        raise duckdb.IOException(str(error)) from error


def take_over(con: duckdb.DuckDBPyConnection, root: Root) -> None:
    """Have the files that were added and committed read by the ids of their columns, if there is a note of such."""
    if not storage_of(root).holds(ADDED):
        return
    files = f"{META}.ducklake_data_file"
    added = f"SELECT data_file_id FROM {files} WHERE mapping_id IS NOT NULL AND regexp_matches(path, $1)"
    with whole(con):
        execute(con, f"UPDATE {files} SET mapping_id = NULL WHERE data_file_id IN ({added})", OWN)
    with suppress(OSError):  # another writer took it away; or the next one does this again, for nothing
        storage_of(root).remove(ADDED)


PARTED = ("prices",)
"""Tables whose files lie beneath the names of their partition."""
OWN = f"^(dataset=.*/year=.*/)?{NAME}[^/]*$"
"""Pattern of the paths of files that are added here, and of those that DuckLake writes."""


def _as_pattern(path: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in path)
