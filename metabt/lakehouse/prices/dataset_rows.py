"""Dataset rows: what is recorded of a dataset as a whole, in its row of `datasets`, and of each ingestion in `ingests`.

1. Facts are stated by whoever ingests: whether it is closed, the steps between its prices and its returns, whether its
   prices are adjusted, or levels that returns were compounded into. What is not stated anew stays as it was.
2. Its extent and its seals follow from its other tables; the last seal covers the row itself.
3. A row is written where it differs from the one that is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from metabt.lakehouse.catalog.schema import ARROW, NUMPY, SCHEMA, insert
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.prices.price_digests import dataset_seals
from metabt.lakehouse.prices.seals import row_seal
from metabt.values.buffers import from_numpy, from_texts

NEW = {"closed": False, "panel": None, "adjusted": True, "returns": False, "tables": None}
"""Facts of a dataset of which nothing is stated."""


def record(con: duckdb.DuckDBPyConnection, dataset: str, stated: Mapping[str, Any], extent: Mapping[str, Any]) -> bool:
    """Write a dataset's row where it differs; return whether it did.

    Parameters
    ----------
    con : connection
        Within a transaction.
    dataset : str
        Its name.
    stated : mapping
        Facts, of NEW; None leaves one as it was, an empty text takes it away.
    extent : mapping
        symbols, sessions, first_date and last_date of its prices.
    """
    found = execute(con, "SELECT * FROM datasets WHERE dataset = $1", dataset).to_arrow_table().to_pylist()
    facts = {name: found[0][name] if found else default for name, default in NEW.items()}
    facts |= {name: None if fact == "" else fact for name, fact in stated.items() if fact is not None}
    row = {"dataset": dataset, **facts, **extent, **dataset_seals(con, dataset)}
    row["digest"] = row_seal(row)
    if found == [row]:
        return False
    execute(con, "DELETE FROM datasets WHERE dataset = $1", dataset)
    insert_row(con, "datasets", row)
    return True


def record_extent(con: duckdb.DuckDBPyConnection, dataset: str) -> None:
    """Write what a dataset spans now, with its digests."""
    record(con, dataset, {}, extent_of(con, dataset))


def extent_of(con: duckdb.DuckDBPyConnection, dataset: str) -> dict[str, Any]:
    """Return symbols, sessions, first_date and last_date of a dataset's prices."""
    names = ("symbols", "sessions", "first_date", "last_date")
    sql = "SELECT count(DISTINCT symbol), count(DISTINCT date), min(date), max(date) FROM prices WHERE dataset = $1"
    return dict(zip(names, execute(con, sql, dataset).fetchall()[0], strict=True))


def stated_facts(con: duckdb.DuckDBPyConnection, dataset: str) -> dict[str, Any]:
    """Return the facts of a dataset, under the names of NEW; those of a new one where there is none."""
    names = ", ".join(NEW)
    found = execute(con, f"SELECT {names} FROM datasets WHERE dataset = $1", dataset).fetchall()
    return dict(zip(NEW, found[0], strict=True)) if found else dict(NEW)


def insert_row(con: duckdb.DuckDBPyConnection, name: str, row: Mapping[str, Any]) -> None:
    """Append one row to a table; None is NULL."""
    insert(con, name, pa.table({key: _cell(row[key], kind) for key, kind in SCHEMA[name].items()}))


def _cell(value: Any, kind: str) -> pa.Array:
    if value is None:
        return pa.nulls(1, ARROW[kind])
    return from_texts([value]) if kind == "VARCHAR" else from_numpy(np.array([value], NUMPY[kind]))
