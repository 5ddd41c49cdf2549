"""Compare incoming prices with the stored ones, and replace what differs.

1. Every incoming row meets the stored row of its (dataset, symbol, date), if there is one.
2. Only the fields that the source has are compared and replaced; the others keep what is stored.
3. A changed row is deleted and inserted anew; unchanged rows are not written at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from metabt.lakehouse.catalog.schema import SCHEMA, insert
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.ingestion.observations import FIELDS, Observations


@dataclass(frozen=True)
class Upsert:
    """Incoming rows after comparison with the stored ones."""

    rows: pa.Table
    """Added and changed rows under the schema of `prices`."""
    stale: pa.Table
    """(symbol, date) of the rows they replace."""
    unchanged: int
    """How many incoming rows were stored already."""


def compare(con: duckdb.DuckDBPyConnection, dataset: str, rows: Observations) -> Upsert:
    """Return what is to be written so that `rows` are stored."""
    con.register("incoming", rows.to_arrow())
    span = [rows.dates.min().item(), rows.dates.max().item()]
    compared = execute(con, _comparison(rows), dataset, *span).to_arrow_table()
    con.unregister("incoming")
    stored = compared["stored"].to_numpy()
    same = stored & compared["same"].to_numpy()
    return Upsert(
        compared.filter(pa.array(~same)).select(list(SCHEMA["prices"])),
        compared.filter(pa.array(stored & ~same)).select(["symbol", "date"]),
        int(np.count_nonzero(same)),
    )


def replace_prices(con: duckdb.DuckDBPyConnection, dataset: str, merge: Upsert) -> None:
    """Delete the stale rows and append the new ones."""
    if merge.stale.num_rows:
        con.register("stale", merge.stale)
        sql = "DELETE FROM prices WHERE dataset = $1 AND (symbol, date) IN (SELECT (symbol, date) FROM stale)"
        execute(con, sql, dataset)
        con.unregister("stale")
    insert(con, "prices", merge.rows, "ORDER BY date, symbol")


def _comparison(rows: Observations) -> str:
    fields = ", ".join(f"{'i' if name in rows.fields else 'p'}.{name}" for name in FIELDS)
    same = " AND ".join(f"i.{name} IS NOT DISTINCT FROM p.{name}" for name in rows.fields)
    return (
        f"SELECT $1 AS dataset, i.symbol, i.date, {fields}, p.date IS NOT NULL AS stored, {same} AS same "
        "FROM incoming i LEFT JOIN (SELECT * FROM prices WHERE dataset = $1 AND date BETWEEN $2 AND $3) p "
        "ON p.symbol = i.symbol AND p.date = i.date"
    )
