"""Many configurations over prices in memory: walked as a forest, measured, and stored nowhere.

1. Resolve every configuration and ask for its run; one that cannot be has its error, and the others go on.
2. Walk the union of the distinct sleeves, a batch of trees after another, over one cache in memory.
3. Keep the metrics of each root, and its stream, from which follows how much is luck.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metabt.analysis.summary import metrics_by_path
from metabt.build.cache import MemoryCache
from metabt.build.plan import check_data
from metabt.build.ports import Cache, Progress
from metabt.build.walk_result import Executor
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.choice import Auto
from metabt.engines.tree_groups import BATCH
from metabt.errors import MetabtError
from metabt.lakehouse.evidence import Evidence, evidence_of
from metabt.lakehouse.price_source import Frames
from metabt.lakehouse.runs.run_digests import root_stream
from metabt.portfolio.handed_over import objects_of
from metabt.runs.request import Request, benchmark_of, request, resolved
from metabt.runs.swept import Swept
from metabt.runs.trials.tried import Tried
from metabt.values.tables import Table

if TYPE_CHECKING:
    from metabt.config import Job


class InMemory:
    """Runs configurations over prices in memory, of which each is walked once."""

    def __init__(
        self, prices: Frames, executor: Executor, progress: Progress | None = None, force: bool = False
    ) -> None:
        self._prices, self._executor, self._progress, self._force = prices, executor, progress, force
        self._cache: Cache = MemoryCache()
        self._symbols, self._members, self._signals = prices.symbols(), prices.members(), prices.signals()
        self._known: dict[str, Swept] = {}
        self._streams: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._tried = Tried()

    def run(self, jobs: Sequence[Job]) -> list[Swept]:
        """Return what became of each configuration, in their order; one that was run before is found."""
        asked = [self._asked(job) for job in jobs]
        new = {one.run_id: one for one in asked if isinstance(one, Request) and one.run_id not in self._known}
        fresh = list(new.values())
        for first in range(0, len(fresh), BATCH):
            self._walk(fresh[first : first + BATCH])
        return [self._swept(job, one, new) for job, one in zip(jobs, asked, strict=True)]

    def evidence(self) -> Evidence:
        """Return what all that was run is worth beside each other."""
        return evidence_of(self._streams)

    def _asked(self, job: Job) -> Request | str:
        """Return a configuration's request, or why it cannot run."""
        if job.config is None:
            return str(job.error)
        config = job.config
        try:
            named: dict[str, Any] = {"members": self._members, "signals": self._signals}
            shape = config["is_meta_backtest"]
            tree = resolved(config["portfolio"], self._symbols, config["start"], shape, **named)
            against = benchmark_of(config["benchmark"], self._prices, tree, self._symbols)
            found = request(tree, self._prices.datasets([tree]), config["end"], shape, against)
            if found.flat:
                BacktestEngine([tree], found.datasets, is_meta_backtest=False)
            else:
                check_data(tree, found.datasets)
            return found
        except MetabtError as error:
            return str(error)

    def _walk(self, group: Sequence[Request]) -> None:
        """Walk some trees together, and keep their metrics, or why there are none."""
        trees = [one.tree for one in group]
        executor = self._executor
        if isinstance(executor, Auto) and objects_of(trees):
            executor = executor.local
        options: dict[str, Any] = {"executor": executor, "cache": self._cache, "keep": "summary", "force": self._force}
        datasets = self._prices.datasets(trees)
        engine = BacktestEngine(trees, datasets, is_meta_backtest=group[0].shape, **options)
        walked = engine.run(self._progress)
        for position, one in enumerate(group):
            try:
                tables = engine.assemble(walked, position, one.end, one.benchmark)
                self._keep_stream(one, tables)
                self._note(one, metrics_by_path(tables["metrics"])[one.tree.name], None)
            except MetabtError as error:
                self._note(one, {}, str(error))

    def _keep_stream(self, one: Request, tables: Mapping[str, Table]) -> None:
        """Keep the root's net returns less what cash earned."""
        dates, net = root_stream(one.tree.name, tables)
        idle = self._tried.idle(one)
        if idle is not None:
            net = net - idle.returns[np.searchsorted(idle.dates, dates)]
        if len(dates):
            self._streams[one.run_id] = dates, net

    def _note(self, one: Request, metrics: dict[str, float], error: str | None) -> None:
        status = "ok" if error is None else "failed"
        self._known[one.run_id] = Swept(one.run_id, (), status, error, False, metrics, one.tree.spec.cash.rate)

    def _swept(self, job: Job, asked: Request | str, new: dict[str, Request]) -> Swept:
        if isinstance(asked, str):
            return Swept("", job.overrides, "failed", asked, False, {})
        known = self._known[asked.run_id]
        is_found = new.pop(asked.run_id, None) is None
        return Swept(known.run_id, job.overrides, known.status, known.error, is_found, known.metrics, known.cash)
