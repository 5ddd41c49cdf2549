"""Write the answer to a query to a file: CSV, JSON or Parquet, as its name ends.

1. The statement is checked as any question is.
2. CSV and JSON are written as they are printed; Parquet keeps DuckDB's types, and rows go through in batches.
3. A file appears whole under its name: it is written beside it first.
"""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from metabt.errors import ConfigError, StoreError, nearest
from metabt.lakehouse.catalog.local_paths import refuse_address
from metabt.lakehouse.sql.read_only import ask, connect, stream

ENDINGS = ("csv", "json", "parquet")


def export(path: str | Path, sql: str, file: str | Path, run_id: str | None = None) -> Path:
    """Write the answer to one reading statement to a file.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    sql : str
        One statement that only reads, as for `query`.
    file : str or Path
        Where to write; its name ends in .csv, .json or .parquet. A file that is there is replaced, once all is written.
    run_id : str, optional
        The one run whose rows there are, as for `query`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        If the file's name ends in something else.
    StoreError
        For a statement that is refused, or a file that cannot be written.
    """
    refuse_address(file, "file")
    target = Path(file)
    ending = target.suffix.lower().removeprefix(".")
    if ending not in ENDINGS:
        raise ConfigError(f"'{file}' ends in '.{ending}'{nearest(ending, ENDINGS)}; name it .csv, .json or .parquet")
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with connect(path, run_id) as con:
            if ending == "parquet":
                _write_parquet(con, sql, beside)
            else:
                beside.write_text(ask(con, sql).to(ending) + "\n", encoding="utf-8")
        beside.replace(target)
    except OSError as error:
        raise StoreError(f"'{file}' cannot be written: {error.strerror}; name another file") from error
    finally:
        beside.unlink(missing_ok=True)
    return target


def _write_parquet(con: duckdb.DuckDBPyConnection, sql: str, file: Path) -> None:
    from pyarrow import parquet

    batches = stream(con, sql)
    with parquet.ParquetWriter(file, batches.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
