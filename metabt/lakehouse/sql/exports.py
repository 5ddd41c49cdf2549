"""Write the answer to a query to a file: CSV, JSON or Parquet, as its name ends.

1. The statement is checked as any question is.
2. CSV and JSON are written as they are printed; Parquet keeps DuckDB's types; rows go through in pieces.
3. A file appears whole under its name: it is written beside it first.
"""

from __future__ import annotations

import os
from pathlib import Path

from metabt.errors import ConfigError, StoreError, nearest
from metabt.lakehouse.catalog.local_paths import refuse_address
from metabt.lakehouse.sql.answering import batches, rows
from metabt.lakehouse.sql.limits import Limits
from metabt.lakehouse.sql.result_set import texts

ENDINGS = ("csv", "json", "parquet")


def export(
    path: str | Path, sql: str, file: str | Path, run_id: str | None = None, limits: Limits | None = None
) -> Path:
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
    limits : Limits, optional
        How long it may take, and how much memory; None is a minute, and half of what there is.

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
        if ending == "parquet":
            _write_parquet(path, sql, beside, run_id, limits)
        else:
            _write_text(path, sql, beside, run_id, limits, ending)
        beside.replace(target)
    except OSError as error:
        raise StoreError(f"'{file}' cannot be written: {error.strerror}; name another file") from error
    finally:
        beside.unlink(missing_ok=True)
    return target


def _write_text(path: str | Path, sql: str, file: Path, run_id: str | None, limits: Limits | None, form: str) -> None:
    with rows(path, sql, run_id, limits) as found, file.open("w", encoding="utf-8", newline="\n") as text:
        for piece in texts(form, found.columns, found.kinds, found.pieces):
            text.write(f"{piece}\n")


def _write_parquet(path: str | Path, sql: str, file: Path, run_id: str | None, limits: Limits | None) -> None:
    from pyarrow import parquet

    with batches(path, sql, run_id, limits) as (schema, found), parquet.ParquetWriter(file, schema) as writer:
        for batch in found:
            writer.write_batch(batch)
