"""A lakehouse whose rows a test has changed, with digests as if they had been stored so."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from metabt.lakehouse.catalog.schema import RUN_TABLES, SCHEMA, from_arrow
from metabt.lakehouse.runs.run_digests import Measured, digests_text, row_digest
from metabt.lakehouse.runs.run_seals import seal_askings, seal_runs
from metabt.values.tables import Table


def reseal(con: duckdb.DuckDBPyConnection, names: Sequence[str] = RUN_TABLES) -> None:
    """Record the digests of all runs, and of those of their tables that have rows, and of askings anew."""
    rows = con.execute("SELECT * FROM runs").to_arrow_table().to_pylist()
    for row in rows:
        tables = {name: table_of(con, name, row["run_id"]) for name in names}
        row["digests"] = digests_text(row, Measured.of(row["portfolio"], tables))
        row["digest"] = row_digest(row)
    if rows:
        con.register("resealed", pa.Table.from_pylist(rows).select(["run_id", "digests", "digest"]))
        con.execute(
            "UPDATE runs SET digests = s.digests, digest = s.digest FROM resealed s WHERE runs.run_id = s.run_id"
        )
        con.unregister("resealed")
    con.execute("DELETE FROM seals WHERE name = 'runs'")
    seal_runs(con, None, [row["digest"] for row in rows])
    seal_askings(con)


def table_of(con: duckdb.DuckDBPyConnection, name: str, run_id: str) -> Table:
    """Return a run's table, whatever was recorded of it."""
    columns = ", ".join(f'"{column}"' for column in SCHEMA[name] if column != "run_id")
    rows = con.execute(f"SELECT {columns} FROM {name} WHERE run_id = ? ORDER BY rowid", [run_id])
    return from_arrow(name, rows.to_arrow_table())
