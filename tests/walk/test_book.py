"""A leaf's book, and the states that walks begin with: against what is held, session by session."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.walk import earned as module
from metabt.walk.block import (
    CONSTANT,
    HELD,
    INELIGIBLE,
    NOT_LIVE,
    NOT_MEMBER,
    REASONS,
    UNSELECTED,
    WAITING,
    Assets,
    Gaps,
    LeafState,
    MetaState,
    State,
    stretch,
)
from metabt.walk.book import LeafBook
from metabt.walk.costs import Unpaid
from metabt.walk.stacked_arrays import StackedArrays
from tests.shared.laws import DRAWS, examples


def held(rng: np.random.Generator, n: int, n_assets: int, gaps: Gaps | None) -> tuple[LeafBook, np.ndarray]:
    """Return a book that trades now and then, and what each asset earned in each session, from its return."""
    returns, before, after = rng.normal(0, 0.03, (n, n_assets)), np.empty((n, n_assets)), np.empty((n, n_assets))
    now, gross, traded = np.zeros(n_assets), np.empty(n), rng.random(n) < 0.4
    amounts = np.empty((n, n_assets))
    for t in range(n):
        amounts[t] = now * returns[t]
        gross[t] = amounts[t].sum()
        before[t] = now * (1 + returns[t]) / (1 + gross[t])
        now = rng.uniform(-0.4, 0.6, n_assets) if traded[t] else before[t]
        after[t] = now
    return LeafBook(Assets(after, before[traded], gaps), traded, gross), amounts


@examples(60)
@given(DRAWS, st.integers(1, 14), st.integers(1, 3), st.sampled_from([1, 40, 2**20]), st.data())
def test_what_is_earned_is_what_was_held_times_returns(
    seed: int, n: int, n_assets: int, formed: int, data: st.DataObject
) -> None:
    book, amounts = held(rng := np.random.default_rng(seed), n, n_assets, None)
    first, stop = sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n))))
    some = module.earned(book.held, book.traded, book.gross, slice(first, stop))
    assert some.shape == (stop - first, n_assets) and np.allclose(some, amounts[first:stop], rtol=0, atol=1e-14)
    assert np.allclose(book.earned_by_item(stop), amounts[:stop], rtol=0, atol=1e-14)
    weights = rng.normal(size=(3, stop)) * (rng.random((3, stop)) < 0.6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FORMED", formed)
        sums = book.added_up(weights)
        alone = book.earned(weights[0])
    for k in range(3):
        expected = sum((weights[k, t] * amounts[t] for t in range(stop)), np.zeros(n_assets))
        assert sums[k] == pytest.approx(expected, abs=1e-13)
    assert alone == pytest.approx(sums[0], abs=1e-15)


def test_no_more_is_formed_at_a_time_than_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three assets are 24 bytes a session; stretches without a weight are not formed at all."""
    book, _ = held(np.random.default_rng(1), 40, 3, None)
    formed, whole = [], module.earned
    weights = np.ones((1, 40))
    weights[:, 10:20] = 0.0

    def noted(*args: object) -> np.ndarray:
        formed.append(args[-1])
        return whole(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "earned", noted)
    for size, n_bytes in ((5, 24 * 5 + 23), (1, 23), (1, 24), (2, 48)):
        formed.clear()
        monkeypatch.setattr(module, "FORMED", n_bytes)
        book.added_up(weights)
        assert formed == [slice(at, at + size) for at in range(0, 40, size) if not 10 <= at < 20]


@examples(30)
@given(DRAWS)
def test_a_book_reads_what_is_held_before_and_after(seed: int) -> None:
    rng = np.random.default_rng(seed)
    book, _ = held(rng, 9, 2, None)
    rows = np.sort(rng.integers(0, 9, 6))
    before, after = book.around(rows)
    kept = dict(zip(np.flatnonzero(book.traded).tolist(), np.asarray(book.held.before), strict=True))
    for i, t in enumerate(rows.tolist()):
        assert (after[i] == np.asarray(book.held.after)[t]).all()
        assert (before[i] == kept.get(t, after[i])).all()


def test_where_all_could_be_traded_full_gaps_say_so() -> None:
    book, _ = held(np.random.default_rng(1), 5, 2, None)
    assert book.gaps is None
    assert book.full_gaps.returns.tolist() == [[0.0, 0.0]] * 5
    assert book.full_gaps.tradable.tolist() == [[True, True]] * 5 and book.full_gaps.tradable.dtype == bool
    some = Gaps(np.ones((5, 2)), np.zeros((5, 2), bool))
    book, _ = held(np.random.default_rng(1), 5, 2, some)
    assert book.gaps is book.full_gaps is some


def test_rows_are_read_alike_from_one_array_and_from_several() -> None:
    rows = np.random.default_rng(1).normal(size=(7, 2))
    for first in range(8):
        for stop in range(first, 8):
            for whole in (rows, StackedArrays((rows[:3], rows[3:3], rows[3:]))):
                assert (stretch(whole, first, stop) == rows[first:stop]).all()
                assert stretch(whole, first, stop).shape == (stop - first, 2)


def test_a_walk_begins_with_nothing() -> None:
    for state, n_items in ((LeafState.initial(3), 3), (MetaState.initial(2, 5), 2)):
        assert isinstance(state, State)
        assert (state.index, state.scheduled, state.session, state.live, state.started) == (0, None, None, False, False)
        assert state.holdings.tolist() == [0.0] * n_items and state.unpaid == Unpaid(0.0, 0.0, 0.0)
        assert state.queue.weights.shape == (0, n_items) and state.queue.due.shape == (0,)
    leaf, meta = LeafState.initial(3), MetaState.initial(2, 5)
    assert np.isnan(leaf.waiting).tolist() == [True] * 3 and leaf.stale.tolist() == [0] * 3
    assert leaf.stale.dtype == meta.lengths.dtype == np.int64 and meta.lengths.tolist() == [0, 0]
    assert meta.streams.shape == (0, 2) and np.isnan(meta.accrued).tolist() == [True] * 2
    assert meta.carried.tolist() == [0.0] * 5 and not meta.warm


def test_reasons_are_stored_as_positions_of_their_texts() -> None:
    told = {
        HELD: "",
        INELIGIBLE: "ineligible",
        UNSELECTED: "unselected",
        WAITING: "waiting",
        NOT_LIVE: "not live",
        CONSTANT: "constant",
        NOT_MEMBER: "not a member",
    }
    assert dict(enumerate(REASONS)) == told
