"""Assets that were left out: most is more than half, and causes, order and shares are those of a plain reading."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from metabt.analysis.coverage import Coverage, with_gaps
from metabt.analysis.decision_counts import DecisionCounts
from metabt.analysis.left_out import (
    CALENDAR,
    CAUSES,
    COVERAGE,
    LEAVES,
    LIFE,
    MEASURED,
    SESSIONS,
    LeftOut,
    causes_of,
    in_order,
    measured,
)
from metabt.analysis.left_out import left_out as found_left_out
from metabt.data.dataset import Dataset
from metabt.data.prices import Prices
from metabt.lakehouse.price_source import to_prices
from metabt.values.tables import Coded

FIRST = np.datetime64("2020-01-01")


def coverage(seen: list[int], priced: list[bool], lived: list[bool], elsewhere: bool = False) -> Coverage:
    """Return that of one asset with a lookback of 10."""
    columns = (np.array(each)[:, None] for each in (seen, priced, lived))
    return Coverage(("A",), 10, *columns, np.array([FIRST]), np.array([FIRST + 9]), np.array([elsewhere]))


@pytest.mark.parametrize(
    ("missed", "of", "lacks"), [(0, 4, False), (1, 2, False), (2, 4, False), (2, 3, True), (3, 4, True), (1, 1, True)]
)
def test_most_is_more_than_half_of_the_decisions_that_it_lived_at(missed: int, of: int, lacks: bool) -> None:
    seen = [5] * missed + [8] * (of - missed)
    found = coverage([*seen, 0, 0], [True] * (of + 2), [True] * of + [False] * 2)
    assert found.lacking(0.8).tolist() == [lacks]
    assert causes_of(found, 0.8) == [COVERAGE if lacks else LIFE]
    assert found.share[0] == np.median(seen) / 10
    # the same with no price in these sessions, which is another cause
    unpriced = coverage([9] * (of + 2), [False] * missed + [True] * (of - missed + 2), [True] * of + [False] * 2)
    assert causes_of(unpriced, 0.8) == [SESSIONS if lacks else LIFE]
    elsewhere = coverage([*seen, 0, 0], [True] * (of + 2), [True] * of + [False] * 2, elsewhere=True)
    assert causes_of(elsewhere, 0.8) == [CALENDAR if lacks else LIFE]


def test_an_asset_that_never_lived_lacks_nothing_and_has_no_share() -> None:
    found = coverage([3, 4], [True, True], [False, False])
    assert np.isnan(found.share[0]) and causes_of(found, 0.5) == [LIFE]


@pytest.mark.parametrize(
    ("seen", "wanted", "is_in"), [(7, 0.7, True), (6, 0.7, False), (3, 0.3, True), (10, 1.0, True)]
)
def test_exactly_enough_is_enough(seen: int, wanted: float, is_in: bool) -> None:
    assert coverage([seen], [True], [True]).eligible(wanted).tolist() == [[is_in]]
    assert coverage([seen], [False], [True]).eligible(wanted).tolist() == [[False]]


def test_the_best_is_the_first_of_equal_ones_among_those_with_a_price() -> None:
    seen = np.array([[9, 3, 8, 8], [1, 7, 2, 4]])
    priced = np.array([[False, True, True, True], [True] * 4])
    dates = np.full(4, FIRST)
    found = Coverage(tuple("ABCD"), 10, seen, priced, priced, dates, dates, np.zeros(4, bool))
    assert found.best == (8, "C")
    nothing = Coverage(
        tuple("AB"), 10, seen[:, :2], np.zeros((2, 2), bool), priced[:, :2], *[dates[:2]] * 2, priced[0, :2]
    )
    assert nothing.best == (0, "A")


def test_those_with_gaps_are_those_of_pandas() -> None:
    rng = np.random.default_rng(0)
    days = pd.bdate_range("2020-01-01", periods=30)
    symbols = [f"S{i:03}" for i in range(520)]  # more than are read at a time
    frame = pd.DataFrame(rng.uniform(1, 2, (30, 520)), days, symbols)
    first, last = rng.integers(0, 10, 520), rng.integers(20, 31, 520)
    for i in range(520):
        frame.iloc[: first[i], i] = np.nan
        frame.iloc[last[i] :, i] = np.nan
        if i % 3 == 0:
            frame.iloc[rng.integers(first[i] + 1, last[i] - 1), i] = np.nan
    dataset = Dataset.of(to_prices("prices", frame))
    assert with_gaps(dataset, symbols[::-1]) == symbols[::3]
    assert with_gaps(dataset, symbols[1:3]) == [] and with_gaps(dataset, symbols[:1]) == symbols[:1]


def one(path: str, cause: str, times: int, of: int) -> LeftOut:
    return LeftOut(path, "d", ("A",), times, of, 3, cause, 0.5, 1.0, FIRST, FIRST)


def test_what_can_be_cured_comes_first_then_what_was_left_out_most_often_then_by_path() -> None:
    wanted = [
        one("r/b", CALENDAR, 6, 10),
        one("r/a", COVERAGE, 9, 10),
        one("r/c", COVERAGE, 10, 20),
        one("r/d", COVERAGE, 5, 10),
        one("r/a", SESSIONS, 10, 10),
        one("r/a", LIFE, 10, 10),
    ]
    assert [it.cause for it in wanted] == sorted((it.cause for it in wanted), key=CAUSES.index)
    assert in_order(wanted[::-1]) == wanted and in_order([wanted[k] for k in (3, 0, 5, 2, 4, 1)]) == wanted


def sparse(n_symbols: int = 4, n_sessions: int = 60) -> pd.DataFrame:
    """Return prices of which asset k lacks one session in k + 2, the last one none."""
    days = pd.bdate_range("2020-01-01", periods=n_sessions)
    closes = np.repeat(100.0 + np.arange(n_sessions)[:, None] % 7, n_symbols, axis=1)
    frame = pd.DataFrame(closes, days, [f"S{k:02}" for k in range(n_symbols)])
    for k in range(n_symbols - 1):
        frame.iloc[:: k + 2, k] = np.nan
    return frame


def test_a_leafs_assets_are_measured_the_most_often_left_out_first() -> None:
    frame = sparse()
    dataset = Dataset.of(to_prices("prices", frame))
    sessions = frame.index[20::3].to_numpy().astype("datetime64[D]")
    spec = {"lookback": 10, "min_coverage": 0.9, "dataset": "prices", "universe": list(frame)}
    often = {"S02": 5, "S00": 9, "S01": 9}
    (found,) = measured("r/a", spec, dataset, often, sessions)
    assert found.cause == COVERAGE and found.symbols == ("S00", "S01", "S02")
    assert (found.times, found.of, found.n_assets, found.wanted) == (9, len(sessions), 4, 0.9)
    assert found.share == 0.5 and found.first == frame.index[1].date() and found.last == frame.index[-1].date()
    many = sparse(60)
    groups = measured("r/a", spec, Dataset.of(to_prices("p", many)), dict.fromkeys(many, 3), sessions)
    assert sorted(symbol for it in groups for symbol in it.symbols) == list(many)[:MEASURED]


@pytest.mark.parametrize(("times", "told"), [(5, False), (6, True), (10, True)])
def test_ineligible_at_exactly_half_of_the_decisions_is_not_told(times: int, told: bool) -> None:
    frame = sparse()
    dates = frame.index[20:30].to_numpy().astype("datetime64[D]")
    table = {
        "path": Coded.of(["r"] * 10),
        "date": dates,
        "item": Coded.of(["S00"] * 10),
        "status": Coded.of(["ok"] * 10),
        "reason": Coded.of(["ineligible"] * times + [""] * (10 - times)),
    }
    spec = {"lookback": 10, "min_coverage": 0.9, "dataset": "prices", "universe": list(frame)}
    datasets = {"prices": Dataset.of(to_prices("prices", frame))}
    found = found_left_out(DecisionCounts(table), {"r": spec}, datasets)
    assert [it.times for it in found] == ([times] if told else [])
    assert found_left_out(DecisionCounts(table), {"r": {**spec, "dataset": "other"}}, datasets) == []
    assert found_left_out(DecisionCounts(table), {}, datasets) == []


@pytest.mark.parametrize("seed", range(5))
def test_leaves_that_lack_assets_at_the_largest_share_of_their_decisions_are_measured(seed: int) -> None:
    """Leaves decide from 4 to 60 times: the worst by number of decisions are not those by share.

    Nor does it matter how often another asset of the leaf is ineligible, which is less.
    """
    rng, frame = np.random.default_rng(seed), sparse(3, 120)
    days = frame.index[20:80].to_numpy().astype("datetime64[D]")
    n_leaves = LEAVES + 6
    of = rng.integers(4, 61, n_leaves)
    times = np.array([rng.integers(n // 2 + 1, n + 1) for n in of])
    paths = [f"r/{k:02}" for k in rng.permutation(n_leaves)]
    seldom = np.array([rng.integers(1, n // 2 + 1) for n in of])
    rows = [
        (path, day, item, "ineligible" if k < out else "")
        for path, n, *both in zip(paths, of, times, seldom, strict=True)
        for k, day in enumerate(days[:n])
        for item, out in zip(("S00", "S01"), both, strict=True)
    ]
    table = {
        "path": Coded.of([path for path, _, _, _ in rows]),
        "date": np.array([day for _, day, _, _ in rows]),
        "item": Coded.of([item for _, _, item, _ in rows]),
        "status": Coded.of(["ok"] * len(rows)),
        "reason": Coded.of([reason for _, _, _, reason in rows]),
    }
    spec = {"lookback": 10, "min_coverage": 0.9, "dataset": "prices", "universe": list(frame)}
    datasets = {"prices": Dataset.of(to_prices("prices", frame))}
    found = found_left_out(DecisionCounts(table), dict.fromkeys(paths, spec), datasets)
    shares = dict(zip(paths, times / of, strict=True))
    worst = sorted(shares.values(), reverse=True)[:LEAVES]
    assert len(found) == LEAVES and sorted((it.times / it.of for it in found), reverse=True) == worst
    assert {it.symbols for it in found} == {("S00",)}
    assert {it.path: (it.times, it.of) for it in found} == {
        path: (out, n) for path, n, out in zip(paths, of, times, strict=True) if path in {it.path for it in found}
    }


def test_of_several_causes_each_has_its_symbols_dates_and_least_share() -> None:
    """S00 to S02 lack one session in 2, 3 and 4, S03 is new, S04 has never had a price, S05 is whole."""
    frame = sparse(6, 80)
    frame.iloc[:70, 3] = np.nan
    frame.iloc[:, 4] = np.nan
    dates = frame.index.to_numpy().astype("datetime64[D]")
    dataset = Dataset.of(Prices("d", dates, tuple(frame), frame.to_numpy()))
    rows = range(20, 75)
    spec = {"lookback": 10, "min_coverage": 0.9, "dataset": "d", "universe": list(frame)}
    often = {"S00": 55, "S01": 30, "S02": 55, "S03": 50, "S04": 55}
    found = {it.cause: it for it in measured("r/a", spec, dataset, often, dates[rows])}
    assert list(found) == [COVERAGE, SESSIONS, LIFE]
    for it, symbols in zip(found.values(), (["S02", "S01"], ["S00"], ["S04", "S03"]), strict=True):
        assert (it.path, it.dataset, it.of, it.n_assets, it.wanted) == ("r/a", "d", 55, 6, 0.9)
        assert it.symbols == tuple(symbols) and it.times == often[symbols[0]]
        there = frame[symbols].notna()
        medians = [np.median([there[name].iloc[row - 9 : row + 1].sum() for row in rows]) / 10 for name in symbols]
        assert it.share == pytest.approx(min(medians)) if it.cause != LIFE else np.isnan(it.share)
        observed = frame.index[there[symbols[0]]]
        assert (it.first, it.last) == (observed[0].date(), observed[-1].date()) if len(observed) else np.isnat(it.first)
        assert len(observed) or np.isnat(it.last)
