"""Brinson by level: why a tree did better or worse than a benchmark tree of the same sleeves, at every meta sleeve.

Rows as in metabt.analysis.attribution.contributions, each with its `effect` (metabt.analysis.attribution.effects), and
linked by Carino's factors of the two streams:

- `own`: effects on the sleeve's net return. A sleeve's rows, the difference in costs among them, add up to its total
  return less that of the same sleeve in the benchmark.
- `root`: effects on the portfolio's net return. Every sleeve is followed down at the benchmark's weights, so that a
  sleeve's rows add up to the selection of that sleeve in its parent: what it did better is its own allocation,
  selection and interaction one level below, down to the assets of the leaves, of which selection is all there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metabt.analysis.attribution.contributions import on_periods
from metabt.analysis.attribution.effects import Effects, Side, cost_of, effects
from metabt.analysis.attribution.labels import COSTS, Labels
from metabt.analysis.attribution.linking import active_factors
from metabt.analysis.attribution.look_through import held_over
from metabt.analysis.attribution.periods import by_period
from metabt.analysis.sleeve_history import SleeveHistory
from metabt.values.tables import Table, concat

EFFECTS = ("allocation", "selection", "interaction")
"""Effects of a meta sleeve's children; assets are what they are, so that of a leaf's there is selection alone."""


def brinson(portfolio: list[SleeveHistory], benchmark: list[SleeveHistory], every: str | None = None) -> Table:
    """Return path, date, kind, item, effect, own and root, a row per effect on every item of every sleeve and period.

    `portfolio` and `benchmark` are the sleeves of two trees that differ in rules alone: the same names over the same
    assets, the root first. `every` is as in `contributions`.
    """
    pairs = {one.path: _Pair(one, other) for one, other in zip(portfolio, _matching(portfolio, benchmark), strict=True)}
    root, view = pairs[portfolio[0].path], portfolio[0].dates
    _, linking = by_period(view, root.factors, every)
    followed: dict[str, np.ndarray] = {}
    _follow(root, pairs, linking, followed)
    ends, _ = by_period(view, np.zeros(len(view)), every)
    return concat([_rows(pair, pairs, followed[path], view, ends, every) for path, pair in pairs.items()])


@dataclass(frozen=True)
class _Pair:
    """One sleeve in the portfolio and in the benchmark."""

    portfolio: SleeveHistory
    benchmark: SleeveHistory

    @property
    def factors(self) -> np.ndarray:
        """(n_sessions,) what links its differences."""
        return active_factors(self.portfolio.rows("net"), self.benchmark.rows("net"))

    @property
    def cost(self) -> np.ndarray:
        """(n_sessions,) what costs take from it beyond what they take from the benchmark."""
        taken = [cost_of(side.rows("cost"), side.rows("gross")) for side in (self.portfolio, self.benchmark)]
        return taken[0] - taken[1]


def _matching(portfolio: list[SleeveHistory], benchmark: list[SleeveHistory]) -> list[SleeveHistory]:
    root, other = portfolio[0].path, benchmark[0].path
    found = {history.path.removeprefix(other): history for history in benchmark}
    return [found[history.path.removeprefix(root)] for history in portfolio]


def _children(pair: _Pair, pairs: Mapping[str, _Pair]) -> list[_Pair]:
    """Return its children, in the order of the portfolio's spec."""
    return [pairs[f"{pair.portfolio.path}/{name}"] for name in pair.portfolio.items]


def _order(pair: _Pair) -> list[int]:
    """Return where the benchmark has each of the portfolio's items: its specs differ, and so does their order."""
    return [pair.benchmark.items.index(name) for name in pair.portfolio.items]


def _follow(pair: _Pair, pairs: Mapping[str, _Pair], linking: np.ndarray, followed: dict[str, np.ndarray]) -> None:
    """Fill in path -> (n_periods, n_sessions) what links a sleeve's effects to the root, at the benchmark's weights."""
    followed[pair.portfolio.path] = linking
    if not pair.portfolio.sleeve.sleeves:
        return
    weights = held_over(pair.benchmark)[:, _order(pair)]
    for c, child in enumerate(_children(pair, pairs)):
        at = np.searchsorted(pair.portfolio.dates, child.portfolio.dates)
        _follow(child, pairs, (linking * weights[:, c])[:, at], followed)


def _effects(pair: _Pair, pairs: Mapping[str, _Pair]) -> Effects:
    """Return the effects of every item in every session, (n_sessions, n_items)."""
    order = _order(pair)
    if not pair.portfolio.sleeve.sleeves:
        better = pair.portfolio.earned - pair.benchmark.earned[:, order]
        return Effects(np.zeros_like(better), better, np.zeros_like(better))
    children = _children(pair, pairs)
    one = _side(pair.portfolio, [child.portfolio for child in children])
    weights, own = held_over(pair.benchmark)[:, order], pair.benchmark.earned[:, order]
    return effects(one, Side(weights, _returns(pair.benchmark, [child.benchmark for child in children]), own))


def _side(history: SleeveHistory, children: list[SleeveHistory]) -> Side:
    return Side(held_over(history), _returns(history, children), history.earned)


def _returns(history: SleeveHistory, children: list[SleeveHistory]) -> np.ndarray:
    """Return the children's returns on the sleeve's sessions, 0 where a child has none, (n_sessions, n_children)."""
    returns = np.zeros((history.size, len(children)))
    for c, child in enumerate(children):
        returns[np.searchsorted(history.dates, child.dates), c] = child.rows("gross")
    return returns


def _rows(
    pair: _Pair,
    pairs: Mapping[str, _Pair],
    followed: np.ndarray,
    view: np.ndarray,
    ends: np.ndarray,
    every: str | None,
) -> Table:
    sleeve, found = pair.portfolio, _effects(pair, pairs)
    linking = on_periods(view, sleeve.dates, pair.factors, every)
    own, root = found.linked(linking), found.linked(followed)
    cost = (linking @ pair.cost)[:, None]
    at_root = cost if sleeve.path == next(iter(pairs)) else np.zeros_like(cost)
    labels, of = Labels.of_items(sleeve, ends), EFFECTS if sleeve.sleeve.sleeves else EFFECTS[1:2]
    parts = [labels.rows(getattr(own, effect), getattr(root, effect), effect) for effect in of]
    return concat([*parts, Labels.of_costs(sleeve, ends).rows(cost, at_root, COSTS)])
