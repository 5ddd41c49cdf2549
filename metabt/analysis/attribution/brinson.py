"""Brinson by level: why a tree did better or worse than a benchmark tree of the same sleeves, at every meta sleeve.

Rows as in metabt.analysis.attribution.contributions, each with its `effect` (metabt.analysis.attribution.effects), and
linked by Carino's factors of the two streams:

- `own`: effects on the sleeve's net return. A sleeve's rows, the difference in costs among them, add up to its total
  return less that of the same sleeve in the benchmark.
- `root`: effects on the portfolio's net return. Every sleeve is followed down at the benchmark's weights, so that a
  sleeve's rows add up to the selection of that sleeve in its parent: what it did better is its own allocation,
  selection and interaction one level below, down to the assets of the leaves, of which selection is all there is.

Where cash has a rate, what it earned beyond the benchmark's is a row of its own: allocation, and selection in a leaf.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from metabt.analysis.attribution.contributions import on_periods
from metabt.analysis.attribution.effects import Effects, Side, cost_of, effects
from metabt.analysis.attribution.labels import COSTS, Labels
from metabt.analysis.attribution.linking import active_factors
from metabt.analysis.attribution.look_through import among, held_over
from metabt.analysis.attribution.periods import by_period
from metabt.analysis.sleeve_history import SleeveHistory
from metabt.values.tables import Table, concat

SELECTION = "selection"
"""The effect of a leaf's assets: they are what they are, so that there is no other."""
TOGETHER = 32
"""Children whose effects are worked out at once: what that takes in between stays small."""
EFFECTS = ("allocation", SELECTION, "interaction")
"""Effects of a meta sleeve's children."""


def brinson(portfolio: list[SleeveHistory], benchmark: list[SleeveHistory], every: str | None = None) -> Table:
    """Return path, date, kind, item, effect, own and root, a row per effect on every item of every sleeve and period.

    `portfolio` and `benchmark` are the sleeves of two trees that differ in rules alone: the same names over the same
    assets, the root first. `every` is as in `contributions`.
    """
    return Compared.of(portfolio, benchmark, every).rows()


@dataclass(frozen=True)
class Compared:
    """Two trees side by side, of which leaves may be seen one by one before the rows of all are made."""

    pairs: Mapping[str, _Pair]
    """Sleeves by their path in the portfolio, the root first."""
    followed: Mapping[str, np.ndarray]
    """Path -> (n_periods, n_sessions) what links a sleeve's effects to the root."""
    every: str | None
    """As in `contributions`."""
    seen: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=dict)
    """Path -> of a leaf that was seen its selection, to its own return and to the root's, (n_periods, n_assets) each,
    and its costs, (n_periods,)."""

    @classmethod
    def of(cls, portfolio: list[SleeveHistory], benchmark: list[SleeveHistory], every: str | None = None) -> Compared:
        """Return them with their links, no leaf being seen."""
        matching = zip(portfolio, _matching(portfolio, benchmark), strict=True)
        pairs = {one.path: _Pair(one, other) for one, other in matching}
        root = pairs[portfolio[0].path]
        _, linking = by_period(portfolio[0].dates, root.factors, every)
        followed: dict[str, np.ndarray] = {}
        _follow(root, pairs, linking, followed)
        return cls(pairs, followed, every)

    def see(self, leaf: SleeveHistory, amounts: np.ndarray) -> None:
        """Work out the effects of a leaf of the portfolio, given what its assets earned, (n_sessions, n_assets)."""
        pair = self.pairs[leaf.path]
        better = amounts - _taken(pair.benchmark.earned, _order(pair))
        linking = self._linking(pair)
        self.seen[leaf.path] = (linking @ better, self.followed[leaf.path] @ better, linking @ pair.cost)

    def rows(self) -> Table:
        """Return the rows of all sleeves; leaves that were not seen are now."""
        return concat([self._rows(pair) for pair in self.pairs.values()])

    @property
    def _view(self) -> np.ndarray:
        return next(iter(self.pairs.values())).portfolio.dates

    def _linking(self, pair: _Pair) -> np.ndarray:
        """Return what links the effects of a sleeve to its own return, (n_periods, n_sessions)."""
        return on_periods(self._view, pair.portfolio.dates, pair.factors, self.every)

    def _rows(self, pair: _Pair) -> Table:
        sleeve, view = pair.portfolio, self._view
        ends, _ = by_period(view, np.zeros(len(view)), self.every)
        linked, cost = self._of_meta(pair) if sleeve.sleeve.sleeves else self._of_leaf(pair)
        at_root = cost if sleeve.path == next(iter(self.pairs)) else np.zeros_like(cost)
        labels = Labels.of_items(sleeve, ends)
        parts = [labels.rows(own, root, effect) for effect, (own, root) in linked.items()]
        if (cash := pair.cash) is not None:
            earned, at = (self._linking(pair) @ cash)[:, None], (self.followed[sleeve.path] @ cash)[:, None]
            effect = EFFECTS[0] if sleeve.sleeve.sleeves else SELECTION
            parts.append(Labels.of_cash(sleeve, ends).rows(earned, at, effect))
        return concat([*parts, Labels.of_costs(sleeve, ends).rows(cost[:, None], at_root[:, None], COSTS)])

    def _of_meta(self, pair: _Pair) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """Return each effect on a sleeve's children, to its own return and to the root's, and its costs by period."""
        found, linking = _effects(pair, self.pairs), self._linking(pair)
        own, root = found.linked(linking), found.linked(self.followed[pair.portfolio.path])
        return {effect: (getattr(own, effect), getattr(root, effect)) for effect in EFFECTS}, linking @ pair.cost

    def _of_leaf(self, pair: _Pair) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """Return the same of a leaf."""
        if pair.portfolio.path not in self.seen:
            self.see(pair.portfolio, pair.portfolio.earned)
        own, root, cost = self.seen[pair.portfolio.path]
        return {SELECTION: (own, root)}, cost


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

    @property
    def cash(self) -> np.ndarray | None:
        """(n_sessions,) what its cash earned beyond that of the benchmark; None where cash earns nothing."""
        sides = [(side.cash, side.begin) for side in (self.portfolio, self.benchmark)]
        one, other = (None if it is None else np.where(np.arange(len(it)) < begin, 0.0, it) for it, begin in sides)
        return None if one is None or other is None else one - other


def _matching(portfolio: list[SleeveHistory], benchmark: list[SleeveHistory]) -> list[SleeveHistory]:
    root, other = portfolio[0].path, benchmark[0].path
    found = {history.path.removeprefix(other): history for history in benchmark}
    return [found[history.path.removeprefix(root)] for history in portfolio]


def _children(pair: _Pair, pairs: Mapping[str, _Pair]) -> list[_Pair]:
    """Return its children, in the order of the portfolio's spec."""
    return [pairs[f"{pair.portfolio.path}/{name}"] for name in pair.portfolio.items]


def _order(pair: _Pair) -> list[int]:
    """Return where the benchmark has each of the portfolio's items: its specs differ, and so does their order."""
    places = {name: place for place, name in enumerate(pair.benchmark.held)}
    return [places[name] for name in pair.portfolio.held]


def _follow(pair: _Pair, pairs: Mapping[str, _Pair], linking: np.ndarray, followed: dict[str, np.ndarray]) -> None:
    """Fill in path -> (n_periods, n_sessions) what links a sleeve's effects to the root, at the benchmark's weights."""
    followed[pair.portfolio.path] = linking
    if not pair.portfolio.sleeve.sleeves:
        return
    weights = _taken(held_over(pair.benchmark), _order(pair))
    for c, child in enumerate(_children(pair, pairs)):
        at = among(pair.portfolio.dates, child.portfolio.dates)
        _follow(child, pairs, (linking * weights[:, c])[:, at], followed)


def _taken(matrix: np.ndarray, order: list[int]) -> np.ndarray:
    """Return the columns of a matrix in an order; the matrix itself where that is its own."""
    return matrix if order == list(range(matrix.shape[1])) else matrix[:, order]


def _effects(pair: _Pair, pairs: Mapping[str, _Pair]) -> Effects:
    """Return the effects of every child of a meta sleeve in every session, (n_sessions, n_children)."""
    order, children = np.array(_order(pair)), _children(pair, pairs)
    earned, over = pair.portfolio.earned, pair.benchmark.earned
    found = Effects(*(np.empty_like(earned) for _ in EFFECTS))
    for first in range(0, len(children), TOGETHER):
        at, some = slice(first, first + TOGETHER), children[first : first + TOGETHER]
        one = _side(pair.portfolio, at, [child.portfolio for child in some], earned)
        other = _side(pair.benchmark, order[at], [child.benchmark for child in some], over)
        part = effects(one, other)
        for effect in EFFECTS:
            getattr(found, effect)[:, at] = getattr(part, effect)
    return found


def _side(history: SleeveHistory, at: slice | np.ndarray, children: list[SleeveHistory], earned: np.ndarray) -> Side:
    """Return some children of a sleeve: those in the columns `at` of its own order."""
    return Side(held_over(history, at), _returns(history, children), earned[:, at])


def _returns(history: SleeveHistory, children: list[SleeveHistory]) -> np.ndarray:
    """Return the children's returns on the sleeve's sessions, 0 where a child has none, (n_sessions, n_children)."""
    returns = np.zeros((history.size, len(children)))
    for c, child in enumerate(children):
        returns[among(history.dates, child.dates), c] = child.rows("gross")
    return returns
