"""The list of runs: what each was asked for with, what it spans and how it did, the one asked for last first.

1. A run's overrides are those of its plainest asking: by itself before by a sweep, with none before with some.
2. Its first and last date are those of the root's returns; its metrics are the root's.
"""

from __future__ import annotations

import duckdb

from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.catalog.views import ASKINGS
from metabt.lakehouse.runs.names import described

METRICS = ("sharpe", "cagr", "total_return")
"""Metrics of the root that are listed."""

SQL = f"""
WITH askings AS ({ASKINGS}),
plainest AS (
  SELECT run_id, overrides, sweep_id FROM askings
  QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY kind, "at" DESC) = 1
),
lately AS (SELECT run_id, max("at") AS asked_at FROM askings GROUP BY run_id),
spans AS (
  SELECT run_id, min(date) AS first_date, max(date) AS last_date
  FROM returns JOIN runs USING (run_id) WHERE path = portfolio GROUP BY run_id
),
measured AS (
  SELECT run_id, {", ".join(f"max(value) FILTER (metric = '{name}') AS {name}" for name in METRICS)}
  FROM metrics JOIN runs USING (run_id) WHERE path = portfolio GROUP BY run_id
)
SELECT r.run_id, r.portfolio, coalesce(p.overrides, r.overrides) AS overrides,
  CASE WHEN p.run_id IS NULL THEN r.sweep_id ELSE p.sweep_id END AS sweep_id,
  first_date, last_date, r.keep, {", ".join(METRICS)}, r.status, coalesce(asked_at, r.started_at) AS asked_at,
  r.started_at, r.seconds, r.engine, r.snapshot
FROM runs r LEFT JOIN plainest p USING (run_id) LEFT JOIN lately USING (run_id) LEFT JOIN spans USING (run_id)
  LEFT JOIN measured USING (run_id)
ORDER BY asked_at DESC, r.run_id
"""


@reported
def run_list(con: duckdb.DuckDBPyConnection) -> list[dict[str, object]]:
    """Return a row for every stored run, failed ones too, the one that was asked for last first.

    Parameters
    ----------
    con : connection
        An attached lakehouse.

    Returns
    -------
    list of dict
        run_id, portfolio, overrides (as text, empty where there are none), sweep_id (None for a run that was asked for
        by itself), first_date and last_date, keep, sharpe, cagr, total_return, status, asked_at (UTC, the last time),
        started_at (UTC), seconds, engine and snapshot.
    """
    rows = con.execute(SQL).to_arrow_table().to_pylist()
    return [{**row, "overrides": described(row["overrides"])} for row in rows]
