"""Sweep: many configurations as one forest.

1. Resolve every configuration against the lakehouse as it reads it, now or as of the past; one that cannot be is stored
   as failed, with its overrides and its error.
2. Leave out what is stored already; it stays the run that it was, and is recorded as asked for.
3. Plan the union of all distinct sleeves, see which of their blocks are known, and walk the rest once: in this process
   batch by batch of trees, so that no more is in memory than the sleeves of some of them.
4. Assemble each tree of a batch, a summary or everything, and write its tables to files
   (metabt.lakehouse.runs.run_files). Snapshots are walked one after the other, and share blocks through the cache. On
   a cluster the processes that walk do that; what comes here is what is told of
   each run, and where its rows lie.
5. Commit all runs in one transaction, with the trials that they are (metabt.runs.trials). Until then the blocks alone
   are kept, and the same sweep goes on from them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from metabt.analysis.benchmark import Benchmark, Symbols
from metabt.analysis.run_facts import RunFacts
from metabt.analysis.run_notes import Warned
from metabt.build.cache.shared.stated import Share
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
from metabt.engines.tree_groups import BATCH, Assembled, Assembly, Finished, View
from metabt.errors import ConfigError, MetabtError, StoreError
from metabt.lakehouse.catalog.asking import Asking, now
from metabt.lakehouse.ledger.study import study_name
from metabt.lakehouse.price_source import Lakehouse, said_as_of
from metabt.numerics.compilation import compilation
from metabt.numerics.platform import one_thread
from metabt.portfolio.sleeve import Leaf, Sleeve
from metabt.runs.execution import warnings_of
from metabt.runs.plan_notes import PlanNotes, plan_notes
from metabt.runs.request import Request, benchmark_of, request, resolved
from metabt.runs.sweep_notes import sweep_notes
from metabt.runs.swept import Outlook, Sweep, Swept
from metabt.runs.trials.sweep_evidence import sweep_evidence
from metabt.runs.trials.tried import Tried
from metabt.values.digests import digest

if TYPE_CHECKING:
    from metabt.config import Job
    from metabt.lakehouse.folder.staging import Staging
    from metabt.lakehouse.ledger.trial import Trial
    from metabt.lakehouse.runs.commits import Run
    from metabt.lakehouse.runs.run_files import Desk, Staged


RANKED = ("metrics", "returns", "decisions")
"""Tables of which a ranking, and what must be known of it, is made."""


@dataclass
class Entry:
    """One configuration of a sweep, from request to files."""

    job: Job
    """The configuration."""
    source: Lakehouse | None = None
    """The lakehouse as it reads it, now or as of the past; None where it cannot run."""
    asked: Request | None = None
    """Its request; None where it cannot run."""
    error: str | None = None
    """Message of the error because of which it cannot run, or that ended it."""
    found: bool = False
    """Whether it is stored already."""
    facts: RunFacts | None = None
    """What is told of it, once it is assembled."""
    staged: Staged | None = None
    """Its tables, once they are written."""
    seconds: float = 0.0
    """Engine time of its own."""
    study: str | None = None
    """What it is said to be part of."""

    @property
    def run_id(self) -> str:
        """The run's identity; of one that cannot be resolved, the digest of what was asked."""
        if self.asked is not None:
            return self.asked.run_id
        return digest([list(self.job.overrides), _text(self.job)])

    def asking(self, sweep_id: str, at: datetime) -> str:
        """Return the overrides with which the sweep asks for it, as JSON."""
        asking = Asking(self.job.overrides, sweep_id, at)
        if self.source is not None:
            asking = asking.reading(self.source.as_of.stated if self.source.as_of else None)
        return asking.text(self.asked is not None and self.asked.flat)


@dataclass(frozen=True)
class Part:
    """Configurations that were walked as one forest: a whole sweep, or a batch of a search."""

    sweep: Sweep
    """Their results."""
    entries: tuple[Entry, ...]
    """They themselves, in their order."""
    warned: tuple[Warned, ...]
    """Warnings of foreign estimators."""


def first_run_id(job: Job, lakehouse: str) -> str:
    """Return the identity of the run that a configuration would be now; nothing is computed."""
    forest = _Forest([job], lakehouse, "summary")
    return forest.entries[0].run_id


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
    options: dict[str, Any] = {"keep": keep, "progress": progress, "announce": announce, "say": say, "force": force}
    part = run_part(jobs, lakehouse, **options)
    return replace(part.sweep, evidence=sweep_evidence(lakehouse, part.entries))


def run_part(
    jobs: Sequence[Job],
    lakehouse: str,
    *,
    keep: str = "summary",
    progress: Progress | None = None,
    announce: Callable[[Outlook], None] | None = None,
    say: Callable[[str], None] | None = None,
    force: bool = False,
    sweep_id: str | None = None,
) -> Part:
    """Run configurations as `run_sweep` does; `sweep_id` is that of the search they are a batch of."""
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
        return Part(forest.commit(started, looked, sweep_id), tuple(forest.entries), tuple(forest.warned))
    finally:
        forest.close()


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
        self.staging: Staging | None = None
        self.firsts: dict[str, Entry] = {}
        self.entries = [Entry(job, error=job.error) for job in jobs]
        self.executor = self._executor(say)
        self.cache: Cache = self.source.shared_cache(self._share())
        self.benchmarks: dict[tuple[int, str, str | None], Benchmark] = {}
        self._resolve()
        self._find()
        snapshots = list(dict.fromkeys(entry.source.snapshot for entry in self.entries if entry.source))
        self.engines = [self._engine(at, shape) for at in snapshots for shape in (None, False)]
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

    def _share(self) -> Share | None:
        """Return the team's store behind the lakehouse's cache, on which all configurations must agree."""
        configs = [_config(entry) for entry in self.entries if entry.error is None]
        stated = {json.dumps(config.get("cache"), sort_keys=True): config.get("cache") for config in configs}
        if len(stated) > 1:
            raise ConfigError(
                f"a sweep has one cache, its configurations ask for {len(stated)}: {', '.join(sorted(stated))}; "
                "results do not depend on it, so give cache.shared and cache.recheck one value each"
            )
        return Share.stated(next(iter(stated.values()), None))

    def _resolve(self) -> None:
        for entry in self.entries:
            if entry.error is None:
                try:
                    entry.study = study_name(_config(entry).get("study"))
                    source = self.source.as_known(_config(entry).get("as_of"))
                    entry.source = source
                except MetabtError as error:
                    entry.error = str(error)
        for at in dict.fromkeys(entry.source.snapshot for entry in self.entries if entry.source):
            self._resolve_at([entry for entry in self.entries if entry.source and entry.source.snapshot == at])

    def _resolve_at(self, entries: Sequence[Entry]) -> None:
        """Resolve the configurations that read one snapshot."""
        first = entries[0].source
        assert first is not None  # they were chosen by it
        symbols, trees = first.symbols(), dict[int, Sleeve]()
        named = {"members": first.members(), "signals": first.signals()}
        leaves: dict[str, Sleeve] = {}
        for place, entry in enumerate(entries):
            config = _config(entry)
            try:
                shape = config["is_meta_backtest"]
                with said_as_of(entry.source or first):
                    trees[place] = resolved(config["portfolio"], symbols, config["start"], shape, leaves, **named)
            except MetabtError as error:
                entry.error = str(error)
        datasets = first.datasets(list(trees.values()))
        for place, tree in trees.items():
            config = _config(entries[place])
            try:
                with said_as_of(entries[place].source or first):
                    benchmark = self._benchmark(config.get("benchmark"), first, tree, symbols)
                entries[place].asked = request(tree, datasets, config["end"], config["is_meta_backtest"], benchmark)
            except MetabtError as error:
                entries[place].error = str(error)

    def _benchmark(self, text: str | None, source: Lakehouse, tree: Sleeve, symbols: Symbols) -> Benchmark | None:
        """Return a configuration's benchmark, one object for all that name the same: its prices are read once."""
        found = benchmark_of(text, source, tree, symbols)
        return found and self.benchmarks.setdefault((source.snapshot, found.name, tree.spec.currency), found)

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

    def _engine(self, at: int, shape: bool | None) -> tuple[list[Entry], BacktestEngine]:
        """Return the configurations of one snapshot and shape that are to be walked, and what walks them."""
        entries, trees = [], []
        datasets: Mapping[str, Dataset] = {}
        for entry in self.entries:
            if entry.source is None or entry.source.snapshot != at:
                continue
            if entry.asked and not entry.found and entry.asked.shape == shape:
                if self.firsts.setdefault(entry.run_id, entry) is not entry:
                    continue
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
        """Walk the blocks that are not known, assemble every tree, and write its tables."""
        for entries, engine in self.engines:
            if not entries:
                continue
            began = perf_counter()
            with compilation() as compiled, one_thread():
                self._run(entries, engine, self._desk(), progress)
            self.seconds += perf_counter() - began - compiled.seconds
        self.cache.flush()
        for entry in self.entries:
            if (first := self.firsts.get(entry.run_id, entry)) is not entry:  # the same run was asked for twice
                entry.facts, entry.staged, entry.error = first.facts, first.staged, first.error
                entry.seconds = first.seconds

    def _desk(self) -> Desk:
        """Return where tables are written; the folder is made when it is first asked for."""
        from metabt.lakehouse.folder.staging import Staging
        from metabt.lakehouse.runs.run_files import Desk, ids_of

        if self.staging is None:
            try:
                self.staging = Staging(self.source.root)
            except OSError as error:
                raise StoreError(f"lakehouse '{self.source.path}' cannot be written: {error}") from error
        return Desk(self.staging.path, ids_of(self.source.connection))

    def close(self) -> None:
        """Remove what was written and is not part of the lakehouse."""
        if self.staging is not None:
            self.staging.close()

    def _run(self, entries: list[Entry], engine: BacktestEngine, desk: Desk, progress: Progress | None) -> None:
        """Walk and assemble the trees of one engine, one batch after another."""
        from metabt.lakehouse.runs.run_files import Staged

        engine.check_steps()
        against = [entry.asked.benchmark.dataset for entry in entries if entry.asked and entry.asked.benchmark]
        check_steps(against, engine.cache)
        if isinstance(engine.executor, Auto):
            engine.executor = engine.executor.chosen(engine.plan, engine.cache)
        views = [_view(entry) for entry in entries]
        done, n_done = _Done(engine.plan.n_blocks, progress), 0
        heard: dict[str, list[Heard]] = {}
        for group in self._finished(engine, views, desk, done):
            for position, made in zip(group.positions, group.trees, strict=True):
                entry = entries[position]
                entry.facts, entry.error, entry.seconds = made.facts, made.error, made.seconds
                if made.measured is not None and group.files is not None:
                    entry.staged = Staged(made.measured, group.files)
            n_done += len(group.positions)
            if group.positions:
                done.roots(f"{n_done} of {len(entries)} roots")
            for key, each in group.heard.items():
                heard.setdefault(key, []).extend(each)
            self.computed += group.computed
            self.leaf_computed += group.computed_leaves
        self.warned += warnings_of((each for tree in engine.portfolios for each in tree.walk()), heard)

    def _finished(self, engine: BacktestEngine, views: Sequence[View], desk: Desk, done: _Done) -> Iterator[Finished]:
        """Walk and assemble the trees of one engine: where its executor has them, or here, one batch after another."""
        elsewhere = getattr(engine.executor, "finish_trees", None)
        groups = elsewhere(engine.plan, engine.cache, views, self.keep, desk) if elsewhere else None
        if groups is not None:
            for group in groups:
                done.add(engine.plan.part(group.positions).n_blocks)
                yield group
            return
        assembly = Assembly(engine.cache, self.keep, desk.writer())
        made: dict[int, Assembled] = {}
        for positions in self._batches(engine):
            walked = engine.executor.walk(engine.plan.part(positions), engine.cache, done.blocks)
            for position in positions:
                made[position] = assembly.add(engine.portfolios[position], walked, views[position])
                done.roots(f"{len(made)} of {len(views)} roots")
            done.add(walked.plan.n_blocks)
            yield Finished((), (), None, walked.heard, walked.computed, walked.computed_leaves)
        yield Finished(tuple(made), tuple(made.values()), assembly.writer.close(), {}, 0, 0)

    def commit(self, started: datetime, looked: Outlook, sweep_id: str | None) -> Sweep:
        """Store all runs in one transaction, with who asked for them, and return the sweep's result."""
        from metabt.lakehouse import commit_runs, record, root_metrics

        name = sweep_id or digest(sorted(entry.run_id for entry in self.entries))
        notes = sweep_notes(self.entries, self.source, self.warned)
        earlier = root_metrics(self.source.connection, [entry.run_id for entry in self.entries if entry.found])
        new: list[Run] = [
            (self._row(entry, name, started), entry.staged or {}) for entry in self.entries if not entry.found
        ]
        asked = [(entry.run_id, name, started, entry.asking(name, started)) for entry in self.entries]
        trials = self._trials(name, started)
        if new:
            commit_runs(self.source.path, new, self.source.connection, asked, mend=self.source.damaged, trials=trials)
        else:
            record(self.source.path, asked, self.source.connection, trials=trials)
        runs = [_swept(entry, earlier) for entry in self.entries]
        return Sweep(name, looked, tuple(runs), self.computed, self.leaf_computed, self.seconds, notes)

    def _trials(self, name: str, started: datetime) -> list[Trial]:
        """Return what the ledger may have to note: what was walked, what failed, and what is said to be of a study.

        A configuration that cannot be resolved was not tried.
        """
        tried = Tried()
        found: dict[str, Trial] = {}
        for entry in self.entries:
            if entry.asked is None or entry.run_id in found or (entry.found and entry.study is None):
                continue
            sharpe = entry.facts.metrics.get("sharpe") if entry.facts else None
            told: dict[str, Any] = {"study": entry.study, "sharpe": sharpe, "error": entry.error}
            found[entry.run_id] = tried.of(entry.asked, at=started, sweep_id=name, **told)
        return list(found.values())

    def _row(self, entry: Entry, name: str, started: datetime) -> dict[str, object]:
        facts = {
            "sweep_id": name,
            "snapshot": (entry.source or self.source).snapshot,
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
    return View(entry.asked.run_id, entry.asked.end, entry.asked.benchmark)


def _swept(entry: Entry, earlier: Mapping[str, Mapping[str, float]]) -> Swept:
    metrics: Mapping[str, float] = {}
    if entry.found:
        metrics = earlier[entry.run_id]
    elif entry.facts is not None:
        metrics = entry.facts.metrics
    status = "ok" if entry.error is None else "failed"
    cash = None if entry.asked is None else entry.asked.tree.spec.cash.rate
    return Swept(entry.run_id, entry.job.overrides, status, entry.error, entry.found, metrics, cash)
