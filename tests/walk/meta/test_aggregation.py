"""Aggregation: each child on its parent's sessions, and its net stream on the common ones, by dicts of dates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.walk.block import MetaState
from metabt.walk.book import Opened, Start
from metabt.walk.meta.aggregation import KEPT_BOOKS, Gathered, align
from tests.shared.laws import DRAWS, examples
from tests.walk.meta.children import DAYS, NAT, A, child, gathered, some_days, start


@examples(120)
@given(DRAWS, st.sampled_from(["apart", "in step", "absent"]), st.booleans(), st.booleans())
def test_a_child_is_read_by_date(seed: int, kind: str, ended: bool, gaps: bool) -> None:
    rng = np.random.default_rng(seed)
    dates = some_days(rng, 9)
    own = {"apart": some_days(rng, 8), "in step": dates.copy(), "absent": dates[:0]}[kind]
    opened = None if kind == "absent" and seed % 2 else child(rng, own, gaps)
    begins, end = start(rng), (rng.choice(DAYS) if ended else NAT)
    laid = align(dates, opened, begins, end)
    assert laid.in_step == (kind == "in step")
    at = np.sort(rng.integers(0, 9, 7))
    before, after = laid.around(at)
    found = laid.full_gaps(A)
    weights = rng.normal(size=9)
    earned = np.zeros(A)
    block = None if kind == "absent" or opened is None else opened.block
    row_of = {} if block is None else {day: k for k, day in enumerate(block.dates.tolist())}
    books, known = [], None
    if block is not None and opened is not None:
        books = [opened.book.around(np.array([k])) for k in range(len(own))]
        amounts = opened.book.earned_by_item(len(own))
        known = opened.book.full_gaps
    for t, day in enumerate(dates.tolist()):
        k = row_of.get(day)
        newest = max((row for other, row in row_of.items() if other <= day), default=-1)
        over = ended and day > end.item()
        assert laid.rows[t] == newest and bool(laid.fresh[t]) == (k is not None)
        assert bool(laid.open_ended[t]) == (not over)
        if block is None:
            assert bool(laid.live[t]) == (begins.live and not over) and bool(laid.alive[t]) == begins.begun
            assert not laid.traded[t] and laid.stream("gross")[t] == laid.stream("net")[t] == 0.0
        else:
            decided = any(row <= newest for row in block.decisions.rows)
            assert bool(laid.live[t]) == ((begins.live or decided) and not over)
            assert bool(laid.alive[t]) == (begins.begun or newest >= block.begin)
            assert bool(laid.traded[t]) == (k is not None and bool(block.traded[k]))
            for name in ("gross", "net", "cost"):
                assert laid.stream(name)[t] == (0.0 if k is None else getattr(block, name)[k])
        for i in np.flatnonzero(at == t):
            now = begins.book if newest < 0 else books[newest][1][0]
            assert (after[i] == now).all()
            assert (before[i] == (now if k is None else books[k][0][0])).all()
        if known is not None and k is not None:
            assert (found.returns[t] == known.returns[k]).all() and (found.tradable[t] == known.tradable[k]).all()
            earned += weights[t] * amounts[k]
        else:
            assert not found.returns[t].any() and (found.tradable[t] == over).all()
    assert laid.earned(weights) == pytest.approx(earned, abs=1e-13)


@examples(40)
@given(DRAWS)
def test_children_stand_side_by_side_in_the_order_of_the_spec(seed: int) -> None:
    found, children, starts = gathered(seed, gaps=True)
    laid = [align(found.dates, *it) for it in zip(children, starts, found.ends, strict=True)]
    for name in ("gross", "net"):
        assert getattr(found, name).tolist() == np.transpose([it.stream(name) for it in laid]).tolist()
    for name in ("alive", "live", "traded"):
        assert getattr(found, name).tolist() == np.transpose([getattr(it, name) for it in laid]).tolist()
    assert found.rows_traded.tolist() == [t for t in range(12) if any(it.traded[t] for it in laid)]
    rows = np.array([0, 3, 3, 11])
    for side in (0, 1):
        assert found.around(rows)[side].tolist() == np.hstack([it.around(rows)[side] for it in laid]).tolist()
    for name in ("returns", "tradable"):
        expected = np.hstack([getattr(it.full_gaps(A), name) for it in laid])
        assert getattr(found.full_gaps, name).tolist() == expected.tolist()
    assert found.gaps is found.full_gaps  # the third has some
    without, _, _ = gathered(seed, gaps=False)
    assert without.gaps is None and without.full_gaps.returns.shape == (12, 3 * A)


def test_the_newest_books_are_kept_and_then_forgotten() -> None:
    found, _, _ = gathered(1)
    sets = [np.array([k, k + 1]) for k in range(KEPT_BOOKS + 1)]
    books = [found.around(rows) for rows in sets]
    assert len(found._books) == KEPT_BOOKS and found.around(sets[-1]) is books[-1]
    assert found.around(sets[1]) is books[1] and found.around(sets[0]) is not books[0]
    found.forget_books()
    assert not found._books and found.around(sets[-1]) is not books[-1]


@examples(120)
@given(DRAWS, st.integers(1, 30), st.lists(st.integers(1, 11), max_size=3, unique=True).map(sorted))
def test_streams_are_compounded_between_common_sessions_wherever_partitions_end(
    seed: int, cap: int, cuts: list[int]
) -> None:
    """Growth of one unit of money from common session to common session; nothing is lost at a partition's end."""
    rng = np.random.default_rng(seed)
    dates, common = some_days(rng, 12), rng.random(12) < 0.5
    own = [dates, some_days(rng, 10)]
    blocks = [child(rng, it) for it in own]
    blocks = [replace(it, block=replace(it.block, begin=int(rng.integers(0, 6)))) for it in blocks]
    money = [dict(zip(it.block.dates.tolist(), it.block.net.tolist(), strict=True)) for it in blocks]
    first = [it.block.dates[it.block.begin] for it in blocks]
    state, row, expected, lengths = MetaState.initial(2, 2 * A), 0, list[list[float]](), [0, 0]
    worth, since = [1.0, 1.0], 0
    for stop in [*cuts, 12]:
        part = slice(row, stop)
        children = [_between(it, dates[row], dates[stop - 1]) for it in blocks]
        starts = [Start(False, bool(it < dates[row]), np.zeros(A), 0.0) for it in first]
        found = Gathered.of(dates[part], common[part], np.array([NAT, NAT]), children, starts)
        streams = found.streams(state, cap, ("x", "y"))
        assert streams.before == len(state.streams) and streams.names == ("x", "y")
        assert streams.sessions.tolist() == dates[part][common[part]].tolist()
        k = 0
        for t in range(row, stop):
            for c in range(2):
                worth[c] *= 1.0 + money[c].get(dates[t].item(), 0.0)
            since += 1
            if common[t]:
                expected.append([it - 1.0 for it in worth])
                worth, since = [1.0, 1.0], 0
                for c in range(2):
                    lengths[c] = min(lengths[c] + (dates[t] >= first[c]), cap)
                assert streams.lengths[k].tolist() == lengths
                k += 1
        kept = expected[-len(streams.returns) :] if len(streams.returns) else []
        assert streams.returns == pytest.approx(np.array(kept).reshape(-1, 2), abs=1e-14)
        assert np.isnan(streams.accrued).tolist() == [since == 0] * 2
        assert since == 0 or streams.accrued == pytest.approx(np.array(worth) - 1.0, abs=1e-14)
        left = streams.lengths[-1] if len(streams.lengths) else state.lengths
        state = replace(state, streams=streams.returns[-cap:], accrued=streams.accrued, lengths=left)
        row = stop


def _between(it: Opened, first: np.datetime64, last: np.datetime64) -> Opened | None:
    """Return a child's block of the partition from one date to another."""
    rows = np.flatnonzero((it.block.dates >= first) & (it.block.dates <= last))
    if not len(rows):
        return None
    names = ("dates", "gross", "cost", "net", "turnover", "netting", "traded", "closed")
    part: dict[str, Any] = {name: getattr(it.block, name)[rows] for name in names}
    begin = min(max(it.block.begin - int(rows[0]), 0), len(rows))
    return Opened(replace(it.block, begin=begin, **part), it.book)


@pytest.mark.parametrize(("first", "second"), [(0.0, 1.0), (1.0, 0.0)])
def test_a_single_return_passes_to_the_bit(first: float, second: float) -> None:
    """(1 + 0)(1 + r) - 1 is not r: of two sessions up to a common one, one earns r and the other nothing."""
    r = 0.1234567890123456
    one = child(np.random.default_rng(1), DAYS[:4])
    one = replace(one, block=replace(one.block, net=np.array([first * r, second * r, r / 3, 0.0]), begin=0))
    common, begins = np.array([False, True, True, True]), [Start(True, True, np.zeros(A), 0.0)]
    found = Gathered.of(DAYS[:4], common, np.array([NAT]), [one], begins).streams(MetaState.initial(1, A), 9, ("x",))
    assert (1.0 + 0.0) * (1.0 + r) - 1.0 != r and found.returns[:, 0].tolist() == [r, r / 3, 0.0]


@examples(60)
@given(DRAWS, st.integers(1, 5), st.integers(2, 6))
def test_a_window_reaches_as_far_back_as_the_youngest_in_it(seed: int, least: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    found, _, _ = gathered(seed)
    state = replace(MetaState.initial(3, 3 * A), streams=rng.normal(size=(3, 3)), lengths=np.array([2, 0, 3]))
    streams = found.streams(state, 9, ("x", "y", "z"))
    rows = np.arange(len(streams.lengths))[::2]
    support = rng.random((len(rows), 3)) < 0.6
    if not len(rows):
        return
    optimizer = type("Any", (), {"needs_variance": False})()
    windows, given_ = streams.candidates(rows, support, least, most).of(optimizer)
    assert (given_ == support).all() and windows.names == ("x", "y", "z")
    for k, row in enumerate(rows.tolist()):
        ages = [int(streams.lengths[row, c]) for c in range(3) if support[k, c] and streams.lengths[row, c] >= least]
        stop = 3 + row + 1
        length = min([most, stop, *ages])
        assert windows.window(k).tolist() == streams.returns[stop - length : stop].tolist()
        assert windows.when(k) == str(streams.sessions[row])
    stops, lengths = windows.stops, windows.lengths
    assert streams.windows(stops.copy(), lengths.copy()) is windows  # sleeves over the same children share it
    assert streams.windows(stops, np.maximum(lengths - 1, 0)) is not windows
