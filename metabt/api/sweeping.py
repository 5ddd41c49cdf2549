"""Sweep: many configurations of one tree, every combination of some values or those that a search asks for.

1. A key of the space is a path into the tree; its values become overrides, as a command line would state them, so that
   a run is the same run however it was asked for.
2. In a lakehouse all is run and stored as `metabt backtest -m` does; over prices in memory nothing is stored.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from metabt.api.stated_space import TREE, Configurations, stated_space
from metabt.api.sweep_result import SweepResult
from metabt.build.ports import Progress
from metabt.engines.choice import executor_of
from metabt.errors import ConfigError
from metabt.lakehouse.price_source import Frames, source_of
from metabt.search.settings import GRID, Settings, settings_of
from metabt.search.space import Choice, Interval, Point, Space
from metabt.values.arguments import day, flag, port, scalar, word
from metabt.values.limits import JOBS

if TYPE_CHECKING:
    import numpy as np

    from metabt.lakehouse.evidence import Evidence
    from metabt.runs.swept import Swept


def sweep(
    tree: Mapping[str, Any] | str,
    space: Mapping[str, Any],
    prices: Any,
    *,
    sampler: str | None = None,
    n: int | None = None,
    objective: str | None = None,
    direction: str | None = None,
    batch: int | None = None,
    seed: int | None = None,
    start: str | datetime.date | np.datetime64 | None = None,
    end: str | datetime.date | np.datetime64 | None = None,
    engine: str = "auto",
    is_meta_backtest: bool | None = None,
    benchmark: str | None = None,
    panel: Any = None,
    tables: Mapping[str, Any] | None = None,
    adjusted: bool | Mapping[str, bool] = True,
    signals: Mapping[str, Any] | None = None,
    as_of: int | str | datetime.date | np.datetime64 | None = None,
    progress: Progress | None = None,
    force: bool = False,
) -> SweepResult:
    """Run many configurations of a tree: every combination, or the points that a search asks for.

    Parameters
    ----------
    tree : dict or str
        A portfolio, as for `metabt.backtest`.
    space : mapping
        Dotted path into the tree, such as ``"lookback"`` or ``"sleeves.equities.optimizer"`` -> a list of values, which
        have no order to a search; a `range`, which has one; `metabt.interval(low, high)`, for searches alone; or one
        value.
    prices : str, Path, DataFrame, Prices or dict
        As for `metabt.backtest`: in a lakehouse every run is stored, as a summary.
    sampler : {"grid", "random", "sobol", "tpe", "cmaes"}, optional
        How points are chosen; None is "grid", every combination. The last two need `metabt[optuna]`.
    n : int, optional
        Points that a search asks for, 100 by default. A search in a lakehouse that is asked for again finds what it
        has, also for more points.
    objective : str, optional
        Metric of the root that a search is after, such as "sharpe"; of a grid, what `best` goes by.
    direction : {"maximize", "minimize"}, optional
        Which way it is better; None is as the metric is: volatility is minimized, Sharpe maximized.
    batch : int, optional
        Points that a search asks for, and walks, at once; 32 by default.
    seed : int, optional
        What a search draws depends on it; 0 by default.
    start, end : str, date, Timestamp or datetime64, optional
        As for `metabt.backtest`.
    engine : {"auto", "local", "ray"}
        Where blocks are computed.
    is_meta_backtest : bool, optional
        As for `metabt.backtest`.
    benchmark : str, optional
        As for `metabt.backtest`.
    panel : str, mapping or sequence of these, optional
        As for `metabt.backtest`, as are all that follow.
    tables : mapping, optional
        What is dated beside prices in memory.
    adjusted : bool or mapping
        Whether prices in memory are adjusted.
    signals : mapping, optional
        Weights from outside.
    as_of : int, str, date, Timestamp or datetime64, optional
        What of a lakehouse is read.
    progress : callable, optional
        As for `metabt.backtest`, called for each batch.
    force : bool
        Run what is estimated to take more memory than this process may use.

    Returns
    -------
    SweepResult
        `table` has a row for each configuration, `best` is the one with the best objective. What cannot run is there
        with its error.

    Raises
    ------
    ConfigError
        For a tree, a space, a sampler or a setting that cannot be what was meant; where no configuration can be made.
    DataError
        For prices that must not be used.
    StoreError
        If the lakehouse cannot be read or written.

    Examples
    --------
    >>> import numpy as np, pandas as pd, metabt
    >>> sessions = pd.bdate_range("2020-01-01", periods=400, name="date")
    >>> moves = np.random.default_rng(0).normal(0.0005, 0.01, (400, 4))
    >>> prices = pd.DataFrame(100 * np.cumprod(1 + moves, axis=0), sessions, ["A", "B", "C", "D"])
    >>> tree = {"name": "demo", "universe": "all", "lookback": 60, "optimizer": {"name": "erc"}}
    >>> space = {"lookback": range(20, 121, 20), "optimizer.max_weight": metabt.interval(0.3, 0.8)}
    >>> result = metabt.sweep(tree, space, prices, sampler="sobol", n=8, objective="volatility")
    >>> len(result.table), result.best.status
    (8, 'ok')
    """
    settings = {"is_meta_backtest": flag("is_meta_backtest", is_meta_backtest), "benchmark": benchmark}
    dates = {"start": day("start", start), "end": day("end", end), "as_of": scalar("as_of", as_of)}
    source = source_of(prices, panel=panel, tables=tables, adjusted=adjusted, signals=signals)
    base = Configurations(tree, {**settings, **dates, "engine": word("engine", engine, needed=True)}, source.path)
    port("progress", progress, "__call__")
    flag("force", force)
    asked = {"sampler": sampler, "objective": objective, "direction": direction, "n": n, "batch": batch, "seed": seed}
    free = stated_space(space)
    search = _settings(asked, free)
    runs: Sequence[Swept]
    sweep_id: str | None
    if isinstance(source, Frames):
        source.as_known(dates["as_of"])
        runs, sweep_id, evidence = _in_memory(base, free, search, source, progress, force)
    else:
        runs, sweep_id, evidence = _in_lakehouse(base, free, search, progress, force)
    return SweepResult(tuple(runs), objective or "sharpe", direction, sweep_id, base.edited, evidence)


def _settings(asked: Mapping[str, Any], space: Space) -> Settings | None:
    """Return the settings of a search; None for a grid."""
    if asked["sampler"] in (None, GRID):
        for key in ("n", "batch", "seed"):
            if asked[key] is not None:
                raise ConfigError(f"{key} is of a search, and a grid has none; add sampler='random', or leave it out")
        if asked["objective"] is not None:
            settings_of({**asked, "sampler": "random"}, {"": Choice(("0", "1"))}, "")
        for key, it in space.items():
            if isinstance(it, Interval):
                raise ConfigError(
                    f"space: '{key.removeprefix(TREE)}' is an interval, which a grid cannot list; give a list of "
                    "values, or search it: sampler='sobol', n=100, objective='sharpe'"
                )
        return None
    return settings_of(asked, space, "")


def _points(space: Space) -> list[Point]:
    """Return every combination, the last key changing fastest."""
    values = [it.values for it in space.values() if isinstance(it, Choice)]
    JOBS.check("the sweep", _product(len(it) for it in values))
    return list(product(*values))


def _product(counts: Iterable[int]) -> int:
    found = 1
    for count in counts:
        found *= count
    return found


def _in_memory(
    base: Configurations, space: Space, search: Settings | None, prices: Frames, progress: Progress | None, force: bool
) -> tuple[list[Swept], None, Evidence]:
    from metabt.runs.search.in_memory import InMemory
    from metabt.runs.search.objective import objectives
    from metabt.search.loop import search as ask
    from metabt.search.sampler import sampler_of

    forest, keys = InMemory(prices, executor_of(base.config["engine"]), progress, force), list(space)
    if search is None:
        return forest.run(base.jobs(keys, _points(space))), None, forest.evidence()
    settings = search
    runs: list[Swept] = []

    def evaluate(points: Sequence[Point]) -> list[float | None]:
        last = forest.run(base.jobs(keys, points, strict=not runs))
        runs.extend(last)
        return objectives(settings, last)

    ask(sampler_of(settings, space), settings, evaluate)
    return runs, None, forest.evidence()


def _in_lakehouse(
    base: Configurations, space: Space, search: Settings | None, progress: Progress | None, force: bool
) -> tuple[Sequence[Swept], str, Evidence]:
    from metabt.runs.search.searching import run_search
    from metabt.runs.sweep import run_sweep

    keys, place = list(space), base.config["lakehouse"]
    options: dict[str, Any] = {"progress": progress, "force": force}
    if search is None:
        swept = run_sweep(base.jobs(keys, _points(space)), place, **options)
    else:
        compose = lambda points, strict: base.jobs(keys, points, strict)  # noqa: E731
        swept = run_search(search, space, compose, place, **options).sweep
    assert swept.evidence is not None  # a whole sweep has it
    return swept.runs, swept.sweep_id, swept.evidence
