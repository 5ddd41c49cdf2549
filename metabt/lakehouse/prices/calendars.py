"""Calendars: the sessions of every dataset, kept in a table of their own, so that they are known without prices.

1. A session is a date on which any symbol of the dataset has a price.
2. Ingestion adds the dates that are new, in the transaction that adds their prices; prices are never deleted, so
   neither are sessions.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from metabt.lakehouse.catalog.schema import insert
from metabt.lakehouse.prices.snapshots import read_at
from metabt.values.buffers import from_numpy, from_texts, to_numpy


def add_sessions(con: duckdb.DuckDBPyConnection, dataset: str, dates: np.ndarray) -> None:
    """Record the dates, datetime64[D], that are no sessions of the dataset yet, each once and in order."""
    new = np.setdiff1d(dates, read_calendars(con, [dataset])[dataset])
    if len(new):
        insert(con, "calendars", pa.table({"dataset": from_texts([dataset] * len(new)), "date": from_numpy(new)}))


def read_calendars(con: duckdb.DuckDBPyConnection, datasets: list[str], at: int | None = None) -> dict[str, np.ndarray]:
    """Return dataset -> its sessions, (n_sessions,) datetime64[D], increasing; one statement for all of them."""
    sql = "SELECT dataset, date FROM calendars{at} WHERE list_contains($1::VARCHAR[], dataset) ORDER BY dataset, date"
    rows = read_at(con, sql, at, datasets).to_arrow_table()
    owner, dates = np.array(rows["dataset"].to_pylist(), np.str_), to_numpy(rows["date"])
    return {name: dates[owner == name] for name in datasets}
