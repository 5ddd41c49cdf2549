"""Compare incoming prices with the stored ones, and replace what differs.

1. Every incoming row meets the stored row of its (dataset, symbol, date), if there is one.
2. Only what the source has is compared and replaced: fields without a column, and empty cells, keep what is stored.
3. A changed row is deleted and inserted anew; unchanged rows are not written at all.
4. Where the source is to be the whole truth, stored rows of its symbols, within each one's span, that it does not have
   are deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metabt.lakehouse.catalog.schema import SCHEMA, insert
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.ingestion.observations import FIELDS, Observations


@dataclass(frozen=True)
class Upsert:
    """Incoming rows after comparison with the stored ones."""

    rows: pa.Table
    """Added and changed rows under the schema of `prices`."""
    stale: pa.Table
    """(symbol, date, close, was) of the rows they replace: the new close and the one that is stored."""
    unchanged: int
    """How many incoming rows were stored already."""
    withdrawn: pa.Table
    """(symbol, date) of stored rows that the source does not have and ought to."""

    @property
    def is_empty(self) -> bool:
        """True where there is nothing to write."""
        return not (self.rows.num_rows or self.withdrawn.num_rows)

    @property
    def symbols(self) -> set[str]:
        """Symbols that are touched."""
        return {symbol for part in (self.rows, self.withdrawn) for symbol in part["symbol"].unique().to_pylist()}

    @property
    def first(self) -> date:
        """The first date on which a price changes."""
        return min(pc.min(part["date"]).as_py() for part in (self.rows, self.withdrawn) if part.num_rows)


def compare(con: duckdb.DuckDBPyConnection, dataset: str, rows: Observations, *, whole: bool = False) -> Upsert:
    """Return what is to be written so that `rows` are stored; with `whole` they are all that there is in their span."""
    con.register("incoming", rows.to_arrow())
    span = [rows.dates.min().item(), rows.dates.max().item()]
    compared = execute(con, _comparison(rows, whole=whole), dataset, *span).to_arrow_table()
    gone = execute(con, _WITHDRAWN if whole else _WITHDRAWN + " LIMIT 0", dataset).to_arrow_table()
    con.unregister("incoming")
    stored = compared["stored"].to_numpy()
    same = stored & compared["same"].to_numpy()
    stale = compared.filter(pa.array(stored & ~same)).select(["symbol", "date", "close", "was"])
    return Upsert(
        compared.filter(pa.array(~same)).select(list(SCHEMA["prices"])),
        stale,
        int(np.count_nonzero(same)),
        gone,
    )


def replace_prices(con: duckdb.DuckDBPyConnection, dataset: str, merge: Upsert) -> None:
    """Delete the stale and the withdrawn rows and append the new ones."""
    for part in (merge.stale, merge.withdrawn):
        if part.num_rows:
            con.register("stale", part)
            sql = "DELETE FROM prices WHERE dataset = $1 AND (symbol, date) IN (SELECT (symbol, date) FROM stale)"
            execute(con, sql, dataset)
            con.unregister("stale")
    if merge.rows.num_rows:
        insert(con, "prices", merge.rows, "ORDER BY date, symbol")


_WITHDRAWN = (
    "SELECT p.symbol, p.date FROM prices p "
    "JOIN (SELECT symbol, min(date) AS first, max(date) AS last FROM incoming GROUP BY symbol) s "
    "ON p.symbol = s.symbol AND p.date BETWEEN s.first AND s.last "
    "WHERE p.dataset = $1 AND NOT EXISTS (FROM incoming i WHERE i.symbol = p.symbol AND i.date = p.date)"
)


def _comparison(rows: Observations, *, whole: bool) -> str:
    incoming = {name: f"i.{name}" if whole else f"coalesce(i.{name}, p.{name})" for name in rows.fields}
    fields = ", ".join(f"{incoming.get(name, f'p.{name}')} AS {name}" for name in FIELDS)
    same = " AND ".join(f"{incoming[name]} IS NOT DISTINCT FROM p.{name}" for name in rows.fields)
    return (
        f"SELECT $1 AS dataset, i.symbol, i.date, {fields}, p.date IS NOT NULL AS stored, {same} AS same, "
        "p.close AS was FROM incoming i "
        "LEFT JOIN (SELECT * FROM prices WHERE dataset = $1 AND date BETWEEN $2 AND $3) p "
        "ON p.symbol = i.symbol AND p.date = i.date"
    )
