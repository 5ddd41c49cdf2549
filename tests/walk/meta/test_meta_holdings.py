"""Meta holdings: shares that are filled in piece by piece, and what is held, traded and carried at the end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.walk import holdings
from metabt.walk.block import MetaState
from metabt.walk.meta.aggregation import Gathered
from metabt.walk.meta.flattening import Layout
from metabt.walk.meta.meta_holdings import MetaHoldings
from metabt.walk.meta.meta_sleeve import MetaInputs
from tests.shared.laws import DRAWS, examples
from tests.walk.meta.children import NAT, A, gathered

LAYOUT = Layout.meta([Layout.leaf(universe) for universe in (("A", "B"), ("B", "C"), ("A", "C"))])
N = 12


def drawn(seed: int, gaps: bool, carries: bool) -> tuple[Gathered, MetaState, np.ndarray, np.ndarray]:
    """Return children, a state, which decision each session trades, and decided shares of which some are 0."""
    rng = np.random.default_rng(seed)
    children, _, _ = gathered(seed, gaps)
    carried = rng.normal(0, 0.1, 3 * A) * (rng.random(3 * A) < 0.3) * carries
    carried[rng.integers(3 * A)] = 0.05 * carries  # some columns, never none
    state = replace(MetaState.initial(3, 3 * A), holdings=rng.uniform(0, 0.4, 3), carried=carried)
    due = np.where(rng.random(N) < 0.4, rng.integers(0, 4, N), -1)
    return children, state, due, rng.uniform(0, 0.5, (4, 3)) * (rng.random((4, 3)) < 0.7)


@examples(80)
@given(DRAWS, st.booleans(), st.booleans(), st.lists(st.integers(1, N - 1), max_size=3, unique=True).map(sorted))
def test_piece_by_piece_is_the_kernel_at_once(seed: int, gaps: bool, carries: bool, stops: list[int]) -> None:
    """The kernel over the children's numbers as they are read by date; before each piece, what is held there."""
    children, state, due, targets = drawn(seed, gaps, carries)
    before, after, gross, dealt = np.empty((N, 3)), np.empty((N, 3)), np.empty(N), np.zeros(N, bool)
    shares, carried, beside = state.holdings.copy(), state.carried.copy(), np.zeros((2, N, 3 * A))
    earns = children.gross.copy(), children.gross.copy()
    made = *earns, due, targets, shares, before, after, gross, dealt, holdings.NO_IDLE
    if gaps or carries:
        known, (_, books) = children.full_gaps, children.around(np.arange(N))
        tradable = known.tradable.copy()
        for t in range(N):  # what has ended trades with the shares alone
            if children.dates[t] > children.ends[2] and due[t] < 0:
                tradable[t, 2 * A :] = False
        holdings.hold_shares_with_gaps(
            *made, LAYOUT.child_of, books.copy(), known.returns.copy(), tradable, carried, *beside
        )
    else:
        holdings.hold_shares(*made)
    hold = MetaHoldings(state, children, LAYOUT)
    for stop in [*stops, N]:
        hold.until(stop, due, targets)
        assert (hold.after[:stop] == after[:stop]).all() and (hold.gross[:stop] == gross[:stop]).all()
        if stop < N:
            assert hold.ahead() == pytest.approx(before[stop], abs=1e-14)
    found = hold.held(due)
    assert found.dealt.tolist() == (due >= 0).tolist()
    assert found.after.tobytes() == after.tobytes() and found.before.tobytes() == before[due >= 0].tobytes()
    assert (hold.carried == carried).all()
    places = [(t, j) for t in range(N) for j in range(3 * A) if beside[0][t, j] or beside[1][t, j]]
    if not places and not carries:
        assert found.carried is None
    else:
        kept = found.carried
        assert kept is not None and [*zip(kept.rows.tolist(), kept.columns.tolist(), strict=True)] == places
        assert [*zip(kept.before.tolist(), kept.after.tolist(), strict=True)] == [
            (beside[0][at], beside[1][at]) for at in places
        ]
        assert (kept.start == state.carried).all()
    held = (before != 0) | (after != 0)
    for t in range(N):
        beneath = any(children.traded[t, c] and held[t, c] for c in range(3))
        assert bool(hold.traded[t]) == (bool(dealt[t]) or beneath)
    assert state.holdings is not shares and (state.carried == drawn(seed, gaps, carries)[1].carried).all()


@given(DRAWS)
@examples(30)
def test_common_sessions_have_their_rows_among_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    children, _, due, _ = drawn(seed, False, False)
    common = rng.random(N) < 0.5
    inputs = MetaInputs(children.dates, common, [None] * 3, [], np.array([NAT] * 3), LAYOUT)
    places = [t for t in range(N) if common[t]]
    rows = np.flatnonzero(rng.random(len(places)) < 0.5)
    assert inputs.at(rows).tolist() == [places[row] for row in rows]
    spread = inputs.spread(due[: len(places)])
    assert spread.tolist() == [int(due[places.index(t)]) if t in places else -1 for t in range(N)]
