"""Leaf partitions: one walk that is cut leaves the bits of walks from one partition to the next, wherever it is cut."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Leaf
from metabt.walk.block import LeafState
from metabt.walk.leaf import LeafInputs, advance_leaf, leaf_over
from metabt.walk.stopwatch import Stopwatch
from tests.shared import laws

SYMBOLS = ("A", "B", "C", "D")
SESSIONS, LOOKBACK = 90, 10


def leaf(**settings: Any) -> Leaf:
    tree = {"name": "leaf", "dataset": "px", "universe": list(SYMBOLS), "lookback": LOOKBACK, **settings}
    found = resolve(tree, symbols={"px": SYMBOLS}).spec
    assert isinstance(found, Leaf)
    return found


def market(seed: int, share: float) -> LeafInputs:
    """Return all sessions of a random market, of which a `share` of the prices is missing, mostly in a row."""
    rng = np.random.default_rng(seed)
    missing = rng.random((SESSIONS, 4)) < share / 4
    for offset in range(1, 7):
        missing[offset:] |= rng.random((SESSIONS - offset, 4)) < share / 8 * missing[:-offset]
    priced = ~missing
    observed = priced & np.vstack([np.zeros((1, 4), bool), priced[:-1]])
    returns = np.where(observed, rng.normal(0.0, 0.02, (SESSIONS, 4)), 0.0)
    dates = np.arange(SESSIONS) + np.datetime64("2021-01-04") + np.arange(SESSIONS) // 5 * 2
    return LeafInputs(dates, 0, returns, observed, priced)


def between(whole: LeafInputs, start: int, stop: int) -> LeafInputs:
    before = min(LOOKBACK, start)
    rows = slice(start - before, stop)
    priced = whole.priced[start:stop]
    return LeafInputs(whole.dates[start:stop], before, whole.returns[rows], whole.observed[rows], priced)


def bits(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if is_dataclass(value):
        return [type(value), *(bits(getattr(value, field.name)) for field in fields(value))]
    return type(value), repr(value)


@settings(max_examples=100)
@given(
    laws.DRAWS,
    st.sampled_from([0.0, 0.0, 0.05, 0.5]),
    st.lists(st.integers(1, SESSIONS - 1), unique=True, max_size=12).map(sorted),
    st.sampled_from([0, 1, 3]),
    st.sampled_from([{"every": 1}, {"every": 7}, "weekly", "monthly"]),
    st.sampled_from(["long", "short"]),
    st.sampled_from([None, "2021-02-10"]),
)
def test_wherever_a_walk_is_cut_it_has_the_bits_of_walks_one_after_another(
    seed: int, share: float, cuts: list[int], lag: int, schedule: Any, direction: str, start: str | None
) -> None:
    costs = {"commission_bp": 10, "borrow_bp": 200}
    spec = leaf(lag=lag, schedule=schedule, direction=direction, costs=costs, **({"start": start} if start else {}))
    whole, stops = market(seed, share), [*cuts, SESSIONS]
    first = int(np.random.default_rng(seed).integers(0, SESSIONS // 2))  # the walk begins with what others left
    stops = [stop for stop in stops if stop > first]
    state = LeafState.initial(4)
    if first:
        state, _ = advance_leaf(spec, state, between(whole, 0, first), Stopwatch())
    _, at_once = leaf_over(spec, state, between(whole, first, SESSIONS), [stop - first for stop in stops], Stopwatch())
    for found, (begin, stop) in zip(at_once, pairwise([first, *stops]), strict=True):
        state, block = advance_leaf(spec, state, between(whole, begin, stop), Stopwatch())
        assert bits(found[0]) == bits(state) and bits(found[1]) == bits(block)


def test_who_looks_at_what_it_holds_is_walked_over_one_partition() -> None:
    spec = leaf(optimizer={"name": "min_variance", "turnover_penalty": 0.001})
    with pytest.raises(AssertionError):
        leaf_over(spec, LeafState.initial(4), market(1, 0.0), [40, SESSIONS], Stopwatch())
