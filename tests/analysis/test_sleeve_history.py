"""A history is what the oracle's book of its sleeve has within the view; looked through, weights are multiplied."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from metabt.analysis.run_tables import view
from metabt.analysis.sleeve_history import SleeveHistory, looked_through, next_book
from metabt.walk.block import REASONS
from tests.analysis.books import LATE, histories, seen_until, share, tree
from tests.shared import oracle, panels

Case = tuple[list[SleeveHistory], dict[str, oracle.Book]]


@pytest.fixture(scope="module", params=[(0, None), (1, "2021-05-15"), (2, LATE)], ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    seed, end = request.param
    prices = panels.market(seed, gaps=False)
    return histories(tree(), prices, end), seen_until(oracle.run(tree(), prices), end)


def days(dates: np.ndarray) -> list[pd.Timestamp]:
    return list(pd.DatetimeIndex(dates.astype("datetime64[ns]")))


def test_sessions_and_where_the_stream_begins(case: Case) -> None:
    for history, book in zip(case[0], (case[1][history.path] for history in case[0]), strict=True):
        first = book.sessions.index(next(iter(book.rows))) if book.rows else len(book.sessions)
        assert days(history.dates) == book.sessions and history.size == len(book.sessions)
        assert days(history.common) == [t for t in book.sessions if t in (book.common or book.sessions)]
        assert history.begin == first
        assert days(history.inception[None]) == [book.sessions[first - 1]]


def test_what_a_session_has_is_cut_at_the_view(case: Case) -> None:
    for history in case[0]:
        book, begin = case[1][history.path], history.begin
        for name in ("gross", "cost", "net", "turnover"):
            rows = history.rows(name)
            assert len(rows) == history.size
            if name != "turnover":
                expected = [getattr(row, name) for row in book.rows.values()]
                assert rows[begin:] == pytest.approx(expected, abs=1e-10) and not rows[:begin].any()
        traded = [sum(abs(w - book.before[t][key]) for key, w in book.after[t].items()) for t in book.sessions]
        netted = [
            sum(abs(w - oracle.net(book.before[t])[symbol]) for symbol, w in oracle.net(book.after[t]).items()) / 2
            for t in book.sessions
        ]
        assert history.rows("turnover") == pytest.approx(netted, abs=1e-10)
        assert not (np.array(traded) > 1e-9)[~history.rows("traded")].any()


def test_the_stream_has_the_first_purchase_in_its_first_session(case: Case) -> None:
    for history in case[0]:
        book, stream = case[1][history.path], history.stream
        assert days(stream.dates) == list(book.rows) and len(stream) == len(book.rows)
        for name in ("gross", "cost", "net", "turnover"):
            expected = [getattr(row, name) for row in book.rows.values()]
            assert getattr(stream, name) == pytest.approx(expected, abs=1e-10)
        before = dict(zip(book.sessions[1:], book.sessions, strict=False))
        saved = [book.saved.get(before[t], 0.0) for t in book.rows]
        assert stream.netting == pytest.approx(saved, abs=1e-12)
        assert stream.inception == (history.inception if len(stream) else history.end)
        assert not len(stream) or history.rows("turnover")[history.begin] != stream.turnover[0]


def test_shares_and_what_items_earned(case: Case) -> None:
    for history in case[0]:
        book = case[1][history.path]
        earned = [[book.parts.get(t, {}).get(name, 0.0) for name in history.items] for t in book.sessions]
        found = history.earned
        assert found.shape == (history.size, len(history.items))
        np.testing.assert_allclose(found, earned, rtol=0, atol=1e-10)
        np.testing.assert_allclose(found.sum(axis=1), history.rows("gross"), rtol=0, atol=1e-12)
        if history.sleeve.sleeves:
            children = [case[1][f"{history.path}/{name}"] for name in history.items]
            wanted = [[share(book, child, t) for child in children] for t in book.sessions]
            holds = np.array([[any(child.holdings(t).values()) for child in children] for t in book.sessions])
            np.testing.assert_allclose(history.shares[holds], np.array(wanted)[holds], rtol=0, atol=1e-10)
            assert holds.any(axis=0)[0] and history.shares.shape == holds.shape


def test_decisions_are_those_within_the_view(case: Case) -> None:
    for history in case[0]:
        book, made = case[1][history.path], history.decisions
        assert days(history.dates[made.rows]) == list(book.decisions)
        assert list(made.status) == [it.status for it in book.decisions.values()]
        assert len(made.risk) == len(made.reasons) == len(made.rows)
        for k, decision in enumerate(book.decisions.values()):
            shares = decision.risk_contribution()
            for c, item in enumerate(history.items):
                assert made.weights[k, c] == pytest.approx(decision.weights.get(item, 0.0), abs=1e-10)
                if item in decision.reasons:
                    assert REASONS[made.reasons[k, c]] in (decision.reasons[item], "not live")
                if item in shares:
                    assert made.risk[k, c] == pytest.approx(shares[item], abs=1e-8)
            assert shares or np.isnan(made.risk[k]).all()


LAGS = {"root/mix": 2, "root/mix/short": 0}


def test_a_decision_is_pending_until_its_lag_is_over(case: Case) -> None:
    seen = set()
    root = case[0][0]
    for end in pd.date_range(root.dates[-1] - 12, root.dates[-1]):
        for history in view(root.sleeve, root.walked, str(end.date())):
            book = case[1][history.path].until(end)
            own = sorted(t for t in book.common if t <= end) if book.common else book.sessions
            newest = max(book.decisions, default=None)
            waits = newest is not None and sum(t > newest for t in own) < LAGS.get(history.path, 1)
            assert history.pending == waits
            seen.add((history.path, waits))
    assert len(seen) > 8


def columns_of(history: SleeveHistory, beneath: dict[str, SleeveHistory]) -> list[tuple[str, ...]]:
    """Return the sleeves from a sleeve down to the leaf, and the symbol, of every column of its book."""
    if not history.sleeve.sleeves:
        return [(history.path, symbol) for symbol in history.items]
    below = [beneath[f"{history.path}/{name}"] for name in history.items]
    return [(history.path, *column) for child in below for column in columns_of(child, beneath)]


def test_the_newest_decisions_are_multiplied_down_to_the_assets(case: Case) -> None:
    beneath = {history.path: history for history in case[0]}
    dates = case[0][0].dates[::3]
    for history in case[0]:
        found = looked_through(history, beneath, dates)
        columns = columns_of(history, beneath)
        assert found.shape == (len(dates), len(columns))
        for k, date in enumerate(days(dates)):
            for c, (*sleeves, symbol) in enumerate(columns):
                weight = 1.0
                for path, below in zip(sleeves, [*sleeves[1:], symbol], strict=True):
                    made = [it for t, it in case[1][path].decisions.items() if t <= date]
                    weight *= made[-1].weights.get(below.rpartition("/")[2], 0.0) if made else 0.0
                assert found[k, c] == pytest.approx(weight, abs=1e-10)


def test_what_is_not_pending_stays_what_it_is_and_what_is_new_begins_at_its_decision(case: Case) -> None:
    """With `share` of the root's NAV, a leaf's targets are fractions of its own NAV; of nothing, its decision."""
    beneath = {history.path: history for history in case[0]}
    rng = np.random.default_rng(0)
    for history in case[0]:
        if history.sleeve.sleeves:
            continue
        held, newest = rng.random(len(history.items)), history.decisions.weights[-1:]
        for part in (0.25, 0.0):
            found = next_book(history, beneath, part * held, part)
            if not len(newest):
                assert not found.any()
            else:
                assert found == pytest.approx(newest[0] if history.pending or not part else held, abs=1e-15)


def test_a_sleeve_that_has_not_decided_within_the_view_has_nothing_next() -> None:
    whole = histories(tree(), panels.market(0, gaps=False), "2021-05-01")
    late = next(history for history in whole if history.path == "root/late")
    assert late.begin == late.size and not late.pending and not len(late.decisions.rows) and not len(late.stream)
    assert late.stream.inception == np.datetime64("2021-05-01") > late.dates[-1] and late.stream.years == 0.0
    assert next_book(late, {late.path: late}, np.ones(1), 1.0).tolist() == [0.0]
    assert not looked_through(late, {late.path: late}, late.dates).any()
