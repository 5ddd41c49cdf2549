"""Replay: walk a run again, for what its tables do not hold.

What every item earned in every session is far more than a run stores, and few ask for it. A run knows what it was asked
for and where its blocks are remembered. It is walked again in memory, from blocks that are dear to compute and known;
none is put there (metabt.engines.rewalk). What several questions are about is walked once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from metabt.analysis.attribution.accrual import Accrual, accrued
from metabt.analysis.attribution.brinson import Compared, brinson
from metabt.analysis.attribution.contributions import contributions
from metabt.analysis.attribution.linking import total_return
from metabt.analysis.run_tables import view
from metabt.analysis.sleeve_history import SleeveHistory
from metabt.build.ports import Cache
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.rewalk import Rewalk
from metabt.errors import ConfigError
from metabt.numerics.platform import one_thread
from metabt.portfolio.sleeve import Sleeve
from metabt.runs.baselines.trees import equal_weight
from metabt.runs.baselines.walk_baselines import BaselineWalk, View, walk_baselines
from metabt.runs.request import Request
from metabt.values.tables import Table


@dataclass(frozen=True)
class Attributed:
    """Contributions and effects of one run over the whole view."""

    contributions: Table
    """As `Origin.attribution` returns it."""
    effects: Table
    """As `Origin.brinson` returns it."""
    accrual: Accrual
    """The root's contributions through time."""
    totals: tuple[float, float]
    """Total net return of the root, and of the root of the tree in which nothing is chosen."""


@dataclass(frozen=True)
class Origin:
    """The request and the cache of a run, to walk it again."""

    request: Request
    """The resolved tree, its view and its data."""
    cache: Cache | None
    """Cache that has its blocks; None has none, and they are computed again."""
    decided: Callable[[], Table | None] = field(default=lambda: None, repr=False, compare=False)
    """Returns the run's table `decisions`, verified, when it is first walked; with None they are taken again."""

    @cached_property
    def _executor(self) -> Rewalk:
        """Keeps the sleeves of the run's tree from one question to the next."""
        whole = self.request.end is None  # else what was decided after the view is not among them
        return Rewalk(self.cache, self.decided) if whole else Rewalk(self.cache)

    def forget(self) -> None:
        """Let go of what is kept for further questions; it is walked again for the next one."""
        vars(self).pop("_executor", None)

    def attribution(self, every: str | None) -> Table:
        """Return what every child and asset contributed to returns (metabt.analysis.attribution.contributions)."""
        (portfolio,) = self._views()
        with one_thread():
            return contributions(portfolio, every)

    def brinson(self, every: str | None) -> Table:
        """Return effects against the tree in which nothing is chosen (metabt.analysis.attribution.brinson)."""
        portfolio, benchmark = self._views(equal_weight(self.request.tree))
        with one_thread():
            return brinson(portfolio, benchmark, every)

    def attributed(self) -> Attributed:
        """Return both, and contributions through time, from one walk."""
        portfolio, benchmark = self._views(equal_weight(self.request.tree))
        with one_thread():
            totals = (total_return(portfolio[0].rows("net")), total_return(benchmark[0].rows("net")))
            compared = Compared.of(portfolio, benchmark)
            rows = (contributions(portfolio, seen=compared.see), compared.rows())  # each leaf is looked at once
            return Attributed(*rows, accrued(portfolio[0]), totals)

    def beside(self, flat_up_to: int | None = None) -> BaselineWalk:
        """Return the run's tree walked beside its baselines (metabt.runs.baselines.walk_baselines).

        The flat baseline, one decision over all assets at once, takes longest: it is left out of trees with more assets
        than `flat_up_to`, if that is given.
        """
        asked = self.request
        if asked.flat:
            raise ConfigError(f"run '{asked.tree.name}' is a flat baseline itself; compare the run of its tree")
        return walk_baselines(asked.tree, View(asked.datasets, asked.end, asked.benchmark), self._executor, flat_up_to)

    def _views(self, *others: Sleeve) -> list[list[SleeveHistory]]:
        """Return the sleeves of the run's tree, and of others that are walked in one forest with it."""
        asked = self.request
        trees, shape, executor = [asked.tree, *others], asked.shape, self._executor
        job = BacktestEngine(trees, asked.datasets, is_meta_backtest=shape, executor=executor, force=True)
        walked = job.run()
        return [view(tree, walked, asked.end) for tree in job.portfolios]
