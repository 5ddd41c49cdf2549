"""The list of runs: what each was asked for with, what it spans and how it did, the one asked for last first.

1. A run's overrides are those of its plainest asking: by itself before by a sweep, with none before with some.
2. Its first and last date are those of the root's returns, as its row has them; its metrics are the root's.
3. What is read is compared with the digests that were recorded of it.
"""

from __future__ import annotations

from datetime import datetime
from math import isnan, nan
from operator import itemgetter
from typing import Any

import duckdb

from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.catalog.views import ASKINGS
from metabt.lakehouse.runs.names import described
from metabt.lakehouse.runs.run_digests import span_of
from metabt.lakehouse.runs.run_seals import check_askings, sound_runs
from metabt.lakehouse.runs.stored_runs import root_metrics

METRICS = ("sharpe", "cagr", "total_return")
"""Metrics of the root that are listed."""
COLUMNS = (
    *("run_id", "portfolio", "overrides", "sweep_id", "first_date", "last_date", "keep", *METRICS, "status"),
    *("asked_at", "started_at", "seconds", "engine", "snapshot"),
)
"""What is listed of a run."""
SQL = f"""
SELECT run_id, arg_min({{overrides: overrides, sweep_id: sweep_id}}, (kind, -epoch_us("at"))) AS plainest,
  max("at") AS asked_at
FROM ({ASKINGS}) a GROUP BY run_id
"""
"""The plainest and the last asking of every run that did not fail."""


@reported
def run_list(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
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
    runs = sound_runs(con)
    check_askings(con)
    askings = {run_id: (plainest, asked_at) for run_id, plainest, asked_at in con.execute(SQL).fetchall()}
    metrics = root_metrics(con, askings)
    rows = [_listed(row, askings.get(row["run_id"]), metrics.get(row["run_id"], {})) for row in runs]
    return sorted(sorted(rows, key=itemgetter("run_id")), key=itemgetter("asked_at"), reverse=True)


def _listed(
    run: dict[str, Any], asking: tuple[dict[str, Any], datetime] | None, metrics: dict[str, float]
) -> dict[str, Any]:
    plainest, asked_at = asking or ({name: run[name] for name in ("overrides", "sweep_id")}, run["started_at"])
    first, last = span_of(run) or (None, None)
    found = {name: None if isnan(value := metrics.get(name, nan)) else value for name in METRICS}
    row = {**run, **plainest, **found, "asked_at": asked_at, "first_date": first, "last_date": last}
    return {**{name: row[name] for name in COLUMNS}, "overrides": described(row["overrides"])}
