"""A leaf: which sessions decide, who is eligible, what is selected and why not; against loops over sessions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.estimators.selectors.base import Selector
from metabt.estimators.windows import Windows
from metabt.portfolio.schedule import Schedule
from metabt.portfolio.sleeve import Costs, Estimator, Leaf
from metabt.walk import leaf as module
from metabt.walk.block import REASONS, Assets, LeafState
from metabt.walk.leaf import LeafInputs, advance_leaf
from metabt.walk.stopwatch import Stopwatch
from tests.shared.laws import DRAWS, examples

UNIVERSE = ("A", "B", "C")
LOOKBACK = 6


def spec(**settings: Any) -> Leaf:
    rules: dict[str, Any] = {"lookback": LOOKBACK, "lag": 0, "schedule": Schedule(every=3), **settings}
    return Leaf(dataset="d", universe=UNIVERSE, **rules)


def market(seed: int, n_sessions: int, before: int, missing: float = 0.0) -> LeafInputs:
    rng = np.random.default_rng(seed)
    priced = rng.random((before + n_sessions, 3)) >= missing
    observed = priced & np.vstack([np.ones((1, 3), bool), priced[:-1]])
    returns = np.where(observed, rng.normal(0, 0.02, priced.shape), 0.0)
    dates = np.datetime64("2021-01-04") + np.arange(n_sessions)
    return LeafInputs(dates, before, returns, observed, priced[before:])


def walk(leaf: Leaf, inputs: LeafInputs, state: LeafState | None = None) -> tuple[LeafState, Any]:
    return advance_leaf(leaf, state or LeafState.initial(3), inputs, Stopwatch())


@examples(60)
@given(DRAWS, st.integers(0, 8), st.sampled_from(["long", "short", "one short"]))
def test_a_window_has_the_returns_of_who_holds_them(seed: int, before: int, kind: str) -> None:
    """What is held short is seen as -r; a session's window ends with it, and goes by its date in messages."""
    inputs = market(seed, 9, before)
    volume = np.random.default_rng(seed).random(inputs.returns.shape)
    inputs = LeafInputs(inputs.dates, before, inputs.returns, inputs.observed, inputs.priced, volume)
    leaf = spec(**{"long": {}, "short": {"direction": "short"}, "one short": {"shorts": ("B",)}}[kind])
    signs = {"long": [1, 1, 1], "short": [-1, -1, -1], "one short": [1, -1, 1]}[kind]
    rows = np.arange(max(LOOKBACK - before, 0), 9)
    windows = inputs.windows(leaf, before + rows + 1)
    assert len(windows) == len(rows) and windows.names == UNIVERSE
    for k, row in enumerate(rows.tolist()):
        seen = inputs.returns[before + row + 1 - LOOKBACK : before + row + 1] * signs
        assert windows.window(k).tolist() == seen.tolist() and windows.lengths[k] == LOOKBACK
        assert windows.when(k) == str(inputs.dates[row])
    assert windows.dollar_volume is volume


def test_leaves_that_read_the_same_share_windows_and_others_do_not() -> None:
    inputs = market(1, 9, 6)
    assert inputs.windows(spec(), np.array([7])) is not inputs.windows(spec(), np.array([7]))
    inputs = LeafInputs(inputs.dates, 6, inputs.returns, inputs.observed, inputs.priced, shared={})
    stops = np.array([7, 9])
    one = inputs.windows(spec(), stops)
    assert inputs.windows(spec(optimizer=Estimator("erc")), stops.copy()) is one
    assert inputs.windows(spec(direction="short"), stops) is not one
    assert inputs.windows(spec(shorts=("A",)), stops) is not inputs.windows(spec(shorts=("B",)), stops)
    assert inputs.windows(spec(), np.array([7])) is not one


class Told(Selector):
    """Selects what a test says of what it is given, and notes it."""

    def __init__(self, chosen: list[bool], needs_variance: bool) -> None:
        self.chosen, self.needs_variance, self.given = np.array(chosen), needs_variance, list[list[bool]]()

    def select(self, windows: Windows, eligible: np.ndarray) -> np.ndarray:
        """Select what was said."""
        self.given += eligible.tolist()
        return eligible & self.chosen

    def most(self, n_assets: int) -> int:
        """Return how many it may select."""
        return n_assets


@examples(100)
@given(
    DRAWS,
    st.integers(0, 8),
    st.sampled_from([0.0, 0.15]),
    st.sampled_from([0.3, 0.5, 5 / 6, 1.0]),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.booleans(),
    st.booleans(),
)
def test_who_is_held_and_why_not(
    seed: int, before: int, missing: float, coverage: float, chosen: list[bool], varied: bool, optimizer: bool
) -> None:
    inputs = market(seed, 14, before, missing)
    still = int(np.random.default_rng(seed).integers(0, 14))
    inputs.returns[before + still :, 0] = 0.0  # A stands still from there on
    told = Told(chosen, varied)
    leaf = spec(min_coverage=coverage, optimizer=Estimator("inverse_volatility" if optimizer else "equal"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "build_selector", lambda it: told)
        _, block = walk(leaf, inputs)
    expected, began = {}, False
    for row in range(0, 14, 3):
        at = before + row
        if at < LOOKBACK:
            continue
        seen = slice(at + 1 - LOOKBACK, at + 1)
        eligible = inputs.priced[row] & (inputs.observed[seen].mean(axis=0) >= coverage - 1e-12)
        constant = np.ptp(inputs.returns[seen], axis=0) == 0.0
        given = eligible & ~constant if varied else eligible
        support = given & chosen
        if varied and not given.any():
            support = eligible.copy()  # nothing is ranked
        held = support & ~constant if optimizer else support
        fallback = optimizer and not held.any() and support.any()
        held = support if fallback else held  # down to equal weights
        why = []
        for a in range(3):
            if held[a]:
                why.append("")
            elif not eligible[a]:
                why.append("ineligible")
            elif (varied and constant[a]) or support[a]:
                why.append("constant")
            else:
                why.append("unselected")
        began = began or bool(held.any())
        status = "cash" if not held.any() else "fallback:equal" if fallback else "ok"
        if began:
            expected[row] = (held.tolist(), why, status)
    made = block.decisions
    found = {
        row: ((w != 0).tolist(), [REASONS[code] for code in codes], status)
        for row, w, codes, status in zip(made.rows.tolist(), made.weights, made.reasons, made.status, strict=True)
    }
    assert found == expected
    assert made.reasons.dtype == np.int8


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("n_sessions", [1, 4])
def test_a_partition_without_a_decision_is_walked(n_sessions: int, missing: float) -> None:
    """None has a lookback behind it, or none is scheduled: what is held drifts on."""
    state, block = walk(spec(), market(1, n_sessions, 0, missing))
    assert block.decisions.rows.shape == (0,) and block.decisions.weights.shape == (0, 3)
    assert block.decisions.status == () and block.begin == n_sessions and not state.live
    whole, _ = walk(spec(schedule=Schedule(every=40)), market(1, 9, 6))
    _, block = walk(spec(schedule=Schedule(every=40)), market(2, n_sessions, 6, missing), whole)
    assert block.decisions.rows.shape == (0,) and np.isfinite(block.net).all() and block.begin == 0
    assert block.gross[0] == pytest.approx(whole.holdings @ market(2, n_sessions, 6, missing).returns[6], abs=1e-15)


def test_a_short_asset_that_is_not_held_weighs_zero_and_not_minus_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "build_selector", lambda it: Told([True, False, True], False))
    _, block = walk(spec(direction="short"), market(1, 9, 6))
    assert block.decisions.weights.tolist() == [[-0.5, 0.0, -0.5]] * 3
    assert not np.signbit(block.decisions.weights[:, 1]).any()


@pytest.mark.parametrize("lag", [0, 1, 3])
@pytest.mark.parametrize("direction", ["long", "short"])
def test_a_block_against_a_loop_in_money(lag: int, direction: str) -> None:
    """Equal weights of three, every third session from the first on; first and last rows are checked as the others."""
    costs = Costs(commission_bp=20.0, slippage_bp=5.0, borrow_bp=365.0)
    inputs = market(5, 11, 6)
    state, block = walk(spec(lag=lag, direction=direction, costs=costs), inputs)
    weight = 1 / 3 if direction == "long" else -1 / 3
    worth, cash, owed, short, begin = np.zeros(3), 1.0, 0.0, 0.0, 11
    for t in range(11):
        nav = worth.sum() + cash
        worth = worth * (1 + inputs.returns[6 + t])
        gross = (worth.sum() + cash) / nav - 1
        cost = 0.0025 * owed + (0.0365 / 365 * short if t else 0.0)
        assert block.gross[t] == pytest.approx(gross, abs=1e-14) and block.cost[t] == pytest.approx(cost, abs=1e-15)
        assert block.net[t] == pytest.approx((1 - cost) * (1 + gross) - 1, abs=1e-14)
        nav, owed = worth.sum() + cash, 0.0
        if t >= lag and (t - lag) % 3 == 0:
            owed = float(np.abs(weight - worth / nav).sum())
            worth = np.full(3, weight * nav)
            cash, begin = nav - worth.sum(), min(begin, t + 1)
        short = float(np.maximum(-worth / nav, 0).sum())
        assert block.turnover[t] == pytest.approx(owed / 2, abs=1e-14)
        assert bool(block.traded[t]) == (owed > 0)
        assert isinstance(block.held, Assets)
        assert np.asarray(block.held.after)[t] == pytest.approx(worth / nav, abs=1e-14)
    assert (block.begin, state.started, state.live, state.index) == (begin, True, True, 11)
    assert block.decisions.rows.tolist() == [0, 3, 6, 9] and set(block.decisions.status) == {"ok"}
    assert not block.netting.any() and not block.closed.any() and block.held.gaps is None
    assert state.queue.due.tolist() == [9 + lag - 11] * (9 + lag >= 11)
    assert state.unpaid.traded == pytest.approx(owed, abs=1e-14)
    assert state.unpaid.short == pytest.approx(short, abs=1e-14) and state.unpaid.saved == 0.0
    assert (state.session, state.scheduled) == (inputs.dates[-1], inputs.dates[-1])
    assert state.holdings == pytest.approx(worth / nav, abs=1e-14)
    assert np.isnan(state.waiting).all() and not state.stale.any()


@pytest.mark.parametrize(("every", "decisions"), [(1, 24), (5, 5), (30, 1)])
def test_laps_count_decisions_where_they_are_made_and_sessions_where_they_are_held(every: int, decisions: int) -> None:
    watch = Stopwatch()
    advance_leaf(spec(schedule=Schedule(every=every)), LeafState.initial(3), market(3, 24, 6), watch)
    laps = {stage: rows for stage, _, rows in watch.laps}
    assert laps == {"selection": decisions, "optimization": decisions, "holding": 24}


@pytest.mark.parametrize("chunk", [1, 72, 200, 2**20])
def test_it_does_not_matter_how_many_decisions_are_made_at_a_time(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three assets: 72 bytes of covariances a decision; what is made at a time is about that many bytes."""
    inputs = market(3, 24, 6)
    leaf = spec(schedule=Schedule(every=1), optimizer=Estimator("min_variance"))
    _, whole = walk(leaf, inputs)
    sizes, before = [], module.weigh

    def weigh(spec: Any, candidates: Any) -> Any:
        found = before(spec, candidates)
        sizes.append(len(found.status))
        return found

    monkeypatch.setattr(module, "CHUNK", chunk)
    monkeypatch.setattr(module, "weigh", weigh)
    watch = Stopwatch()
    _, block = advance_leaf(leaf, LeafState.initial(3), inputs, watch)
    assert [(stage, rows) for stage, _, rows in watch.laps] == [
        ("selection", 24),
        ("optimization", 24),
        ("holding", 24),
    ]
    assert sum(sizes) == 24 and max(sizes) <= max(round(chunk / 72) + 1, 1)
    for name in ("rows", "weights", "risk", "reasons"):
        assert getattr(block.decisions, name).tobytes() == getattr(whole.decisions, name).tobytes()
    assert block.decisions.status == whole.decisions.status
