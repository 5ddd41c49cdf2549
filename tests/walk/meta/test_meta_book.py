"""A meta sleeve's book: shares of the children's books, what is carried beside them, and what both earned."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.walk.block import Carried, Shares
from metabt.walk.meta.aggregation import Gathered
from metabt.walk.meta.book import MetaBook
from metabt.walk.meta.flattening import Layout
from tests.shared.laws import DRAWS, examples
from tests.walk.meta.children import A, gathered

LAYOUT = Layout.meta([Layout.leaf(universe) for universe in (("A", "B"), ("B", "C"), ("A", "C"))])
"""Three children of two assets each."""
N = 12


class Beside:
    """What is carried beside the shares, (n_sessions, n_columns) before and after trading."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.before, self.after = rng.normal(size=(2, N, 3 * A)) * (rng.random((2, N, 3 * A)) < 0.3)

    @property
    def carried(self) -> Carried:
        rows, columns = np.nonzero((self.before != 0) | (self.after != 0))
        start = np.zeros(3 * A)
        return Carried(rows, columns, self.before[rows, columns], self.after[rows, columns], start)


def book(seed: int, carries: bool, gaps: bool) -> tuple[MetaBook, Gathered, Beside]:
    rng = np.random.default_rng(seed)
    children, _, _ = gathered(seed, gaps)
    beside, dealt = Beside(rng), rng.random(N) < 0.4
    after = rng.normal(size=(N, 3)) * (rng.random((N, 3)) < 0.8)
    held = Shares(after, rng.normal(size=(int(dealt.sum()), 3)), dealt, beside.carried if carries else None)
    return MetaBook(held, LAYOUT, children), children, beside


@examples(60)
@given(DRAWS, st.booleans(), st.booleans())
def test_a_holding_is_a_share_of_the_childs_and_what_is_carried(seed: int, carries: bool, gaps: bool) -> None:
    made, children, beside = book(seed, carries, gaps)
    rows = np.sort(np.random.default_rng(seed).integers(0, N, 9))
    before, after = made.around(rows)
    dealt = np.flatnonzero(made.held.dealt).tolist()
    for i, t in enumerate(rows.tolist()):
        (own_before,), (own_after,) = children.around(np.array([t]))
        shares = made.held.before[dealt.index(t)] if t in dealt else made.held.after[t]
        for j in range(3 * A):
            extra = (beside.before[t, j], beside.after[t, j]) if carries else (0.0, 0.0)
            assert before[i, j] == pytest.approx(shares[j // A] * own_before[j] + extra[0], abs=1e-14)
            assert after[i, j] == pytest.approx(made.held.after[t, j // A] * own_after[j] + extra[1], abs=1e-14)
    assert not np.signbit(after[after == 0.0]).any()


@examples(60)
@given(DRAWS, st.booleans(), st.booleans(), st.integers(0, N))
def test_what_is_earned_is_what_was_held_the_session_before(seed: int, carries: bool, gaps: bool, n: int) -> None:
    made, children, beside = book(seed, carries, gaps)
    weights = np.random.default_rng(seed).normal(size=n)
    by_item, by_asset = made.earned_by_item(n), made.earned(weights) if n == N else None
    asset_returns = children.full_gaps.returns
    symbols = [universe[a] for universe in (("A", "B"), ("B", "C"), ("A", "C")) for a in range(A)]
    total = defaultdict(float)
    assert by_item.shape == (n, 3)
    for t in range(n):
        for c in range(3):
            held = made.held.after[t - 1, c] if t else 0.0  # nothing before the first session
            expected = held * children.gross[t, c]
            beyond = beside.after[t - 1, c * A : c * A + A] if carries and t else np.zeros(A)
            expected += beyond @ asset_returns[t, c * A : c * A + A]
            assert by_item[t, c] == pytest.approx(expected, abs=1e-14)
            one = np.zeros(N)
            one[t] = 1.0
            own = children.children[c].earned(one) * np.ones(A)
            for a in range(A):
                earned = held * own[a] + beyond[a] * asset_returns[t, c * A + a]
                total[symbols[c * A + a]] += weights[t] * earned
    if by_asset is not None:
        assert by_asset == pytest.approx([total[symbol] for symbol in LAYOUT.symbols], abs=1e-12)
    rows, columns, positions = made.carried_over(n)
    over = {(t + 1, j): beside.after[t, j] for t in range(n - 1) for j in range(3 * A)} if carries else {}
    found = dict(zip(zip(rows.tolist(), columns.tolist(), strict=True), positions.tolist(), strict=True))
    assert {key: it for key, it in found.items() if it} == {key: it for key, it in over.items() if it}


@examples(60)
@given(DRAWS, st.booleans(), st.booleans())
def test_what_is_held_in_ended_data_is_traded_when_this_sleeve_trades(seed: int, carries: bool, gaps: bool) -> None:
    """The third child's data have ended in some sessions; a sleeve above is told when they can be traded."""
    made, children, _ = book(seed, carries, gaps)
    over = children.dates > children.ends[2]
    before, after = made.around(np.arange(N))
    full, frozen = made.full_gaps, np.zeros((N, 3 * A), bool)
    assert (full.returns == children.full_gaps.returns).all()
    for t in range(N):
        for j in range(3 * A):
            frozen[t, j] = j // A == 2 and over[t] and (before[t, j] != 0.0 or after[t, j] != 0.0)
            known = children.full_gaps.tradable[t, j]
            assert full.tradable[t, j] == (made.held.dealt[t] if frozen[t, j] else known)
    if carries or gaps or frozen.any():
        assert made.gaps is made.full_gaps
    else:
        assert made.gaps is None
