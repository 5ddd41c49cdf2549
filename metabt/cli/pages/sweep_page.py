"""The page of a sweep: `metabt report SWEEP`, from what is stored of its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metabt.cli.printing import show
from metabt.errors import ConfigError

if TYPE_CHECKING:
    import duckdb

    from metabt.report.sweep.tried import Tried


def sweep_named(where: str, name: str) -> str | None:
    """Return the identity of the sweep that a name begins; None where it begins none, or names a run."""
    from metabt.lakehouse import attach, resolve_run
    from metabt.lakehouse.runs.sweep_members import resolve_sweep

    with attach(where, read_only=True) as connection:
        found = resolve_sweep(connection, name)
        if found is None or name == found:
            return found
        try:
            run_id = resolve_run(connection, name)
        except ConfigError:
            return found
    if run_id.startswith(name):
        raise ConfigError(f"'{name}' begins run {run_id[:12]} and sweep {found[:12]}; give more of the one you mean")
    return None


def write_sweep(where: str, sweep_id: str, output: str) -> None:
    """Write the page of a sweep."""
    from metabt.lakehouse import attach
    from metabt.report import write_page

    with attach(where, read_only=True) as connection:
        tried = _tried(connection, sweep_id)
        file = write_page(output, tried)
    size = f"{file.stat().st_size / 1e6:.1f} MB"
    show(f"{file}: {size}, sweep {sweep_id[:12]} of {len(tried.run_ids):,} configurations")


def _tried(connection: duckdb.DuckDBPyConnection, sweep_id: str) -> Tried:
    from metabt.lakehouse import root_metrics
    from metabt.lakehouse.evidence import evidence
    from metabt.lakehouse.runs.sweep_members import sweep_members
    from metabt.report.root_curves import root_curves
    from metabt.report.sweep.tried import METRICS, Tried

    members = sweep_members(connection, sweep_id)
    metrics = root_metrics(connection, list(dict.fromkeys(it.run_id for it in members)))
    lost = {"forgotten": "it was forgotten"}
    return Tried(
        sweep_id=sweep_id,
        portfolios=tuple(dict.fromkeys(it.portfolio for it in members if it.portfolio)),
        asked_at=str(max(it.at for it in members)),
        run_ids=tuple(it.run_id for it in members),
        overrides=tuple(it.overrides for it in members),
        errors=tuple(lost.get(it.status, it.error) for it in members),
        metrics={
            name: np.array([metrics.get(it.run_id, {}).get(name, np.nan) for it in members], float) for name in METRICS
        },
        evidence=evidence(connection, [it.run_id for it in members if it.status == "ok"]),
        curves=lambda wanted: root_curves(connection, wanted),
    )
