"""Walk a tree beside its baselines: the same simulator, schedules, lags and costs; only the weights differ.

| baseline | every meta sleeve |
|---|---|
| `equal` | equal weights of its children |
| `inverse_volatility` | weights proportional to 1 / volatility of its children's net streams |
| `static_first` | trades back to what its optimizer decided first after warm-up |
| `static_full (LOOK-AHEAD)` | trades back to its optimizer's weights on the full history, which could not be known |
| `flat` | is gone: the leaves' assets in one leaf under the root's optimizer (metabt.build.flat_baseline) |

1. the tree, `equal` and `inverse_volatility` in one forest: their leaves are the same and computed once
2. the static ones in another, since their weights come from the first; its leaves are kept by what walks both
   (metabt.engines.rewalk)
3. `flat` by itself: it shares nothing with a tree

Of each root its stream and its weights are kept; everything else of a forest goes when its trees are measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from metabt.analysis.benchmark import Benchmark
from metabt.analysis.common_sessions import Series
from metabt.analysis.run_tables import assemble, view
from metabt.analysis.sleeve_history import SleeveHistory
from metabt.analysis.summary import metrics_by_path
from metabt.build.walk_result import Executor
from metabt.data.dataset import Dataset
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.rewalk import Rewalk
from metabt.errors import ConfigError, MetabtError
from metabt.numerics.platform import one_thread
from metabt.portfolio.sleeve import Sleeve
from metabt.runs.baselines.bootstrap import Bootstrap
from metabt.runs.baselines.static import first_weights, full_weights
from metabt.runs.baselines.statistics import allocation_change, sharpe_difference
from metabt.runs.baselines.trees import reweighted, static
from metabt.values.tables import Table

PORTFOLIO = "portfolio"
"""Name of the tree itself among its baselines."""
RULES = ("equal", "inverse_volatility")
"""Optimizers that replace those of all meta sleeves."""
STATICS = {"static_first": first_weights, "static_full (LOOK-AHEAD)": full_weights}
"""Baseline that holds weights of the tree for good -> function that finds these weights."""
FLAT = "flat"
"""The baseline without recursion."""
MEASURES = ("total_return", "cagr", "volatility", "sharpe", "max_drawdown", "turnover", "cost")
"""Metrics that are set beside each other."""
RELATIVE = ("beta", "tracking_error", "information_ratio", "benchmark_sessions")
"""Those that there are besides where the run has a benchmark."""


@dataclass(frozen=True)
class Root:
    """What is compared of the root of a tree."""

    path: str
    """Its path."""
    series: Series
    """Its net returns, less those of cash where it earns any."""
    weights: np.ndarray | None
    """(n_decisions, n_children) as decided; None of a leaf."""

    @classmethod
    def of(cls, history: SleeveHistory) -> Root:
        """Return it of a sleeve over the whole view, which can be let go of."""
        weights = history.decisions.weights.copy() if history.sleeve.sleeves else None
        return cls(history.path, history.stream.excess.series, weights)


@dataclass(frozen=True)
class BaselineWalk:
    """A tree and its baselines, walked."""

    roots: dict[str, Root] = field(default_factory=dict)
    """Name -> root; the tree itself first."""
    tables: dict[str, dict[str, Table]] = field(default_factory=dict)
    """Name -> summary tables of a run."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Name -> why there is no such baseline."""

    def statistics(self, bootstrap: Bootstrap) -> dict[str, dict[str, float | bool]]:
        """Return name -> what is measured of it, and how the tree compares."""
        with one_thread():
            return {name: self._measured(name, bootstrap) for name in self.roots}

    def _measured(self, name: str, bootstrap: Bootstrap) -> dict[str, float | bool]:
        root, (tree, *_) = self.roots[name], self.roots.values()
        beside = {} if root is tree else sharpe_difference(tree.series, root.series, bootstrap)
        return {
            **_metrics(self.tables[name], root.path),
            "allocation_change": np.nan if root.weights is None else allocation_change(root.weights),
            **beside,
            "look_ahead": "LOOK-AHEAD" in name,
        }


@dataclass(frozen=True)
class View:
    """Data, end and benchmark that the tree and all baselines share."""

    datasets: Mapping[str, Dataset]
    """What the tree may read."""
    end: str | None = None
    """Last session, ISO date."""
    benchmark: Benchmark | None = None
    """What each is measured against."""


def walk_baselines(
    tree: Sleeve, seen: View, executor: Executor | None = None, flat_up_to: int | None = None
) -> BaselineWalk:
    """Return a tree walked beside its baselines, by `executor` or, with None, in memory.

    A baseline that cannot be walked is left out, with the reason; so is `flat` of more assets than `flat_up_to`.

    Raises
    ------
    ConfigError
        For a leaf alone, which has no recursion that could pay.
    RunError
        If the tree itself failed.
    """
    if not tree.sleeves:
        raise ConfigError(
            f"portfolio '{tree.name}' is a single leaf: its baselines would be itself; compare a tree that has sleeves"
        )
    found, executor = BaselineWalk(), executor or Rewalk(None)
    rules = [replace(reweighted(tree, name), name=name) for name in RULES]
    whole = _walk([tree, *rules], (PORTFOLIO, *RULES), seen, executor, found)
    held: dict[str, Sleeve] = {}
    for name, weights in STATICS.items():
        try:
            with one_thread():
                held[name] = replace(static(tree, weights(whole)), name=name)
        except MetabtError as error:
            found.left_out[name] = str(error)
    del whole
    if held:
        _walk(list(held.values()), tuple(held), seen, executor, found)
    n_assets = len({(leaf.dataset, symbol) for _, leaf in tree.leaves() for symbol in leaf.universe})
    if flat_up_to is not None and n_assets > flat_up_to:
        found.left_out[FLAT] = f"{n_assets:,} assets under one optimizer take long, and it was not asked for"
        return found
    try:
        _walk([tree], (FLAT,), seen, executor, found, is_meta=False)
    except ConfigError as error:  # an asset that is long here and short there
        found.left_out[FLAT] = str(error)
    return found


def _walk(
    trees: list[Sleeve],
    names: tuple[str, ...],
    seen: View,
    executor: Executor,
    found: BaselineWalk,
    is_meta: bool | None = None,
) -> list[SleeveHistory]:
    """Walk a forest and add its trees to what was found; return the sleeves of the first."""
    options: dict[str, Any] = {"is_meta_backtest": is_meta, "executor": executor, "force": True}
    job = BacktestEngine(trees, seen.datasets, **options)
    walked = job.run()
    views: list[list[SleeveHistory]] = []
    for name, tree in zip(names, job.portfolios, strict=True):
        try:
            with one_thread():
                views.append(view(tree, walked, seen.end))
                found.tables[name] = assemble(tree, walked, seen.end, benchmark=seen.benchmark, keep="summary")
            found.roots[name] = Root.of(views[-1][0])
        except MetabtError as error:
            if name == PORTFOLIO:
                raise
            found.left_out[name] = str(error)
    return views[0] if views else []


def _metrics(tables: dict[str, Table], path: str) -> dict[str, float]:
    measured = metrics_by_path(tables["metrics"])[path]
    return {name: measured[name] for name in (*MEASURES, *RELATIVE) if name in measured}
