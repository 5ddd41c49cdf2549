"""Trees over assets that end and cost their own, beside cash that earns: the look-through identity at any depth."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.build.inputs import opened
from metabt.portfolio.schedule import Schedule
from metabt.portfolio.sleeve import Cash, Costs, Estimator, Leaf, Sleeve
from metabt.walk.block import Block, LeafState, MetaState
from metabt.walk.book import Opened, Start
from metabt.walk.concatenation import join
from metabt.walk.costs import AssetCosts
from metabt.walk.leaf import LeafInputs
from metabt.walk.meta.aggregation import Aligned
from metabt.walk.meta.flattening import Layout, added_across, invested_in
from metabt.walk.meta.meta_holdings import MetaHoldings
from metabt.walk.meta.meta_sleeve import MetaInputs
from metabt.walk.walk_forward import advance
from tests.shared.differing import differing
from tests.shared.laws import DRAWS, examples
from tests.walk.meta import test_meta_holdings as held

SYMBOLS = ("A", "B", "C", "D", "E")
N, LOOKBACK = 30, 4
NAT = np.datetime64("NaT", "D")


@dataclass
class Market:
    """What all sleeves of a tree read."""

    dates: np.ndarray
    returns: np.ndarray
    priced: np.ndarray
    ended: np.ndarray
    idle: np.ndarray
    rates: AssetCosts

    @classmethod
    def drawn(cls, seed: int) -> Market:
        rng = np.random.default_rng(seed)
        shape = LOOKBACK + N, len(SYMBOLS)
        priced = rng.random(shape) >= 0.07
        ended = np.zeros((N, len(SYMBOLS)), bool)
        for a in (0, 2):
            ended[rng.integers(5, N), a] = True
            priced[LOOKBACK + 1 + np.flatnonzero(ended[:, a])[0] :, a] = False
        returns = np.where(priced, rng.normal(0, 0.03, shape), 0.0)
        for t, a in np.argwhere(ended):
            returns[LOOKBACK + t, a] = -0.5  # priced or not: what a delisting returns
        dates = np.datetime64("2021-01-04") + np.cumsum(rng.integers(1, 4, N))
        size = (N, len(SYMBOLS))
        rates = AssetCosts(*(np.where(rng.random(size) < 0.2, np.nan, rng.uniform(0, 90, size)) for _ in range(3)))
        return cls(dates, returns, priced, ended, rng.uniform(0, 3e-3, LOOKBACK + N), rates)

    def inputs(self, leaf: Leaf, rows: slice) -> LeafInputs:
        at = [SYMBOLS.index(symbol) for symbol in leaf.universe]
        before = LOOKBACK + rows.start
        seen = self.priced[: before + rows.stop - rows.start][:, at]
        return LeafInputs(
            self.dates[rows],
            before,
            np.ascontiguousarray(self.returns[: len(seen), at]),
            seen,
            np.ascontiguousarray(seen[before:]),
            ended=self.ended[rows][:, at],
            idle=self.idle[: len(seen)],
            rates=self.costs(rows, at),
        )

    def costs(self, rows: slice, at: list[int]) -> AssetCosts:
        return AssetCosts(*(getattr(self.rates, f.name)[rows][:, at] for f in fields(AssetCosts)))

    def rate(self, own: Costs, name: str, t: int) -> dict[str, float]:
        """Return symbol -> a cost of a session, a fraction."""
        stated = getattr(self.rates, name)[t].tolist()
        return {s: (getattr(own, name) if it != it else it) / 10_000 for s, it in zip(SYMBOLS, stated, strict=True)}


def tree(seed: int) -> Sleeve:
    """Return a tree of three levels, whose sleeves trade on other days, keep reserves and share assets."""
    rng = np.random.default_rng(seed)

    def rules(reserve: float, **settings: Any) -> dict[str, Any]:
        return {
            "schedule": Schedule(every=int(rng.integers(1, 6))),
            "lookback": LOOKBACK,
            "lag": int(rng.integers(0, 4)),
            "cash": Cash("x", reserve),
            "costs": Costs(5.0, 1.0, float(rng.choice([0.0, 80.0]))),
            **settings,
        }

    def leaf(name: str, *universe: str, **settings: Any) -> Sleeve:
        covered = {"min_coverage": 0.5, "stale_after": 4, "optimizer": Estimator("inverse_volatility")}
        reserve = float(rng.choice([0.0, 0.15]))
        return Sleeve(name, Leaf(dataset="d", universe=universe, **rules(reserve, **covered, **settings)))

    best = {"optimizer": Estimator("max_sharpe")} if rng.random() < 0.7 else {}
    inner = Sleeve.meta("inner", (leaf("one", "A", "B"), leaf("two", "B", "C", "D")), **rules(0.1, **best))
    short = leaf("short", "A", "E", direction="short")
    turning = {"optimizer": Estimator("min_variance", {"max_turnover": 0.3})} if rng.random() < 0.5 else {}
    return Sleeve.meta("root", (inner, short, leaf("three", "C", "E")), **rules(0.05, **turning))


class Walked:
    """Every sleeve of a tree over consecutive stretches of sessions."""

    def __init__(self, root: Sleeve, market: Market, stops: list[int]) -> None:
        self.market, self.layouts = market, dict[str, Layout]()
        self.states: dict[str, Any] = {}
        self.blocks: dict[str, list[Block]] = {}
        self.opened: dict[str, Opened] = {}
        self.inputs: dict[str, MetaInputs] = {}
        for start, stop in zip([0, *stops], stops, strict=False):
            self.walk("root", root, slice(start, stop), dict(self.states))

    def walk(self, path: str, sleeve: Sleeve, rows: slice, before: dict[str, Any]) -> Start:
        """Take a sleeve over some sessions, and return its start of them."""
        spec, paths = sleeve.spec, [f"{path}/{child.name}" for child in sleeve.ordered]
        starts = [self.walk(*pair, rows, before) for pair in zip(paths, sleeve.ordered, strict=True)]
        inputs: Any
        if isinstance(spec, Leaf):
            self.layouts[path], inputs = Layout.leaf(spec.universe), self.market.inputs(spec, rows)
            state = before.get(path) or LeafState.initial(len(spec.universe))
            book, invested = state.holdings, float(added_across(state.holdings[None])[0])
        else:
            layout = self.layouts[path] = Layout.meta([self.layouts[it] for it in paths])
            at, dates = [SYMBOLS.index(symbol) for symbol in layout.symbols], self.market.dates[rows]
            rates = self.market.costs(rows, at)
            children = [self.opened[it] for it in paths]
            ends, common = np.full(len(paths), NAT), np.ones(len(dates), bool)
            idle = self.market.idle[LOOKBACK:][rows]
            inputs = self.inputs[path] = MetaInputs(dates, common, children, starts, ends, layout, idle, rates)
            state = before.get(path) or MetaState.initial(len(paths), layout.n_columns)
            shares = np.repeat(state.holdings, [len(start.book) for start in starts])
            book = shares * np.concatenate([start.book for start in starts]) + 0.0 + state.carried
            beneath = np.array([[start.invested for start in starts]])
            invested = float(invested_in(state.holdings[None], beneath, added_across(state.carried[None]))[0])
        self.states[path], block = advance(spec, state, inputs)
        self.blocks.setdefault(path, []).append(block)
        self.opened[path] = opened(block, None if isinstance(spec, Leaf) else inputs)
        return Start(state.live, state.started, book, invested)


@examples(60)
@given(DRAWS)
def test_the_look_through_identity_holds_with_what_cash_earns(seed: int) -> None:
    """`R = H' r + (1 - sum H) f` at every level, and what items and cash earned adds up to R."""
    root, market = tree(seed), Market.drawn(seed)
    walked = Walked(root, market, [N])
    for path, sleeve in root.walk():
        layout, (block,), book = walked.layouts[path], walked.blocks[path], walked.opened[path].book
        at = [SYMBOLS.index(layout.symbols[a]) for a in layout.asset_of]
        _, positions = book.around(np.arange(N))
        returns, idle = market.returns[LOOKBACK + 1 :][:, at], market.idle[LOOKBACK + 1 :]
        expected = (positions[:-1] * returns).sum(axis=1) + (1 - positions[:-1].sum(axis=1)) * idle
        assert block.gross[1:] == pytest.approx(expected, abs=1e-12)
        assert block.invested == pytest.approx(positions.sum(axis=1), abs=1e-12)
        assert block.idle is not None and block.idle.tolist() == market.idle[LOOKBACK:].tolist()
        if sleeve.sleeves:
            gaps = block.held.carried  # type: ignore[union-attr]
            carried = np.zeros(positions.shape)
            if gaps is not None:
                carried[gaps.rows, gaps.columns] = gaps.after
            shares = np.asarray(block.held.after).sum(axis=1) + carried.sum(axis=1)
        else:
            shares = positions.sum(axis=1)
        cash = (1 - shares[:-1]) * idle
        assert book.earned_by_item(N).sum(axis=1)[1:] + cash == pytest.approx(block.gross[1:], abs=1e-12)


@examples(60)
@given(DRAWS)
def test_every_book_is_charged_on_its_own_netted_trades_at_each_assets_rates(seed: int) -> None:
    root, market = tree(seed), Market.drawn(seed)
    walked = Walked(root, market, [N])
    for path, sleeve in root.walk():
        if not sleeve.sleeves:
            continue
        layout, (block,) = walked.layouts[path], walked.blocks[path]
        before, after = walked.opened[path].book.around(np.arange(N))
        owed, saved = 0.0, 0.0
        for t in range(N):
            assert block.cost[t] == pytest.approx(owed, abs=1e-14)
            assert block.netting[t] == pytest.approx(saved, abs=1e-13)
            net, apart, short = dict[str, float](), dict[int, float](), dict[str, float]()
            parts = [market.rate(sleeve.spec.costs, name, t) for name in ("commission_bp", "slippage_bp", "borrow_bp")]
            rate = {s: parts[0][s] + parts[1][s] for s in SYMBOLS}
            borrow = {s: it / 365 for s, it in parts[2].items()}
            for j, a in enumerate(layout.asset_of.tolist()):
                symbol, trade = layout.symbols[a], after[t, j] - before[t, j]
                net[symbol] = net.get(symbol, 0.0) + trade
                group = int(layout.child_asset_of[j])
                apart[group] = apart.get(group, 0.0) + trade
                short[symbol] = short.get(symbol, 0.0) + after[t, j]
            of = {int(g): layout.symbols[a] for g, a in zip(layout.child_asset_of, layout.asset_of, strict=True)}
            cost = sum(rate[symbol] * abs(it) for symbol, it in net.items())
            saved = sum(rate[of[g]] * abs(it) for g, it in apart.items()) - cost
            days = (market.dates[t + 1] - market.dates[t]).astype(int) if t + 1 < N else 0
            owed = cost + days * sum(borrow[symbol] * max(-it, 0.0) for symbol, it in short.items())
            assert block.turnover[t] == pytest.approx(sum(map(abs, net.values())) / 2, abs=1e-13)


@examples(40)
@given(DRAWS, st.lists(st.integers(1, N - 1), min_size=1, max_size=3, unique=True))
def test_it_does_not_matter_where_partitions_end(seed: int, cuts: list[int]) -> None:
    root, market = tree(seed), Market.drawn(seed)
    whole, parts = Walked(root, market, [N]), Walked(root, market, [*sorted(cuts), N])
    for path, _ in root.walk():
        (one,), other = whole.blocks[path], join(parts.blocks[path])
        streams = "gross", "cost", "net", "turnover", "netting", "idle", "invested"
        for name in (*streams, "closed", "decisions", "endings"):
            assert [*differing(getattr(one, name), getattr(other, name), f"{path} {name}")] == []
        assert np.asarray(one.held.after).tobytes() == np.asarray(other.held.after).tobytes()
        state = whole.states[path]
        assert [*differing(state, parts.states[path], f"state of {path}")] == []
        if isinstance(state, MetaState):  # what windows of later decisions have of cash
            assert state.idle is not None and state.idle.tolist() == market.idle[-LOOKBACK:].tolist()


@examples(40)
@given(DRAWS)
def test_targets_leave_the_reserve_in_cash(seed: int) -> None:
    root = tree(seed)
    walked = Walked(root, Market.drawn(seed), [N])
    for path, sleeve in root.walk():
        made = walked.blocks[path][0].decisions
        for weights, status in zip(made.weights, made.status, strict=True):
            total = 0.0 if status == "cash" else 1 - sleeve.spec.cash.reserve
            assert abs(weights.sum()) == pytest.approx(total, abs=1e-12)


@examples(60)
@given(DRAWS, st.booleans(), st.booleans(), st.integers(1, held.N - 1))
def test_what_is_decided_on_is_what_is_held_before_trading(seed: int, gaps: bool, carries: bool, stop: int) -> None:
    """Ahead of a session's trades shares have drifted with what cash earned beside them and what is carried."""
    children, state, due, targets = held.drawn(seed, gaps, carries)
    idle = np.random.default_rng(seed).uniform(0, 0.01, held.N)
    children = replace(children, idle=idle, children=tuple(map(_paying, children.children)))
    due = np.where(np.arange(held.N) < stop, due, -1)
    hold, further = (MetaHoldings(state, children, held.LAYOUT) for _ in range(2))
    hold.until(stop, due, targets)
    further.until(stop + 1, due, targets)
    assert hold.ahead() == pytest.approx(further.after[stop], abs=1e-14)
    assert hold.aimed(targets[0], 0).tolist() == targets[0].tolist()


def _paying(child: Aligned) -> Aligned:
    """Return a child of a tree whose cash earns, all of whose own is cash that has been paid nothing yet."""
    if child.child is None:
        return child
    nothing = np.zeros(len(child.child.block.dates))
    return replace(child, child=replace(child.child, block=replace(child.child.block, idle=nothing, invested=nothing)))
