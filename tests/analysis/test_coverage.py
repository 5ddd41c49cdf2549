"""Coverage is what pandas counts of each window, and says of each asset what the engine found at its decisions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metabt
from metabt.analysis.coverage import AT_ONCE, Coverage, coverage_of, decided_on, proposed, with_gaps
from metabt.data.dataset import Dataset
from metabt.data.prices import Prices
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.schedule import Schedule
from metabt.portfolio.sleeve import Leaf

LOOKBACK = 8
FULL, GAPPY, LATE, GONE, WEEKDAYS = SYMBOLS = ("FULL", "GAPPY", "LATE", "GONE", "WEEKDAYS")


def gappy_prices(seed: int, n_sessions: int = 120) -> pd.DataFrame:
    """Return prices on a 7-day calendar: whole, with random gaps, from the middle on, until the middle, on weekdays."""
    rng = np.random.default_rng(seed)
    days = pd.date_range("2021-01-01", periods=n_sessions)
    frame = pd.DataFrame(100 * np.exp(rng.normal(0, 0.01, (n_sessions, 5)).cumsum(axis=0)), days, SYMBOLS)
    frame.loc[rng.random(n_sessions) < rng.uniform(0.05, 0.6), GAPPY] = np.nan
    frame.loc[days[: n_sessions // 2], LATE] = np.nan
    frame.loc[days[n_sessions // 2 :], GONE] = np.nan
    frame.loc[days.day_of_week > 4, WEEKDAYS] = np.nan
    return frame


def measured(frame: pd.DataFrame, sessions: np.ndarray) -> Coverage:
    return coverage_of(Dataset.of(to_prices("prices", frame)), SYMBOLS, sessions, LOOKBACK)


@given(seed=st.integers(0, 10**6), min_coverage=st.sampled_from([0.3, 0.5, 0.7, 0.75, 0.9, 1.0]))
def test_counts_are_those_of_pandas_and_eligibility_is_the_engines(seed: int, min_coverage: float) -> None:
    frame = gappy_prices(seed)
    tree = {"name": "w", "universe": list(SYMBOLS), "lookback": LOOKBACK, "schedule": {"every": 3}}
    made = metabt.backtest({**tree, "min_coverage": min_coverage}, frame).decisions()
    sessions = np.unique(made["date"].to_numpy()).astype("datetime64[D]")
    found = measured(frame, sessions)
    observed = frame.notna() & (frame.ffill().shift().notna())
    rolling = observed.rolling(LOOKBACK, min_periods=1).sum().loc[sessions]
    assert found.symbols == tuple(sorted(SYMBOLS))
    np.testing.assert_array_equal(found.seen, rolling[sorted(SYMBOLS)].to_numpy())
    excluded = made.assign(out=made["reason"] == "ineligible").pivot(index="date", columns="item", values="out")
    np.testing.assert_array_equal(found.eligible(min_coverage), ~excluded[sorted(SYMBOLS)].to_numpy(bool))


@given(seed=st.integers(0, 10**6))
def test_an_asset_is_measured_while_it_lived(seed: int) -> None:
    frame = gappy_prices(seed)
    sessions = frame.index.to_numpy().astype("datetime64[D]")[LOOKBACK:]
    found = measured(frame, sessions)
    for place, symbol in enumerate(found.symbols):
        prices = frame[symbol].dropna()
        first, last = (frame.index.get_loc(date) for date in (prices.index[0], prices.index[-1]))
        there, shares = frame[symbol].notna().tolist(), []
        for row in range(LOOKBACK, len(frame)):
            if first <= row - LOOKBACK and row <= last:
                shares.append(sum(there[row - LOOKBACK + 1 : row + 1]) / LOOKBACK)
        assert found.share[place] == pytest.approx(np.median(shares))
        assert (found.first[place], found.last[place]) == (prices.index[0], prices.index[-1])
    lacking = dict(zip(found.symbols, found.lacking(1.0).tolist(), strict=True))
    assert not (lacking[FULL] or lacking[LATE] or lacking[GONE]) and lacking[WEEKDAYS]
    elsewhere = dict(zip(found.symbols, found.elsewhere.tolist(), strict=True))
    assert elsewhere[WEEKDAYS] and not (elsewhere[FULL] or elsewhere[LATE] or elsewhere[GONE])


def test_an_asset_without_any_price_in_sight_has_no_share() -> None:
    frame = gappy_prices(0)
    found = measured(frame, frame.index.to_numpy().astype("datetime64[D]")[20:40])
    assert np.isnan(found.share[found.symbols.index(LATE)])


def test_an_asset_with_one_price_alone_lived_for_that_session_wherever_it_is() -> None:
    frame = gappy_prices(0)
    for row in (0, 50, len(frame) - 1):
        frame[GAPPY] = np.where(np.arange(len(frame)) == row, 100.0, np.nan)
        found = measured(frame, frame.index.to_numpy().astype("datetime64[D]")[LOOKBACK:])
        place = found.symbols.index(GAPPY)
        assert found.first[place] == found.last[place] == frame.index[row]


@given(
    every=st.integers(1, 9),
    lookback=st.integers(1, 30),
    start=st.integers(-5, 70),
    end=st.integers(-5, 70),
)
def test_a_leaf_decides_on_scheduled_sessions_with_a_whole_lookback(
    every: int, lookback: int, start: int, end: int
) -> None:
    dates = np.datetime64("2022-03-01") + np.arange(60)
    begin, stop = np.datetime64("2022-03-01") + start, np.datetime64("2022-03-01") + end
    spec = Leaf(dataset="x", universe=("A",), lookback=lookback, schedule=Schedule(every=every), start=str(begin))
    naive, index = [], 0
    for row, date in enumerate(dates):
        if date >= begin:
            if index % every == 0 and row >= lookback and date <= stop:
                naive.append(date)
            index += 1
    assert decided_on(spec, dates, stop).tolist() == [date.item() for date in naive]


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5))
def test_what_is_proposed_lets_all_of_them_in(shares: list[float]) -> None:
    value = proposed(shares)
    assert value <= min(shares) + 1e-9 and value > min(shares) - 0.05 and value * 20 == pytest.approx(round(value * 20))


@given(seed=st.integers(0, 10**6))
def test_what_is_priced_and_what_lived_at_every_session_are_those_of_a_loop(seed: int) -> None:
    frame = gappy_prices(seed, 60)
    frame[FULL] = np.nan if seed % 3 == 0 else frame[FULL]
    dates = frame.index.to_numpy().astype("datetime64[D]")
    dataset = Dataset.of(Prices("prices", dates, tuple(sorted(SYMBOLS)), frame[sorted(SYMBOLS)].to_numpy()))
    found = coverage_of(dataset, SYMBOLS[::-1], dates, LOOKBACK)
    assert found.symbols == tuple(sorted(SYMBOLS)) and found.lookback == LOOKBACK
    for place, symbol in enumerate(found.symbols):
        there = frame[symbol].notna().tolist()
        rows = [row for row, it in enumerate(there) if it]
        first, last = (rows[0], rows[-1]) if rows else (99, -1)
        assert found.priced[:, place].tolist() == there
        assert found.lived[:, place].tolist() == [first <= row - LOOKBACK and row <= last for row in range(60)]
        seen = [sum(there[k] for k in range(max(row - LOOKBACK + 1, 0), row + 1) if k > first) for row in range(60)]
        assert found.seen[:, place].tolist() == seen
        if rows:
            assert (found.first[place], found.last[place]) == (dates[first], dates[last])
            life = frame.index[first : last + 1].day_of_week.tolist()
            known = {frame.index[row].day_of_week for row in rows}
            often = [day for day in range(7) if life.count(day) > 0.05 * len(life)]
            assert found.elsewhere[place] == any(day not in known for day in often)
        else:
            assert np.isnat(found.first[place]) and np.isnat(found.last[place]) and not found.elsewhere[place]


@pytest.mark.parametrize(("rare", "elsewhere"), [(5, False), (6, True)])
def test_a_weekday_with_at_most_one_session_in_twenty_makes_no_other_calendar(rare: int, elsewhere: bool) -> None:
    """Of 100 sessions some are Saturdays, in none of which B has a price."""
    days = pd.bdate_range("2020-01-01", periods=100 - rare)
    saturdays = pd.date_range("2020-01-04", periods=rare, freq="W-SAT")
    index = days.union(saturdays)
    frame = pd.DataFrame(100.0 + np.arange(200).reshape(100, 2) % 7, index, ["A", "B"])
    frame.loc[saturdays, "B"] = np.nan
    found = coverage_of(Dataset.of(to_prices("prices", frame)), ("A", "B"), index.to_numpy("datetime64[D]"), LOOKBACK)
    assert len(index) == 100 and found.elsewhere.tolist() == [False, elsewhere]


def test_a_share_below_the_least_step_proposes_nothing_at_all() -> None:
    assert proposed([0.04]) == proposed([0.0]) == 0.0 and proposed([0.05, 0.9]) == 0.05 and proposed([1.0]) == 1.0


def test_an_asset_has_gaps_between_its_first_and_its_last_price_alone() -> None:
    """One that never had a price has none, and so has one with a single price; many are looked at in parts."""
    days = np.datetime64("2021-01-04") + np.arange(6)
    rows = {"NEVER": [], "ONCE": [3], "WHOLE": range(6), "LATE": range(3, 6), "HOLE": [0, 1, 3], "ENDS": [0, 5]}
    names = sorted(f"{name}{number:03d}" for number in range(AT_ONCE // 6 + 2) for name in rows)
    close = np.full((6, len(names)), np.nan)
    for column, name in enumerate(names):
        close[list(rows[name[:-3]]), column] = 100.0
    dataset = Dataset.of(Prices("d", days, tuple(names), close))
    assert len(names) > AT_ONCE
    assert with_gaps(dataset, names[::-1]) == sorted(name for name in names if name[:-3] in ("HOLE", "ENDS"))
