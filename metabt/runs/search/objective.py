"""Objective: what a sampler is told of each run."""

from __future__ import annotations

from collections.abc import Sequence

from metabt.errors import ConfigError
from metabt.runs.swept import Swept
from metabt.search.objectives import BENCHMARKED, check_objective
from metabt.search.settings import Settings


def objectives(settings: Settings, runs: Sequence[Swept]) -> list[float | None]:
    """Return the objective of each run, NaN where it is undefined there, None where the run failed.

    Raises
    ------
    ConfigError
        If a run that did not fail has no such metric.
    """
    name = settings.objective
    for run in runs:
        if run.status == "ok" and run.metrics and name not in run.metrics:
            if name in BENCHMARKED:
                raise ConfigError(
                    f"objective {name} is a metric beside a benchmark, and run {run.run_id[:12]} has none; set "
                    "benchmark=SYMBOL"
                )
            check_objective(name, run.metrics)
    return [run.metrics.get(name) if run.status == "ok" else None for run in runs]
