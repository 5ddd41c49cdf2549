"""Notes are what pandas counts in a run's decisions, and what its datasets' last dates say."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import metabt
from metabt.analysis.decision_counts import DecisionCounts
from metabt.analysis.left_out import CALENDAR, COVERAGE, LIFE, SESSIONS
from metabt.analysis.note_lines import nothing_earned
from metabt.analysis.run_notes import Circumstances, FellBack, Warned, _why, early_end, fell_back, run_notes, unpaid
from metabt.data.dataset import Dataset
from metabt.data.point_in_time.tables import DatedTable, PointInTime
from metabt.data.prices import Prices
from metabt.values.tables import Coded, Table

DAYS = pd.date_range("2018-01-01", periods=500)


def walks(seed: int, symbols: str, days: pd.DatetimeIndex = DAYS) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    moves = rng.normal(-0.001, 0.01, (len(days), len(symbols)))
    return pd.DataFrame(100 * np.exp(moves.cumsum(axis=0)), days, list(symbols))


def dataset(last: int, closed: bool) -> Any:
    dates = np.datetime64("2020-01-01") + np.arange(last + 1)
    return SimpleNamespace(facts=SimpleNamespace(dates=dates, closed=closed))


@given(
    ends=st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=4),
    stated=st.none() | st.integers(0, 50),
)
@example(ends=[(10, False), (17, False)], stated=None)
@example(ends=[(10, False), (18, False)], stated=None)
def test_what_ends_a_tree_early_is_the_open_dataset_that_ends_first(
    ends: list[tuple[int, bool]], stated: int | None
) -> None:
    datasets = {f"d{place}": dataset(*each) for place, each in enumerate(ends)}
    end = None if stated is None else str(np.datetime64("2020-01-01") + stated)
    found = early_end(datasets, end)
    held = [last for last, closed in ends if not closed]
    own = min(held, default=None)
    if own is None or max(last for last, _ in ends) - own <= 7 or (stated is not None and stated <= own):
        assert found is None
        return
    assert found is not None
    named, longest = (int(name[1:]) for name in (found.dataset, found.longest))
    assert ends[named] == (own, False) and ends[longest][0] == max(last for last, _ in ends)
    assert (found.last, found.until) == tuple(np.datetime64("2020-01-01") + ends[it][0] for it in (named, longest))


def fallen(result: metabt.Result) -> dict[str, tuple[int, int]]:
    """Return path -> decisions that fell back, and all, of sleeves with any, counted by pandas."""
    once = result.frame("decisions").drop_duplicates(["path", "date"])
    fell = once["status"].str.startswith("fallback:")
    return {
        path: (int(fell[rows.index].sum()), len(rows)) for path, rows in once.groupby("path") if fell[rows.index].any()
    }


@given(seed=st.integers(0, 10**6), every=st.integers(5, 40), end=st.integers(200, 499))
def test_fallbacks_are_counted_by_sleeve(seed: int, every: int, end: int) -> None:
    tree = {
        "name": "m",
        "lookback": 40,
        "optimizer": "erc",
        "defaults": {"lookback": 30, "schedule": {"every": every}},
        "sleeves": {
            "falls": {"universe": ["A", "B"], "optimizer": "max_sharpe"},
            "capped": {"universe": ["C"], "optimizer": "equal"},
            "never": {"universe": ["D", "E"], "optimizer": "inverse_volatility"},
        },
    }
    result = metabt.backtest(tree, walks(seed, "ABCDE"), end=str(DAYS[end].date()))
    found = result.notes.fell_back
    assert {it.path: (it.times, it.of) for it in found} == fallen(result)
    shares = [it.times / it.of for it in found]
    assert shares == sorted(shares, reverse=True)
    assert all(it.methods == ("inverse_volatility",) and it.why == "max_sharpe: no mean return above 0" for it in found)


def test_bounds_that_few_items_cannot_meet_are_the_reason() -> None:
    frame = walks(0, "ABCD")
    frame.loc[DAYS[:400], ["B", "C", "D"]] = np.nan
    optimizer = {"name": "erc", "max_weight": 0.4}
    tree = {"name": "w", "universe": list("ABCD"), "lookback": 20, "schedule": {"every": 10}, "optimizer": optimizer}
    result = metabt.backtest(tree, frame)
    (found,) = result.notes.fell_back
    assert found.why == "max_weight 0.4 of 1 items is below 1"
    assert (found.times, found.of) == fallen(result)["w"] and 0 < found.times < found.of


def test_sleeves_that_decide_once_and_on_one_day_are_told_apart() -> None:
    falls = {"optimizer": "max_sharpe", "schedule": {"every": 999}, "start": str(DAYS[100].date())}
    sleeves = {"x": {"universe": ["A", "B"], **falls}, "y": {"universe": ["C", "D"], **falls}}
    tree = {"name": "m", "lookback": 40, "optimizer": "equal", "defaults": {"lookback": 60}, "sleeves": sleeves}
    result = metabt.backtest(tree, walks(0, "ABCD") * np.geomspace(1.0, 0.01, len(DAYS))[:, None])
    assert result.decisions("m/x")["date"].unique().tolist() == result.decisions("m/y")["date"].unique().tolist()
    found = {it.path: (it.times, it.of) for it in result.notes.fell_back}
    assert found == fallen(result) == {"m/x": (1, 1), "m/y": (1, 1)}


def test_who_falls_back_at_the_largest_share_of_its_decisions_comes_first() -> None:
    """Leaf x at all of its few decisions, y at more than these, and not at all of its own."""
    frame = walks(3, "ABCD")
    frame[["A", "B"]] *= np.geomspace(1.0, 0.01, len(DAYS))[:, None]
    half = np.r_[np.geomspace(1.0, 0.01, len(DAYS) // 2), np.geomspace(0.01, 9.0, len(DAYS) - len(DAYS) // 2)]
    frame[["C", "D"]] *= half[:, None]
    falls = {"optimizer": "max_sharpe", "lookback": 60}
    sleeves = {
        "y": {"universe": ["C", "D"], **falls, "schedule": {"every": 5}},
        "x": {"universe": ["A", "B"], **falls, "schedule": {"every": 200}},
    }
    result = metabt.backtest({"name": "m", "lookback": 40, "optimizer": "equal", "sleeves": sleeves}, frame)
    first, second = result.notes.fell_back
    assert (first.path, second.path) == ("m/x", "m/y") and first.times == first.of < second.times < second.of


@given(seed=st.integers(0, 10**6), min_coverage=st.sampled_from([0.5, 0.75, 1.0]), gaps=st.integers(3, 9))
def test_assets_that_were_ineligible_at_most_decisions_are_named_with_the_cause(
    seed: int, min_coverage: float, gaps: int
) -> None:
    """A is whole, B trades on weekdays, C misses one in `gaps` sessions, D comes late: 5/7, 1 - 1/gaps, all."""
    frame = walks(seed, "ABCD")
    frame.loc[DAYS.day_of_week > 4, "B"] = np.nan
    frame.iloc[::gaps, 2] = np.nan
    frame.loc[DAYS[:400], "D"] = np.nan
    tree = {"name": "w", "universe": list("ABCD"), "lookback": 84, "schedule": {"every": 11}}
    result = metabt.backtest({**tree, "min_coverage": min_coverage}, frame)
    out = result.decisions().assign(out=lambda it: it["reason"] == "ineligible").groupby("item")["out"]
    expected = {symbol: int(n) for symbol, n in out.sum().items() if n > out.size()[symbol] / 2}
    causes = {symbol: it.cause for it in result.notes.left_out for symbol in it.symbols}
    assert set(causes) == set(expected)
    for it in result.notes.left_out:
        assert (it.path, it.dataset, it.n_assets, it.wanted) == ("w", "prices", 4, min_coverage)
        assert it.times == max(expected[symbol] for symbol in it.symbols) and it.of == out.size()["A"]
    lacking = {"B": 5 / 7 < min_coverage, "C": 1 - 1 / gaps < min_coverage}
    own = {"B": CALENDAR, "C": CALENDAR if gaps == 7 else COVERAGE, "D": LIFE}
    for symbol, cause in causes.items():
        assert cause == own[symbol] and lacking.get(symbol, True)
    shares = {it.cause: it.share for it in result.notes.left_out}
    if causes.get("B") == CALENDAR and gaps != 7:
        assert shares[CALENDAR] == pytest.approx(60 / 84, abs=1 / 84)
    if causes.get("C") == COVERAGE:
        assert shares[COVERAGE] == pytest.approx(1 - 1 / gaps, abs=1 / 84)


def test_an_asset_without_a_price_when_its_leaf_decides_is_not_told_to_lower_its_coverage() -> None:
    frame = walks(0, "AB")
    frame.iloc[::3, 1] = np.nan
    tree = {"name": "w", "universe": ["A", "B"], "lookback": 20, "schedule": {"every": 6}, "min_coverage": 0.5}
    ((found,), summary) = ((result := metabt.backtest(tree, frame)).notes.left_out, result.summary())
    assert (found.cause, found.symbols, found.times) == (SESSIONS, ("B",), found.of)
    assert "set min_coverage" not in summary and "no price in most sessions in which 'w' decides" in summary


def test_of_assets_with_too_little_coverage_the_least_covered_names_the_cure() -> None:
    """B misses one in four sessions and C one in three: 45 and 40 of 60 returns."""
    frame = walks(0, "ABC")
    frame.iloc[::4, 1] = np.nan
    frame.iloc[::3, 2] = np.nan
    tree = {"name": "w", "universe": list("ABC"), "lookback": 60, "schedule": {"every": 11}}
    (found,) = (result := metabt.backtest(tree, frame)).notes.left_out
    assert (found.cause, sorted(found.symbols)) == (COVERAGE, ["B", "C"])
    assert found.share == pytest.approx(40 / 60, abs=1e-15)
    assert "set min_coverage: 0.65" in result.summary()
    assert not metabt.backtest({**tree, "min_coverage": 0.65}, frame).notes.left_out


def test_a_run_without_anything_to_say_of_has_empty_notes() -> None:
    result = metabt.backtest({"name": "w", "universe": ["A", "B"], "lookback": 20}, walks(0, "AB"))
    notes = result.notes
    assert (notes.settings, notes.early_end, notes.fell_back, notes.left_out, notes.warned) == ((), None, (), (), ())
    assert (notes.first, notes.last) == (result.returns().index[0], result.returns().index[-1])
    assert result.summary().splitlines()[3:] == ["", f"run {result.run_id[:12]} of w; {notes.first} to {notes.last}"]


def test_a_dataset_that_stops_cuts_the_tree_and_is_named() -> None:
    frames = {"short": walks(1, "A", DAYS[:300]), "long": walks(2, "B")}
    sleeves = {name: {"dataset": name, "universe": [symbol]} for name, symbol in zip(frames, "AB", strict=True)}
    tree = {"name": "m", "lookback": 20, "defaults": {"lookback": 20}, "sleeves": sleeves}
    result = metabt.backtest(tree, frames)
    end = result.notes.early_end
    assert end is not None and (end.dataset, end.longest) == ("short", "long")
    assert (end.last, end.until) == (DAYS[299], DAYS[-1]) and result.notes.last == DAYS[299]
    assert "ends on 2018-10-27 with dataset 'short'; 'long' goes on for 7 months, to 2019-05-15" in result.summary()
    assert metabt.backtest(tree, frames, end="2018-10-20").notes.early_end is None


def test_the_flat_baseline_of_a_tree_has_notes_of_its_own() -> None:
    frames = {"short": walks(1, "A", DAYS[:300]), "long": walks(2, "B")}
    sleeves = {name: {"dataset": name, "universe": [symbol]} for name, symbol in zip(frames, "AB", strict=True)}
    tree = {"name": "m", "lookback": 20, "defaults": {"lookback": 20}, "sleeves": sleeves, "optimizer": "max_sharpe"}
    flat = metabt.backtest(tree, frames, is_meta_backtest=False)
    assert {it.path: (it.times, it.of) for it in flat.notes.fell_back} == fallen(flat)
    assert flat.notes.early_end is not None and flat.notes.early_end.dataset == "short"


@pytest.mark.parametrize(
    ("optimizer", "given", "why"),
    [
        ({"max_weight": 0.25}, [3, 2], "max_weight 0.25 of 3 items is below 1"),
        ({"max_weight": 0.25}, [4, 2], "its optimizer: no solution"),
        ({"min_weight": 0.25}, [6, 5], "min_weight 0.25 of 5 items is above 1"),
        ({"min_weight": 0.25, "name": "erc"}, [6, 4], "erc: no solution"),
        ({"name": "max_sharpe"}, [1], "max_sharpe: no mean return above 0"),
    ],
)
def test_bounds_are_the_reason_where_no_decision_could_have_met_them(
    optimizer: dict[str, Any], given: list[int], why: str
) -> None:
    assert _why(optimizer, np.array(given)) == why


def tables(rows: list[tuple[str, str]], spec: str = "{}") -> dict[str, Table]:
    """Return tables of a run whose root is the first path of `rows`, (path, date) of its streams."""
    paths, dates = zip(*rows, strict=True)
    known = list(dict.fromkeys(paths))
    decisions = {name: Coded(np.zeros(0, np.int32), ()) for name in ("path", "item", "status", "reason")}
    return {
        "sleeves": {"path": Coded.of(known), "spec": Coded.of([spec] * len(known))},
        "returns": {"path": Coded.of(paths), "date": np.array(dates, "datetime64[D]")},
        "decisions": {**decisions, "date": np.zeros(0, "datetime64[D]")},
    }


@given(st.lists(st.integers(1, 9), max_size=8), st.integers(0, 99))
def test_warnings_are_told_the_most_frequent_first_and_equal_ones_as_they_came(times: list[int], seed: int) -> None:
    given = tuple(Warned(f"r/{place}", "w", "", n) for place, n in enumerate(times))
    around = Circumstances({}, None, ("a=1", "b=2"), given)
    days = np.datetime64("2020-01-01") + np.random.default_rng(seed).permutation(20)
    rows = [("r", str(day)) for day in days] + [("r/x", "2019-01-01"), ("r/x", "2031-01-01")]
    notes = run_notes("f" * 64, tables(rows), around)
    assert [it.times for it in notes.warned] == sorted(times, reverse=True)
    for n in set(times):
        equal = [int(it.path[2:]) for it in notes.warned if it.times == n]
        assert equal == [place for place, each in enumerate(times) if each == n]
    assert sorted(notes.warned, key=lambda it: it.path) == sorted(given, key=lambda it: it.path)
    assert (notes.run_id, notes.portfolio, notes.settings) == ("f" * 64, "r", ("a=1", "b=2"))
    assert (str(notes.first), str(notes.last)) == ("2020-01-01", "2020-01-20")
    assert notes.early_end is None and notes.fell_back == () and notes.left_out == ()


OFTEN = st.sampled_from([(1, 1), (2, 2), (4, 4), (1, 3), (2, 6), (9, 0), (3, 0), (0, 5), (5, 1)])
"""Decisions of a fallback and others; of several the shares are equal."""


@given(st.lists(OFTEN, min_size=1, max_size=8), st.randoms())
def test_sleeves_fell_back_at_the_largest_share_first_then_most_often_then_by_path(
    given: list[tuple[int, int]], random: Random
) -> None:
    """A sleeve has `fell` decisions of a fallback and `ok` of its own; the first of each fallback is `equal`."""
    rows, expected, places = [], [], list(range(len(given)))
    random.shuffle(places)
    for place, (fell, ok) in zip(places, given, strict=True):
        status = ["fallback:equal" if k % 3 == 0 else "fallback:previous" for k in range(fell)] + ["ok"] * ok
        rows += [(f"r/{place}", f"2020-01-{day + 1:02}", it) for day, it in enumerate(status)]
        methods = sorted(("equal", "previous"), key=lambda name: -status.count(f"fallback:{name}"))
        named = tuple(name for name in methods if f"fallback:{name}" in status)
        if fell:
            expected.append(FellBack(f"r/{place}", fell, fell + ok, named, "erc: no solution"))
    paths, dates, statuses = zip(*rows, strict=True)
    n = len(rows)
    table = {
        "path": Coded.of(paths),
        "date": np.array(dates, "datetime64[D]"),
        "item": Coded.of(["x"] * n),
        "status": Coded.of(statuses),
        "reason": Coded.of([""] * n),
    }
    found = fell_back(DecisionCounts(table), dict.fromkeys(paths, {"optimizer": {"name": "erc"}}))
    expected.sort(key=lambda it: it.path)
    expected.sort(key=lambda it: it.times, reverse=True)
    expected.sort(key=lambda it: it.times / it.of, reverse=True)
    assert found == expected


def test_what_an_optimizer_does_not_say_of_its_bounds_is_that_it_has_none() -> None:
    assert _why({}, np.array([0, 3])) == "its optimizer: no solution"
    assert _why({}, np.array([0])) == "max_weight 1 of 0 items is below 1"
    assert _why({"name": "max_sharpe", "min_weight": 0.5}, np.array([2])) == "max_sharpe: no mean return above 0"


@given(st.integers(0, 39), st.integers(1, 20))
def test_sessions_before_the_first_row_of_a_rate_are_counted(first: int, every: int) -> None:
    sessions = pd.bdate_range("2020-01-01", periods=40).to_numpy().astype("datetime64[D]")
    begins = sessions[first]
    columns: dict[str, Any] = {"name": Coded(np.zeros(1, np.int32), ("usd",)), "date": np.array([begins])}
    rates = DatedTable.of("rates", {**columns, "value": np.array([0.02]), "day_count": np.array([360.0])})
    prices = Prices("d", sessions, ("A",), np.ones((40, 1)))
    datasets = {"d": Dataset.of(prices, PointInTime({"rates": rates}))}
    of_root = sessions[every:]
    found = unpaid(of_root, {"cash": {"rate": "usd"}}, datasets)
    # a session earns the rate that was known in the session before it
    wanted = sum(before < begins for before in sessions[every - 1 : -1])
    assert (found.sessions if found else 0) == wanted
    assert found is None or (found.rate, found.first) == ("usd", begins)
    for rate in (0.02, None, "eur"):
        assert unpaid(of_root, {"cash": {"rate": rate}}, datasets) is None
    assert found is None or nothing_earned(found).startswith(f"cash earned nothing in {wanted} session")
