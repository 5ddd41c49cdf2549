"""Inputs of a block: cut out of prices for a leaf, the children's blocks for a meta sleeve.

1. A leaf reads the sessions of its partition and, ahead of them, as many as its lookback reaches.
2. A meta sleeve reads its children's blocks of the same partition, and their states before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import numpy as np

from metabt.build.dated.dated_inputs import costs_of, idle_of
from metabt.build.dated.hedges import hedges_of
from metabt.build.plan import Node, Plan
from metabt.data.dataset import Dataset
from metabt.data.facts import Facts
from metabt.data.point_in_time.events import ENDS, STATED, Events
from metabt.data.prices import Prices
from metabt.errors import DataError
from metabt.portfolio.built_estimators import build_selector
from metabt.portfolio.drawn_assets import Levels
from metabt.portfolio.sleeve import Leaf, Meta
from metabt.walk.block import Assets, Block, LeafState, MetaState
from metabt.walk.book import LeafBook, Opened, Start
from metabt.walk.decision import Outside
from metabt.walk.leaf import LeafInputs
from metabt.walk.meta.flattening import added_across, invested_in
from metabt.walk.meta.meta_sleeve import MetaInputs

SHARED = 2**26
"""Bytes that the covariances of one reading may take to be kept for other leaves."""
LONG = 1024
"""Sessions from which on some assets' returns are cut asset by asset: row by row no cache of a processor holds them."""


@dataclass(frozen=True)
class Market:
    """The columns of one leaf's universe over some rows of its calendar."""

    returns: np.ndarray
    """(n_sessions, n_assets) simple returns, 0 in gaps."""
    observed: np.ndarray
    """(n_sessions, n_assets) bool"""
    priced: np.ndarray
    """(n_sessions, n_assets) bool"""
    dollar_volume: np.ndarray | None
    """(n_sessions, n_assets)"""
    close: np.ndarray | None
    """(n_sessions, n_assets) raw closes, where the leaf's universe is drawn by them; else None."""
    ended: np.ndarray | None
    """(n_sessions, n_assets) bool, the asset ends; None where none does."""

    @classmethod
    def of(cls, prices: Prices, leaf: Leaf, rows: slice) -> Market:
        """Return the columns of a leaf and some rows; returns are worked out for all symbols together, once."""
        at, volume = prices.columns(leaf.universe), prices.dollar_volume
        observed, priced = (_flags(matrix[rows], at, prices.complete) for matrix in (prices.observed, prices.priced))
        returns = _returns(prices, rows, at)
        ended = None
        if prices.events is not None:
            own = prices.events.endings.within(rows).select(at, len(prices.symbols))
            ended = own.ended(*returns.shape)
            returns = _completed(returns, own, leaf)
        reads_levels = leaf.drawn is not None and leaf.drawn.reads_levels
        return cls(
            returns,
            observed,
            priced,
            None if volume is None else _cut(volume[rows], at),
            _seen(prices.close[rows], at) if reads_levels else None,
            ended,
        )


def _completed(returns: np.ndarray, own: Events, leaf: Leaf) -> np.ndarray:
    """Return returns with those of delistings that nobody stated compounded by what the leaf says of their kind."""
    lacking = np.flatnonzero(own.missing != STATED)
    if not len(lacking):
        return returns
    stated = np.array([getattr(leaf.delisting, kind) for kind in ENDS])[own.missing[lacking]]
    cells = own.rows[lacking], own.columns[lacking]
    completed = returns.copy()
    completed[cells] = (1.0 + returns[cells]) * (1.0 + stated) - 1.0
    return completed


def _returns(prices: Prices, rows: slice, at: np.ndarray) -> np.ndarray:
    """Return the returns of the assets `at`, row by row in memory."""
    if rows.stop - rows.start < LONG or _adjacent(at):
        return _cut(prices.returns[rows], at)
    return np.ascontiguousarray(prices.returns_by_asset[at, rows].T)


def _adjacent(at: np.ndarray) -> bool:
    return len(at) == at[-1] - at[0] + 1


def _cut(matrix: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return some columns of a matrix, row by row in memory."""
    if _adjacent(at):
        return np.ascontiguousarray(matrix[:, at[0] : at[-1] + 1])
    return np.take(matrix, at, axis=1)


def _seen(matrix: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return some columns of a matrix of which few rows are read: no copy, where they lie side by side."""
    return matrix[:, at[0] : at[-1] + 1] if _adjacent(at) else np.take(matrix, at, axis=1)


def _flags(matrix: np.ndarray, at: np.ndarray, complete: bool) -> np.ndarray:
    """Return some columns of flags, read-only; with complete prices only the first row can have any that is not set."""
    if complete and matrix[0, at].all() == matrix[0, at].any():
        return _set(len(matrix), len(at), bool(matrix[0, at].all()))
    flags = _cut(matrix, at)
    flags.flags.writeable = False
    return flags


@lru_cache(maxsize=4)
def _set(n_rows: int, n_columns: int, first: bool) -> np.ndarray:
    """Return flags that are all set, but for the first row: leaves over as many assets share them."""
    flags = np.ones((n_rows, n_columns), bool)
    flags[0] = first
    flags.flags.writeable = False
    return flags


def universes(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return dataset that leaves of a plan read -> the symbols that they may hold, sorted."""
    found: dict[str, set[str]] = {}
    for node in plan.nodes.values():
        if isinstance(node.spec, Leaf):
            found.setdefault(node.home, set()).update(node.spec.universe)
    return {name: tuple(sorted(symbols)) for name, symbols in found.items()}


class PriceSource(Protocol):
    """Gives leaves their prices."""

    def of(self, leaf: Leaf, rows: slice) -> Market:
        """Return the columns of a leaf's universe for the partition `rows` of its calendar, and its lookback ahead."""


class Markets:
    """The datasets' columns by leaf, cut from what is held of the prices, which are read when first asked for."""

    def __init__(self, plan: Plan) -> None:
        """Take the plan's datasets; no price is read yet."""
        self._plan = plan
        self._universes = universes(plan)
        self._lookback = max(plan.lookback, *(node.spec.reach for node in plan.nodes.values()), 0)

    def of(self, leaf: Leaf, rows: slice) -> Market:
        """Return the columns of a leaf's universe for the partition `rows` of its calendar, and its lookback ahead."""
        window, _ = reach(leaf, rows)
        home = self._plan.home(leaf)
        dataset = self._plan.datasets[home]
        # as far back as any other leaf will look, and the root's risk by asset, or they would have prices read again
        prices = dataset.since(max(rows.start - self._lookback - 1, 0), self._universes[home])
        ahead = len(dataset.facts.dates) - len(prices.dates)
        return Market.of(prices, leaf, slice(window.start - ahead, window.stop - ahead))


@dataclass(frozen=True)
class Returns:
    """The returns of a leaf's assets, cut anew from what is held of the prices each time they are asked for."""

    dataset: Dataset
    """Where its universe lives."""
    universe: tuple[str, ...]
    """Its assets."""

    def __call__(self, rows: slice) -> np.ndarray:
        """Return simple returns in some rows of the calendar, (n_rows, n_assets), 0 in gaps."""
        prices = self.dataset.since(rows.start, self.universe)
        ahead = len(self.dataset.facts.dates) - len(prices.dates)
        return _returns(prices, slice(rows.start - ahead, rows.stop - ahead), prices.columns(self.universe))


def initial_state(node: Node) -> LeafState | MetaState:
    """Return the state of a sleeve before its first session."""
    if isinstance(node.spec, Leaf):
        return LeafState.initial(len(node.spec.universe), len(node.hedges))
    return MetaState.initial(len(node.spec.children), node.layout.n_columns)


def reach(leaf: Leaf, rows: slice) -> tuple[slice, int]:
    """Return the rows of the calendar that a leaf reads for the partition `rows`, and how many are ahead of it."""
    before = min(leaf.reach, rows.start)
    return slice(rows.start - before, rows.stop), before


def fields_of(leaf: Leaf) -> tuple[str, ...]:
    """Return the fields of prices that a leaf reads."""
    return ("close", "volume") if reads_volume(leaf) else ("close",)


def reads_volume(leaf: Leaf) -> bool:
    """Return whether volumes decide what a leaf holds."""
    return build_selector(leaf.selector).reads_volume or (leaf.drawn is not None and leaf.drawn.reads_volume)


class Readings:
    """Inputs of leaves, made once for leaves that read the same prices, so that they share windows and moments."""

    def __init__(self, plan: Plan, markets: PriceSource) -> None:
        """Take the plan and the source of prices; nothing is read yet."""
        self._markets, self._datasets = markets, plan.datasets
        self._readers = Counter(reading(node.spec) for node in plan.nodes.values() if isinstance(node.spec, Leaf))
        self.forget()

    def forget(self) -> None:
        """Drop the inputs that were kept; call it when a partition is over."""
        self._kept: dict[tuple[object, ...], LeafInputs] = {}
        self._idle: dict[tuple[object, ...], np.ndarray | None] = {}
        self._left = self._readers.copy()

    def of(self, node: Node, rows: slice) -> LeafInputs:
        """Return the inputs of a leaf for the partition `rows` of its calendar."""
        leaf = node.spec
        assert isinstance(leaf, Leaf)  # meta sleeves read blocks
        same = reading(leaf)
        self._left[same] -= 1
        key = (*same, rows.start, rows.stop)
        opens = None if node.opens is None else node.opens[rows]
        if key in self._kept:
            kept = self._kept[key] if self._left[same] else self._kept.pop(key)
            return kept if opens is None else replace(kept, opens=opens)
        market, (_, before) = self._markets.of(leaf, rows), reach(leaf, rows)
        volume = market.dollar_volume if build_selector(leaf.selector).reads_volume else None
        facts = self._datasets[node.home].facts
        few = self._left[same] and len(leaf.universe) ** 2 * (rows.stop - rows.start) * 8 <= SHARED
        dates = node.calendar.sessions[rows]
        idle = self._idle_of(node, slice(rows.start - before, rows.stop))
        inputs = LeafInputs(
            dates,
            before,
            market.returns,
            market.observed,
            market.priced[before:],
            volume,
            {} if few else None,
            member=members_of(leaf, facts, rows),
            ended=None if market.ended is None else market.ended[before:],
            idle=idle,
            levels=_levels(leaf, market),
            rates=costs_of(node, self._datasets, rows),
            signal=outside_of(leaf, facts, rows),
            hedges=hedges_of(node, self._datasets, rows),
        )
        if few:
            self._kept[key] = inputs
        return inputs if opens is None else replace(inputs, opens=opens)

    def _idle_of(self, node: Node, rows: slice) -> np.ndarray | None:
        """Return what cash earned in some sessions, one array for all leaves of a dataset that read the same ones."""
        assert isinstance(node.spec, Leaf)
        asked = node.spec.dataset, node.spec.cash.rate, rows.start, rows.stop
        if asked not in self._idle:
            self._idle[asked] = idle_of(node, self._datasets, rows)
        return self._idle[asked]


def members_of(leaf: Leaf, facts: Facts, rows: slice) -> np.ndarray | None:
    """Return who belongs to a leaf's universe in some sessions, (n_rows, n_assets) bool; None where all always do."""
    if leaf.drawn is None or leaf.drawn.members is None:
        return None
    return facts.members(leaf.drawn.members, leaf.universe)[rows]


def outside_of(leaf: Leaf, facts: Facts, rows: slice) -> Outside | None:
    """Return what a leaf's signal decides in some sessions of its calendar; None where it decides itself."""
    if leaf.signal is None:
        return None
    return Outside(*facts.signal(leaf.signal, leaf.universe, leaf.start).within(rows))


def _levels(leaf: Leaf, market: Market) -> Levels | None:
    """Return what the rule of a leaf reads; None without one that reads prices.

    Raises
    ------
    DataError
        For a rule on volumes of a dataset that has none.
    """
    if market.close is None or leaf.drawn is None:
        return None
    if not leaf.drawn.reads_volume:
        return Levels(market.close, market.close)
    if market.dollar_volume is None:
        raise DataError(
            f"dataset '{leaf.dataset}' has no volume to draw the largest {leaf.drawn.largest} by dollar_volume; ingest "
            "volumes, or state by: close"
        )
    return Levels(market.close, market.dollar_volume)


def reading(leaf: Leaf) -> tuple[object, ...]:
    """Return a key that is equal for leaves which read the same prices."""
    read = leaf.dataset, leaf.universe, leaf.reach, reads_volume(leaf)
    outside = () if leaf.signal is None else (leaf.signal, leaf.start)
    return *read, leaf.drawn, leaf.delisting, leaf.cash.rate, leaf.currency, leaf.hedged, outside


def meta_inputs(
    node: Node, rows: slice, plan: Plan, children: Sequence[Opened | None], starts: Sequence[Start]
) -> MetaInputs:
    """Return the inputs of a meta sleeve for the `rows` of its calendar, from its children in the order of its spec."""
    assert isinstance(node.spec, Meta)
    calendar = node.calendar
    ends = ends_of(node.spec, plan)
    return MetaInputs(
        calendar.sessions[rows],
        calendar.common[rows],
        children,
        starts,
        ends,
        node.layout,
        idle_of(node, plan.datasets, rows),
        costs_of(node, plan.datasets, rows),
        None if node.opens is None else node.opens[rows],
    )


def ends_of(spec: Meta, plan: Plan) -> np.ndarray:
    """Return the last session of each child whose data have ended for good, else NaT, (n_children,)."""
    calendars = [plan.nodes[child.digest].calendar for child in spec.children]
    return np.array([c.sessions[-1] if c.ended else "NaT" for c in calendars], "datetime64[D]")


def opened(block: Block, inputs: LeafInputs | MetaInputs | None) -> Opened:
    """Return a block with its book; a meta sleeve's is looked through to the children in `inputs`."""
    if isinstance(block.held, Assets):
        return Opened(block, LeafBook(block.held, block.traded, block.gross))
    assert isinstance(inputs, MetaInputs)  # whose shares need children to be looked through to
    return Opened(block, inputs.book(block.held))


def start_of(node: Node, states: Mapping[str, LeafState | MetaState]) -> Start:
    """Return a sleeve's start of the next partition, from the states of all sleeves by spec digest."""
    state = states[node.spec.digest]
    return Start(state.live, state.started, _book_of(node.spec, states), _invested_of(node.spec, states))


def _book_of(spec: Leaf | Meta, states: Mapping[str, LeafState | MetaState]) -> np.ndarray:
    state = states[spec.digest]
    if isinstance(state, LeafState):
        return state.holdings
    assert isinstance(spec, Meta)
    books = [_book_of(child, states) for child in spec.children]
    shares = np.repeat(state.holdings, [len(book) for book in books])
    return shares * np.concatenate(books) + 0.0 + state.carried


def _invested_of(spec: Leaf | Meta, states: Mapping[str, LeafState | MetaState]) -> float:
    """Return the sum of that book, added up level by level as a block's is: the next one goes on with the same bits."""
    state = states[spec.digest]
    if isinstance(state, LeafState):
        return float(added_across(state.holdings[None])[0])
    assert isinstance(spec, Meta)
    beneath = np.array([[_invested_of(child, states) for child in spec.children]])
    return float(invested_in(state.holdings[None], beneath, added_across(state.carried[None]))[0])
