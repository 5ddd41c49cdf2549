"""Execution: one request is walked and assembled; storing the run is left to the caller."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from metabt.build.ports import Cache, Progress
from metabt.build.walk_result import Executor
from metabt.engines.backtest_engine import BacktestEngine
from metabt.numerics.compilation import compilation
from metabt.runs.request import Request
from metabt.values.tables import Table


@dataclass(frozen=True)
class Execution:
    """Tables of one request, and the time that they took."""

    tables: dict[str, Table]
    """The run's tables."""
    seconds: float
    """Engine time, seconds, without compiling."""


def execute(asked: Request, executor: Executor, cache: Cache | None, progress: Progress | None = None) -> Execution:
    """Walk one request and assemble its tables; nothing is stored but blocks in `cache` (None: not even these).

    Raises
    ------
    ConfigError, DataError, RunError
        As `BacktestEngine.run` and `BacktestEngine.assemble`.
    """
    began = perf_counter()
    with compilation() as compiled:
        job = BacktestEngine([asked.tree], asked.datasets, is_meta_backtest=asked.shape, executor=executor, cache=cache)
        tables = job.assemble(job.run(progress), end=asked.end, benchmark=asked.benchmark)
        job.cache.flush()
    return Execution(tables, perf_counter() - began - compiled.seconds)
