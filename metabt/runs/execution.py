"""Execution: one request is walked and assembled; storing the run is left to the caller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from metabt.analysis.run_notes import Warned
from metabt.build.foreign_warnings import Heard, together
from metabt.build.ports import Cache, Progress
from metabt.build.walk_result import Executor
from metabt.engines.backtest_engine import BacktestEngine
from metabt.numerics.compilation import compilation
from metabt.portfolio.sleeve import Sleeve
from metabt.runs.request import Request
from metabt.values.tables import Table


@dataclass(frozen=True)
class Execution:
    """Tables of one request, and the time that they took."""

    tables: dict[str, Table]
    """The run's tables."""
    seconds: float
    """Engine time, seconds, without compiling."""
    warned: tuple[Warned, ...] = ()
    """Warnings of foreign estimators; blocks that were found gave none."""


def execute(
    asked: Request,
    executor: Executor,
    cache: Cache | None,
    progress: Progress | None = None,
    *,
    force: bool = False,
) -> Execution:
    """Walk one request and assemble its tables; nothing is stored but blocks in `cache` (None: not even these).

    With `force` it is walked though it is estimated to take more memory than there is.

    Raises
    ------
    ConfigError, DataError, RunError
        As `BacktestEngine.run` and `BacktestEngine.assemble`.
    """
    began = perf_counter()
    with compilation() as compiled:
        options: dict[str, Any] = {"executor": executor, "cache": cache, "force": force}
        job = BacktestEngine([asked.tree], asked.datasets, is_meta_backtest=asked.shape, **options)
        walked = job.run(progress)
        tables = job.assemble(walked, end=asked.end, benchmark=asked.benchmark)
        job.cache.flush()
    seconds = perf_counter() - began - compiled.seconds
    return Execution(tables, seconds, warnings_of(job.portfolios[0].walk(), walked.heard))


def warnings_of(sleeves: Iterable[tuple[str, Sleeve]], heard: Mapping[str, Sequence[Heard]]) -> tuple[Warned, ...]:
    """Return what foreign estimators warned of while some sleeves were walked, by path; each spec counts once."""
    paths: dict[str, str] = {}
    for path, sleeve in sleeves:
        paths.setdefault(sleeve.spec.digest, path)
    return tuple(
        Warned(path, each.text, each.session, each.times)
        for key, path in paths.items()
        for each in together(heard.get(key, ()))
    )
