"""Sweep: many configurations as one forest.

1. Resolve every configuration; one that cannot be is stored as failed, with its overrides and its error.
2. Leave out what is stored already; it stays the run that it was, and is recorded as asked for.
3. Plan the union of all distinct sleeves, see which of their blocks are known, and walk the rest once: in this process
   batch by batch of trees, so that no more is in memory than the sleeves of some of them.
4. Assemble each tree of a batch, a summary or everything, and put its tables out of memory
   (metabt.runs.spilled_tables).
5. Commit all runs in one transaction. Until then the blocks alone are kept, and the same sweep goes on from them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from metabt.analysis.benchmark import Benchmark, Symbols
from metabt.analysis.run_notes import Warned
from metabt.analysis.summary import COLUMNS, metrics_by_path
from metabt.build.foreign_warnings import Heard
from metabt.build.known_blocks import known_blocks
from metabt.build.plan import Plan, check_data
from metabt.build.ports import Cache, Progress
from metabt.build.step_checks import check_steps
from metabt.build.walk_result import Executor
from metabt.data.dataset import Dataset
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.choice import Auto, executor_of
from metabt.engines.local import Local
from metabt.engines.tree_groups import BATCH, Finished, View, assembled
from metabt.errors import ConfigError, MetabtError
from metabt.lakehouse.catalog.asking import Asking, now
from metabt.lakehouse.price_source import Lakehouse
from metabt.numerics.compilation import compilation
from metabt.numerics.platform import one_thread
from metabt.portfolio.sleeve import Leaf, Sleeve
from metabt.runs.execution import warnings_of
from metabt.runs.plan_notes import PlanNotes, plan_notes
from metabt.runs.request import Request, benchmark_of, request, resolved
from metabt.runs.spilled_tables import Spill
from metabt.runs.sweep_notes import SweepNotes, sweep_notes
from metabt.values.digests import digest
from metabt.values.markup import table
from metabt.values.tables import Table

if TYPE_CHECKING:
    from metabt.config import Job


@dataclass(frozen=True)
class Outlook:
    """Numbers of what a sweep is going to compute."""

    n_jobs: int
    """Configurations."""
    n_failed: int
    """Configurations that cannot run."""
    n_found: int
    """Configurations that are stored already."""
    n_blocks: int
    """Blocks that the others name, each configuration for itself."""
    n_distinct: int
    """Distinct ones among them."""
    n_known: int
    """Distinct ones that are in the cache."""
    n_leaf_distinct: int
    """Distinct blocks of leaves."""
    n_leaf_known: int
    """Those of them that are in the cache."""
    notes: tuple[PlanNotes, ...] = ()
    """What is known beforehand of trees, and of flat baselines; empty where that was not asked for."""


@dataclass(frozen=True)
class Swept:
    """The result of one configuration of a sweep."""

    run_id: str
    """Its identity."""
    overrides: tuple[str, ...]
    """Its overrides."""
    status: str
    """ok or failed."""
    error: str | None
    """Message of the error that ended it; None where it is ok."""
    found: bool
    """Whether it was stored before."""
    metrics: Mapping[str, float]
    """The root's metrics; empty where it failed."""


@dataclass(frozen=True, repr=False)
class Sweep:
    """The result of a sweep."""

    sweep_id: str
    """Digest of the runs it is made of."""
    outlook: Outlook
    """Numbers of what it was going to compute."""
    runs: tuple[Swept, ...]
    """Its configurations, in their order."""
    computed: int
    """Blocks that were computed."""
    leaf_computed: int
    """Blocks of leaves among them."""
    seconds: float
    """Engine time."""
    notes: SweepNotes
    """What must be known of its ranking."""

    def __repr__(self) -> str:
        return f"Sweep({self._head})"

    def _repr_html_(self) -> str:
        """Return the configurations that did best, by Sharpe ratio, as a table."""
        best = sorted(self.runs, key=lambda run: -np.nan_to_num(run.metrics.get("sharpe", np.nan), nan=-np.inf))
        rows = [
            [", ".join(run.overrides) or "as it is", run.run_id[:12], run.status, *_key_metrics(run)]
            for run in best[:SHOWN]
        ]
        headings = ["Configuration", "Run", "Status", *(COLUMNS[name][0] for name in KEYS)]
        left = f"{len(best) - SHOWN:,} more, with lower Sharpe ratios." if len(best) > SHOWN else ""
        return table(f"Sweep {self._head}", headings, rows, left)

    @property
    def _head(self) -> str:
        failed = sum(run.status != "ok" for run in self.runs)
        return (
            f"{self.sweep_id[:12]}, {len(self.runs):,} configurations, {failed:,} failed; "
            f"{self.computed:,} blocks computed in {self.seconds:.1f} s"
        )


RANKED = ("metrics", "returns", "decisions")
"""Tables of which a ranking, and what must be known of it, is made."""
SHOWN = 30
"""Configurations that a notebook shows of a sweep."""
KEYS = ("total_return", "cagr", "volatility", "sharpe", "max_drawdown")
"""Metrics of each of them."""


def _key_metrics(run: Swept) -> list[str]:
    values = [run.metrics.get(name, np.nan) for name in KEYS]
    return [
        COLUMNS[name][1].format(it).strip() if np.isfinite(it) else "-" for name, it in zip(KEYS, values, strict=True)
    ]


@dataclass
class Entry:
    """One configuration of a sweep, from request to tables."""

    job: Job
    """The configuration."""
    asked: Request | None = None
    """Its request; None where it cannot run."""
    error: str | None = None
    """Message of the error because of which it cannot run, or that ended it."""
    found: bool = False
    """Whether it is stored already."""
    tables: Mapping[str, Table] = field(default_factory=dict)
    """Its tables, once it is assembled: each is read when it is asked for."""
    seconds: float = 0.0
    """Engine time of its own."""

    @property
    def run_id(self) -> str:
        """The run's identity; of one that cannot be resolved, the digest of what was asked."""
        if self.asked is not None:
            return self.asked.run_id
        return digest([list(self.job.overrides), _text(self.job)])

    def asking(self, sweep_id: str, at: datetime) -> str:
        """Return the overrides with which the sweep asks for it, as JSON."""
        return Asking(self.job.overrides, sweep_id, at).text(self.asked is not None and self.asked.flat)


def outlook(jobs: Sequence[Job], lakehouse: str) -> Outlook:
    """Return the numbers of what a sweep would compute; nothing is computed and nothing stored."""
    forest = _Forest(jobs, lakehouse, "summary")
    return replace(forest.outlook(), notes=forest.notes())


def run_sweep(
    jobs: Sequence[Job],
    lakehouse: str,
    *,
    keep: str = "summary",
    progress: Progress | None = None,
    announce: Callable[[Outlook], None] | None = None,
    say: Callable[[str], None] | None = None,
    force: bool = False,
) -> Sweep:
    """Run many configurations as one forest, and store all runs in one transaction.

    Parameters
    ----------
    jobs : the configurations
    lakehouse : directory of the lakehouse that prices are read from and runs are stored in
    keep : "summary" stores metrics of all sleeves, and streams and decisions of the roots; "all" stores everything
    progress : called with the number of blocks done, the number of all blocks, and a text that names the last one
    announce : called once, before the walk, with the numbers of what is going to be computed
    say : called with a sentence that names the engine, where none was stated
    force : walk what is estimated to take more memory than this process may use

    Raises
    ------
    ConfigError
        If the configurations ask for several engines, or are estimated to take too much memory together.
    StoreError
        If the lakehouse cannot be read or written; a configuration that fails raises nothing.
    """
    from metabt.lakehouse import check_writable

    started, forest = now(), _Forest(jobs, lakehouse, keep, say, force)
    looked = forest.outlook()
    if looked.n_found < looked.n_jobs:
        check_writable(lakehouse)
    if announce:
        announce(looked)
    forest.check_memory()
    try:
        forest.run(progress)
        return forest.commit(started, looked)
    finally:
        forest.spill.close()


class _Forest:
    """The configurations of a sweep, from resolved to stored."""

    def __init__(
        self,
        jobs: Sequence[Job],
        lakehouse: str,
        keep: str,
        say: Callable[[str], None] | None = None,
        force: bool = False,
    ) -> None:
        self.source, self.keep, self.force = Lakehouse(Path(lakehouse)), keep, force
        self.cache: Cache = self.source.cache()
        self.spill = Spill(self.source.path)
        self.entries = [Entry(job, error=job.error) for job in jobs]
        self.executor = self._executor(say)
        self.benchmarks: dict[str, Benchmark] = {}
        self._resolve()
        self._find()
        self.engines = [self._engine(shape) for shape in (None, False)]
        self.warned: list[Warned] = []
        self.computed = self.leaf_computed = 0
        self.seconds = 0.0

    def _executor(self, say: Callable[[str], None] | None) -> Executor:
        """Return the executor of the whole forest, which all configurations must agree on."""
        stated = {}
        for entry in self.entries:
            if entry.error is None:
                config = _config(entry)
                try:
                    executor = executor_of(config["engine"], config.get("cluster"), say, config.get("local"))
                except MetabtError as error:
                    entry.error = str(error)
                    continue
                stated[json.dumps([config.get(key) for key in ("engine", "local", "cluster")], sort_keys=True)] = (
                    executor
                )
        if len(stated) > 1:
            raise ConfigError(
                "a sweep is walked in one place, its configurations ask for "
                f"{len(stated)}: {', '.join(sorted(stated))}; "
                "results do not depend on it, so give engine, local and cluster one value each"
            )
        return next(iter(stated.values()), executor_of("local"))

    def _resolve(self) -> None:
        symbols, trees = self.source.symbols(), {}
        leaves: dict[str, Sleeve] = {}
        for place, entry in enumerate(self.entries):
            if entry.error is None:
                config = _config(entry)
                try:
                    shape = config["is_meta_backtest"]
                    trees[place] = resolved(config["portfolio"], symbols, config["start"], shape, leaves)
                except MetabtError as error:
                    entry.error = str(error)
        datasets = self.source.datasets(list(trees.values()))
        for place, tree in trees.items():
            config = _config(self.entries[place])
            try:
                benchmark = self._benchmark(config.get("benchmark"), tree, symbols)
                self.entries[place].asked = request(
                    tree, datasets, config["end"], config["is_meta_backtest"], benchmark
                )
            except MetabtError as error:
                self.entries[place].error = str(error)

    def _benchmark(self, text: str | None, tree: Sleeve, symbols: Symbols) -> Benchmark | None:
        """Return a configuration's benchmark, one object for all that name the same: its prices are read once."""
        found = benchmark_of(text, self.source, tree, symbols)
        return found and self.benchmarks.setdefault(found.name, found)

    def _find(self) -> None:
        from metabt.lakehouse import find_runs

        asked = [entry.run_id for entry in self.entries if entry.asked]
        stored = find_runs(self.source.connection, asked, None if self.keep == "summary" else "all")
        stored -= self._damaged(stored)
        for entry in self.entries:
            entry.found = entry.asked is not None and entry.run_id in stored

    def _damaged(self, stored: Collection[str]) -> set[str]:
        """Return those runs of which what is ranked cannot be read back; they are walked and stored anew."""
        from metabt.lakehouse import Damaged

        damaged = self.source.damaged
        try:
            self._read_back(stored)
        except Damaged:  # which of them it is takes a question each
            for run_id in stored:
                try:
                    self._read_back([run_id])
                except Damaged as error:
                    damaged[run_id] = str(error)
        return set(damaged)

    def _read_back(self, run_ids: Collection[str]) -> None:
        from metabt.lakehouse import load_tables

        for name in RANKED:
            for _ in load_tables(self.source.connection, run_ids, name):
                pass

    def _engine(self, shape: bool | None) -> tuple[list[Entry], BacktestEngine]:
        entries, trees = [], []
        datasets: Mapping[str, Dataset] = {}
        for entry in self.entries:
            if entry.asked and not entry.found and entry.asked.shape == shape:
                try:
                    # one tree at a time, so that one without a plan fails alone
                    self._check(entry.asked)
                except MetabtError as error:
                    entry.error = str(error)
                    continue
                entries.append(entry)
                trees.append(entry.asked.tree)
                datasets = entry.asked.datasets
        options: dict[str, Any] = {
            "is_meta_backtest": shape,
            "cache": self.cache,
            "keep": self.keep,
            "executor": self.executor,
            "force": self.force,
        }
        return entries, BacktestEngine(trees, datasets, **options)

    @staticmethod
    def _check(asked: Request) -> None:
        if asked.flat:
            BacktestEngine([asked.tree], asked.datasets, is_meta_backtest=False)
        else:
            check_data(asked.tree, asked.datasets)

    def outlook(self) -> Outlook:
        """Return the numbers of what is to be computed."""
        plans = [engine.plan for entries, engine in self.engines if entries]
        known = [known_blocks(plan, self.cache) for plan in plans]
        return Outlook(
            n_jobs=len(self.entries),
            n_failed=sum(entry.error is not None for entry in self.entries),
            n_found=sum(entry.found for entry in self.entries),
            n_blocks=sum(_named(plan) for plan in plans),
            n_distinct=sum(plan.n_blocks for plan in plans),
            n_known=sum(sum(found.values()) for found in known),
            n_leaf_distinct=sum(_of_leaves(plan, plan.sizes) for plan in plans),
            n_leaf_known=sum(_of_leaves(plan, found) for plan, found in zip(plans, known, strict=True)),
        )

    def notes(self) -> tuple[PlanNotes, ...]:
        """Return what is known beforehand of trees, and of flat baselines, that are to be walked."""
        return tuple(
            plan_notes(engine.plan, [entry.asked.end for entry in entries if entry.asked])
            for entries, engine in self.engines
            if entries
        )

    def check_memory(self) -> None:
        """Raise ConfigError where it would take more memory than this process may use."""
        for entries, engine in self.engines:
            for positions in self._batches(engine) if entries else ():
                engine.check_memory(positions, spilled=True)

    @staticmethod
    def _batches(engine: BacktestEngine) -> list[list[int]]:
        """Return the positions of the trees that are walked together: all of them, where the executor is a stranger."""
        parted = isinstance(engine.executor, Local | Auto) or hasattr(engine.executor, "finish_trees")
        return engine.plan.batches(BATCH) if parted else [list(range(len(engine.portfolios)))]

    def run(self, progress: Progress | None) -> None:
        """Walk the blocks that are not known, and assemble the tables of every tree."""
        for entries, engine in self.engines:
            if not entries:
                continue
            began = perf_counter()
            with compilation() as compiled, one_thread():
                self._run(entries, engine, progress)
            self.seconds += perf_counter() - began - compiled.seconds
        self.cache.flush()

    def _run(self, entries: list[Entry], engine: BacktestEngine, progress: Progress | None) -> None:
        """Walk and assemble the trees of one engine, one batch after another."""
        engine.check_steps()
        against = [entry.asked.benchmark.dataset for entry in entries if entry.asked and entry.asked.benchmark]
        check_steps(against, engine.cache)
        if isinstance(engine.executor, Auto):
            engine.executor = engine.executor.chosen(engine.plan, engine.cache)
        views = [_view(entry) for entry in entries]
        done, n_done = _Done(engine.plan.n_blocks, progress), 0
        heard: dict[str, list[Heard]] = {}
        for group in self._finished(engine, views, done):
            for position, made in zip(group.positions, group.trees, strict=True):
                entry = entries[position]
                entry.tables, entry.error, entry.seconds = self.spill.keep(made.tables), made.error, made.seconds
            n_done += len(group.positions)
            done.roots(f"{n_done} of {len(entries)} roots")
            for key, each in group.heard.items():
                heard.setdefault(key, []).extend(each)
            self.computed += group.computed
            self.leaf_computed += group.computed_leaves
        self.warned += warnings_of((each for tree in engine.portfolios for each in tree.walk()), heard)

    def _finished(self, engine: BacktestEngine, views: Sequence[View], done: _Done) -> Iterator[Finished]:
        """Walk and assemble the trees of one engine: where its executor has them, or here, one batch after another."""
        elsewhere = getattr(engine.executor, "finish_trees", None)
        groups = elsewhere(engine.plan, engine.cache, views, self.keep) if elsewhere else None
        if groups is not None:
            for group in groups:
                done.add(engine.plan.part(group.positions).n_blocks)
                yield group
            return
        for positions in self._batches(engine):
            walked = engine.executor.walk(engine.plan.part(positions), engine.cache, done.blocks)
            for position in positions:
                made = assembled(engine.portfolios[position], walked, views[position], engine.cache, self.keep)
                yield Finished((position,), (made,), {}, 0, 0)
            done.add(walked.plan.n_blocks)
            yield Finished((), (), walked.heard, walked.computed, walked.computed_leaves)

    def commit(self, started: datetime, looked: Outlook) -> Sweep:
        """Store all runs in one transaction, with who asked for them, and return the sweep's result."""
        from metabt.lakehouse import commit_runs, record, root_metrics

        name = digest(sorted(entry.run_id for entry in self.entries))
        notes = sweep_notes(self.entries, self.source, self.warned)
        earlier = root_metrics(self.source.connection, [entry.run_id for entry in self.entries if entry.found])
        new = [(self._row(entry, name, started), entry.tables) for entry in self.entries if not entry.found]
        asked = [(entry.run_id, name, started, entry.asking(name, started)) for entry in self.entries]
        if new:
            commit_runs(self.source.path, new, self.source.connection, asked, mend=self.source.damaged)
        else:
            record(self.source.path, asked, self.source.connection)
        runs = [_swept(entry, earlier) for entry in self.entries]
        return Sweep(name, looked, tuple(runs), self.computed, self.leaf_computed, self.seconds, notes)

    def _row(self, entry: Entry, name: str, started: datetime) -> dict[str, object]:
        facts = {
            "sweep_id": name,
            "snapshot": self.source.snapshot,
            "engine": self.executor.name,
            "status": "ok" if entry.error is None else "failed",
            "started_at": started,
            "seconds": entry.seconds,
            "keep": self.keep,
            "overrides": entry.asking(name, started),
            "error": entry.error,
        }
        if entry.asked is not None:
            return entry.asked.row(**facts)
        name = str(_config(entry)["portfolio"].get("name")) if entry.job.config else ""
        config = _text(entry.job)
        return {"run_id": entry.run_id, "portfolio": name, "config": config, "versions": "{}", **facts}


@dataclass
class _Done:
    """Progress of the whole through its batches."""

    n_blocks: int
    """Blocks of all."""
    progress: Progress | None
    """Who is told."""
    n_before: int = 0
    """Blocks of the batches that are done; those that batches share count for each."""
    n_done: int = 0
    """Blocks that were told of."""

    def blocks(self, done: int, blocks: int, last: str) -> None:
        """Tell of blocks of this batch."""
        self.n_done = min(self.n_before + done, self.n_blocks)
        self._tell(last)

    def roots(self, last: str) -> None:
        """Tell of a root."""
        self._tell(last)

    def add(self, n_blocks: int) -> None:
        """End a batch."""
        self.n_before += n_blocks
        self.n_done = min(self.n_before, self.n_blocks)

    def _tell(self, last: str) -> None:
        if self.progress:
            self.progress(self.n_done, self.n_blocks, last)


def _text(job: Job) -> str:
    """Return a configuration as JSON, even one that cannot be resolved."""
    return json.dumps(job.config, sort_keys=True, default=repr)


def _config(entry: Entry) -> dict[str, Any]:
    assert entry.job.config is not None  # a job has a configuration or an error
    return entry.job.config


def _named(plan: Plan) -> int:
    """Return the number of blocks of all trees of a plan, those that trees share counted for each."""
    return sum(len(plan.nodes[sleeve.spec.digest].partitions) for tree in plan.trees for _, sleeve in tree.walk())


def _of_leaves(plan: Plan, counts: Mapping[str, int]) -> int:
    return sum(counts[key] for key, node in plan.nodes.items() if isinstance(node.spec, Leaf))


def _view(entry: Entry) -> View:
    assert entry.asked is not None  # only what resolved is walked
    return View(entry.asked.end, entry.asked.benchmark)


def _swept(entry: Entry, earlier: Mapping[str, Mapping[str, float]]) -> Swept:
    metrics: Mapping[str, float] = {}
    if entry.found:
        metrics = earlier[entry.run_id]
    elif entry.tables and entry.asked:
        metrics = metrics_by_path(entry.tables["metrics"])[entry.asked.tree.name]
    status = "ok" if entry.error is None else "failed"
    return Swept(entry.run_id, entry.job.overrides, status, entry.error, entry.found, metrics)
