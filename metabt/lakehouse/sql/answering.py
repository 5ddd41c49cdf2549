"""Answer one statement in pieces, within limits: rows as they come, or Arrow batches.

1. A connection of its own is opened, and told how much memory it may take.
2. The statement is admitted and asked on a thread (metabt.lakehouse.sql.limits); the head comes first, then the rows.
3. What DuckDB says of it becomes an error of metabt, with the cure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from metabt.errors import StoreError
from metabt.lakehouse.catalog.connection_loss import close
from metabt.lakehouse.sql.admission import admit
from metabt.lakehouse.sql.limits import Limits, running, too_large, watched
from metabt.lakehouse.sql.read_only import explained, reading

if TYPE_CHECKING:
    import pyarrow as pa

PIECE = 10_000
"""Rows of a piece."""


@dataclass(frozen=True)
class Rows:
    """An answer that is being computed."""

    columns: tuple[str, ...]
    """Names of the columns."""
    kinds: tuple[str, ...]
    """DuckDB's types of the columns."""
    pieces: Iterator[list[tuple[Any, ...]]]
    """The rows, some at a time."""


@contextmanager
def rows(path: str | Path, sql: str, run_id: str | None = None, limits: Limits | None = None) -> Iterator[Rows]:
    """Yield the answer to one reading statement, as `query` takes it, as rows.

    Raises
    ------
    StoreError
        For a statement that is refused, or an answer that is beyond the limits.
    """
    with _answered(path, sql, run_id, limits or Limits(), _rows) as found:
        columns, kinds = next(found)
        yield Rows(columns, kinds, found)


@contextmanager
def batches(
    path: str | Path, sql: str, run_id: str | None = None, limits: Limits | None = None
) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """Yield the answer to one reading statement as Arrow: its schema, and batches of it."""
    with _answered(path, sql, run_id, limits or Limits(), _batches) as found:
        yield next(found), found


@contextmanager
def _answered(
    path: str | Path,
    sql: str,
    run_id: str | None,
    limits: Limits,
    compute: Callable[[duckdb.DuckDBPyConnection, str], Iterator[Any]],
) -> Iterator[Iterator[Any]]:
    con = reading(path, run_id, limits.for_duckdb)
    try:
        with closing(watched(con, lambda: compute(con, sql), limits)) as found:  # type: ignore[type-var]
            yield found
    except StoreError:
        raise
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise StoreError(too_large(limits)) from error
    except duckdb.Error as error:
        raise StoreError(explained(error)) from error
    finally:
        if not running(con):
            close(con)


def _rows(con: duckdb.DuckDBPyConnection, sql: str) -> Iterator[Any]:
    admit(con, sql)
    head = con.execute(sql).description or []
    yield tuple(column[0] for column in head), tuple(str(column[1]) for column in head)
    while piece := con.fetchmany(PIECE):
        yield piece


def _batches(con: duckdb.DuckDBPyConnection, sql: str) -> Iterator[Any]:
    admit(con, sql)
    reader = con.execute(sql).to_arrow_reader(PIECE * 10)
    yield reader.schema
    yield from reader
