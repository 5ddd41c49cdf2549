"""BacktestEngine: plan a forest of trees, then walk it partition by partition.

1. shape: a tree as it is, or its flat baseline (metabt.build.flat_baseline)
2. plan: the union of the trees' distinct sleeves, children first (metabt.build.plan)
3. walk: an executor takes every sleeve over every partition, through a cache (metabt.engines.local is the reference)
4. assemble: the walked sleeves become the tables of each tree (metabt.analysis.run_tables)
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from metabt.analysis.benchmark import Benchmark
from metabt.analysis.run_tables import assemble
from metabt.build.cache import NoCache
from metabt.build.dated.currencies import homes_of
from metabt.build.flat_baseline import flatten_tree, join_prices, join_tables
from metabt.build.memory_estimate import memory_estimate
from metabt.build.plan import Plan, check_data, plan_forest
from metabt.build.ports import Cache, Progress
from metabt.build.step_checks import check_steps
from metabt.build.walk_result import Executor, WalkResult
from metabt.data.dataset import Dataset
from metabt.data.prices import Prices
from metabt.engines.local import Local
from metabt.engines.usable_memory import check_memory
from metabt.errors import ConfigError
from metabt.numerics.platform import one_thread
from metabt.portfolio.handed_over import objects_of
from metabt.portfolio.resolve import check_alike, check_bounds
from metabt.portfolio.settings import parse_date
from metabt.portfolio.sleeve import Leaf, Sleeve
from metabt.values.arguments import day, flag, port, shown, whole
from metabt.values.tables import Table


class BacktestEngine:
    """Walks a forest of trees over panels of prices: `assemble(run())` has the tables of the first of them."""

    def __init__(
        self,
        portfolios: Sequence[Sleeve],
        prices: Mapping[str, Prices | Dataset],
        *,
        is_meta_backtest: bool | None = None,
        executor: Executor | None = None,
        cache: Cache | None = None,
        keep: str = "all",
        force: bool = False,
    ) -> None:
        """Take the trees and the prices; nothing is walked yet.

        Parameters
        ----------
        portfolios : sequence of Sleeve
            Trees to walk; sleeves with equal specs are walked once.
        prices : mapping of str to Prices or Dataset
            Prices by dataset: in memory, or read when a block is missing.
        is_meta_backtest : bool, optional
            None walks each tree as it is; True refuses a tree that is a single leaf; False walks the flat baseline
            instead: one sleeve over the union of its leaves' universes under the root's optimizer.
        executor : executor, optional
            Where to walk, such as `metabt.Ray()`; None is this process.
        cache : Cache, optional
            Where blocks are remembered, such as `metabt.MemoryCache()`; None is nowhere. Of trees with estimators
            that were handed over as objects none are.
        keep : {"all", "summary"}
            With "summary", `assemble` returns the smaller half of the tables, and roots over other sleeves are walked
            when they are assembled and not remembered.
        force : bool
            Run what is estimated to take more memory than this process may use.

        Raises
        ------
        ConfigError
            For trees that are none, prices that are no mapping of Prices, or another `keep`; if `is_meta_backtest` asks
            for what a tree cannot be, bounds cannot hold in its flat baseline, or an estimator was handed over and
            the executor walks in other processes.
        """
        port("executor", executor, "name", "walk")
        port("cache", cache, "get", "known", "put", "claim", "together", "publish", "flush")
        _check_parts(portfolios, prices, keep)
        flag("is_meta_backtest", is_meta_backtest)
        flag("force", force)
        self.datasets = {name: Dataset.of(item) if isinstance(item, Prices) else item for name, item in prices.items()}
        self.executor, self.cache = executor or Local(), cache or NoCache()
        self.portfolios = tuple(self._shape(tree, is_meta_backtest) for tree in portfolios)
        objects = objects_of(self.portfolios)
        self.cache = NoCache() if objects else self.cache
        if objects and self.executor.name != "local":
            raise ConfigError(
                f"estimator {objects[0]} was handed over as an object, and engine '{self.executor.name}' walks in "
                "other processes, to which it does not go; use engine='local', or install it as a plug-in and name it"
            )
        self.keep, self.force = keep, force

    def __repr__(self) -> str:
        names = reprlib.repr([tree.name for tree in self.portfolios])
        return f"BacktestEngine({names} over {reprlib.repr(sorted(self.datasets))}, engine {self.executor.name})"

    def _shape(self, tree: Sleeve, is_meta_backtest: bool | None) -> Sleeve:
        check_shape(tree, is_meta_backtest)
        check_alike(tree)
        if is_meta_backtest is not False or not tree.sleeves:
            return tree
        check_data(tree, self.datasets)
        used: dict[str, set[str]] = {}
        for _, leaf in tree.leaves():
            used.setdefault(leaf.dataset, set()).update(leaf.universe)
        self._check([self.datasets[name] for name in sorted(used)])
        joined = self._joined(tree, used)
        flat = flatten_tree(tree, joined.name)
        n_assets = len(joined.symbols)
        check_bounds(tree.name, flat.spec, n_assets, f"{n_assets} assets of the flat baseline")
        known = {name: self.datasets[name].facts.point_in_time for name in used}
        self.datasets[joined.name] = Dataset.of(joined, join_tables(known, used))
        return flat

    def _joined(self, tree: Sleeve, used: Mapping[str, set[str]]) -> Prices:
        """Return the prices of all that a tree's leaves hold, `used` by dataset, in the tree's currency."""
        homes, panels = homes_of([tree], self.datasets), list[Prices]()
        for name in sorted(used):
            left = used[name]
            for dataset in homes.converted(name):
                left = left - {*dataset.facts.symbols}
                panels.append(dataset.prices.select(dataset.facts.symbols))
            if left:
                panels.append(self.datasets[name].prices.select(sorted(left)))
        joined = join_prices(panels)
        # trees of other currencies join the same symbols
        return replace(joined, name=f"{joined.name} in {tree.spec.currency}") if homes.over else joined

    @cached_property
    def plan(self) -> Plan:
        """The union of the trees' distinct sleeves, children first; what `run` walks.

        Raises
        ------
        ConfigError, DataError
            For a dataset or a symbol that does not exist, a symbol that two datasets of one tree have, or a lookback
            longer than the history.
        """
        return plan_forest(self.portfolios, self.datasets, fleeting=self.keep == "summary")

    def check_memory(self, positions: Sequence[int] | None = None, *, spilled: bool = False) -> None:
        """Raise where the forest would take more memory than this process may use; `run` does, before it starts.

        Parameters
        ----------
        positions : sequence of int, optional
            Which of the portfolios are walked together; None is all of them.
        spilled : bool
            Whether the tables of a portfolio go to disk before the next one is assembled.

        Raises
        ------
        ConfigError
            With the estimate, what takes most of it, and what to do; never where `force` was given.
        """
        if not self.force:
            plan = self.plan if positions is None else self.plan.part(positions)
            several = len(plan.trees) > 1
            who = f"{len(plan.trees):,} portfolios together" if several else f"portfolio '{plan.trees[0].name}'"
            check_memory(who, memory_estimate(plan, self.keep, remembers=self.cache.remembers, spilled=spilled))

    def check_steps(self) -> None:
        """Raise where a step of a dataset that the forest reads looks ahead; `run` does, before it starts.

        Raises
        ------
        DataError
            With the step, and the first session and asset whose return moved (metabt.build.step_checks).
        """
        read = {node.spec.dataset for node in self.plan.nodes.values() if isinstance(node.spec, Leaf)}
        self._check([self.datasets[name] for name in sorted(read)])

    def _check(self, datasets: Sequence[Dataset]) -> None:
        # an executor that walks what is stored again writes nothing, and knows what has passed
        check_steps(datasets, self.cache, getattr(self.executor, "remembered", None))

    def run(self, progress: Progress | None = None) -> WalkResult:
        """Walk the forest.

        A sleeve that fails ends the walks of the sleeves above it; assembling their tables raises what it raised.

        Parameters
        ----------
        progress : callable, optional
            Called as `progress(done, blocks, last)` with the number of blocks done, the number of all blocks, and a
            text that names the last one.

        Returns
        -------
        WalkResult
            The walked sleeves; it is for `assemble` of the same engine, and not part of the public API.

        Raises
        ------
        ConfigError, DataError
            As `plan` does, for an executor and a cache that do not go together, and as `check_memory` and
            `check_steps` do.
        RunError
            If the executor fails: Ray's workers keep dying, or its machines would not compute the same bits.
        """
        self.check_memory()
        self.check_steps()
        with one_thread():
            return self.executor.walk(self.plan, self.cache, progress)

    def assemble(
        self, walked: WalkResult, position: int = 0, end: str | None = None, benchmark: Benchmark | None = None
    ) -> dict[str, Table]:
        """Return the tables of one tree.

        Parameters
        ----------
        walked : WalkResult
            What `run` returned.
        position : int
            Which of the portfolios.
        end : str, date or datetime64, optional
            Last session of the view; None is the last of the tree's calendar.
        benchmark : Benchmark, optional
            What every sleeve is measured against (metabt.analysis.benchmark); None is nothing.

        Returns
        -------
        dict of str to dict
            Table name -> column name -> column, without the column run_id. Numbers, flags and dates are NumPy arrays,
            (n_rows,). A text column has `codes`, (n_rows,), positions in its distinct `values`, -1 where there is none;
            `metabt.Result("", tables).frame(name)` makes a frame of a table.

        Raises
        ------
        ConfigError
            For no such position, a date that is none, or a benchmark that is none.
        RunError
            If a sleeve of the tree failed, nothing was traded in the view, or the benchmark has no price in it.
        """
        tree = self.portfolios[whole("position", position, 0, len(self.portfolios) - 1)]
        end = None if end is None else parse_date("end", day("end", end))
        if benchmark is not None and not isinstance(benchmark, Benchmark):
            raise ConfigError(f"benchmark is {shown(benchmark)}, wanted a Benchmark; metabt.backtest takes a symbol")
        if benchmark is not None:
            self._check([benchmark.dataset])
        with one_thread():
            completed = walked.complete(self.plan.nodes[tree.spec.digest])
            return assemble(tree, completed, end, benchmark=benchmark, cache=self.cache, keep=self.keep)


def _check_parts(portfolios: Any, prices: Any, keep: Any) -> None:
    trees = isinstance(portfolios, Sequence) and all(isinstance(it, Sleeve) for it in portfolios)
    if not trees:
        raise ConfigError(f"portfolios is {shown(portfolios)}, wanted a list of Sleeves; metabt.backtest takes a dict")
    if not isinstance(prices, Mapping) or not all(isinstance(it, Prices | Dataset) for it in prices.values()):
        raise ConfigError(
            f"prices is {shown(prices)}, wanted a mapping of dataset to metabt.Prices; metabt.backtest takes frames"
        )
    if keep not in ("all", "summary"):
        raise ConfigError(f"keep is {shown(keep)}, wanted 'all' or 'summary'")


def check_shape(tree: Sleeve, is_meta_backtest: bool | None) -> None:
    """Raise ConfigError where `is_meta_backtest` insists on sleeves and a tree has none."""
    if is_meta_backtest is True and not tree.sleeves:
        raise ConfigError(
            f"portfolio '{tree.name}' is a single leaf, so it is no meta backtest; "
            "give it sleeves or leave is_meta_backtest unset"
        )
