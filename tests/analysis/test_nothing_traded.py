"""Where nothing was traded for lack of coverage, the best that there was is named, and the cure that is named cures."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metabt
from metabt.errors import RunError

TREE = {"name": "w", "universe": "all", "lookback": 20, "schedule": {"every": 5}, "lag": 0}


def with_holidays(seed: int, every: int) -> pd.DataFrame:
    """Return prices of three assets, each of which has no price on its own holidays, one in `every` sessions."""
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2019-01-01", periods=200)
    frame = pd.DataFrame(100 * np.exp(rng.normal(0, 0.01, (200, 3)).cumsum(axis=0)), days, ["A", "B", "C"])
    for column in range(3):
        frame.iloc[column::every, column] = np.nan
    return frame


@given(seed=st.integers(0, 10**6), every=st.integers(4, 18))
def test_the_best_coverage_is_named_and_its_cure_trades(seed: int, every: int) -> None:
    frame = with_holidays(seed, every)
    with pytest.raises(RunError) as caught:
        metabt.backtest(TREE, frame)
    said = str(caught.value)
    best = 0
    decided = range(20, 200, 5)
    assert f": no asset was eligible at any of {len(decided)} decisions. " in said
    for row in decided:
        for symbol in frame:
            if not np.isnan(frame[symbol].iloc[row]):
                best = max(best, int(frame[symbol].iloc[row - 19 : row + 1].notna().sum()))
    assert f"({best} of 20 returns of '" in said and f"coverage in 'w' was {best / 20:.4g} " in said
    assert "'), wanted 1; set min_coverage" in said
    (cure,) = re.findall(r"set min_coverage: ([0-9.]+)", said)
    assert ("dataset of their own" in said) == (every == 5)  # it is the same weekday then
    assert len(metabt.backtest({**TREE, "min_coverage": float(cure)}, frame).returns())


def test_a_coverage_of_many_digits_is_told_to_four() -> None:
    frame = with_holidays(3, 4)
    with pytest.raises(RunError, match="no asset was eligible") as caught:
        metabt.backtest({**TREE, "lookback": 23}, frame)
    (share, best) = re.findall(r"coverage in 'w' was ([0-9.]+) \((\d+) of 23 returns", str(caught.value))[0]
    assert share == str(round(int(best) / 23, 4)) and len(share) > len("0.12")


def test_other_trading_days_are_named_as_another_cure() -> None:
    days = pd.date_range("2019-01-01", periods=200)
    frame = pd.DataFrame(100.0 + np.arange(400).reshape(200, 2) % 7, days, ["A", "B"])
    frame.loc[days.day_of_week < 2, "A"] = np.nan
    frame.loc[days.day_of_week > 4, "B"] = np.nan
    with pytest.raises(RunError) as caught:
        metabt.backtest(TREE, frame)
    assert str(caught.value) == (
        "portfolio 'w': nothing was traded from 2019-01-01 to 2019-07-19: no asset was eligible at any of 36 "
        "decisions. The best coverage in 'w' was 0.75 (15 of 20 returns of 'A'), wanted 1; set min_coverage: 0.7, "
        "or make a dataset of their own of assets with other trading days"
    )


@pytest.mark.parametrize("tree", [{"start": "2019-10-07", "lag": 1}, {"lag": 300}])
def test_where_assets_were_eligible_or_nothing_was_decided_the_dates_are_the_cause(tree: dict[str, object]) -> None:
    frame = with_holidays(0, 1000).dropna()
    with pytest.raises(RunError) as caught:
        metabt.backtest({**TREE, **tree}, frame)
    span = f"{frame.index[0].date()} to {frame.index[-1].date()}"
    begins = ", with decisions from 2019-10-07 on" if "start" in tree else ""
    cure = "give it more history, a shorter lookback, an earlier start or a later end"
    assert str(caught.value) == f"portfolio 'w': nothing was traded from {span}{begins}; {cure}"


@pytest.mark.parametrize(("every", "elsewhere"), [((5, 7, 9), True), ((7, 7, 5), True), ((7, 8, 9), False)])
def test_one_asset_with_other_trading_days_is_enough_for_the_other_cure(
    every: tuple[int, int, int], elsewhere: bool
) -> None:
    """One that lacks each fifth session lacks a weekday."""
    frame = with_holidays(3, 10**6).fillna(100.0)
    for column, apart in enumerate(every):
        frame.iloc[column::apart, column] = np.nan
    with pytest.raises(RunError) as caught:
        metabt.backtest(TREE, frame)
    cure = ", or make a dataset of their own of assets with other trading days"
    assert str(caught.value).endswith(cure) == elsewhere and "set min_coverage: 0." in str(caught.value)


def test_in_a_tree_the_best_leaf_is_named() -> None:
    frames = {"often": with_holidays(1, 4), "seldom": with_holidays(2, 15)}
    sleeves = {name: {"dataset": name, "universe": ["ABC"[place]]} for place, name in enumerate(frames)}
    tree = {"name": "w", "lookback": 20, "defaults": {"lookback": 20}, "sleeves": sleeves}
    with pytest.raises(RunError, match=r"best coverage in 'w/seldom' was 0\.95 \(19 of 20 returns of 'B'\)"):
        metabt.backtest(tree, frames)


def test_the_portfolio_is_named_with_its_first_and_last_session() -> None:
    late, whole = with_holidays(1, 4).iloc[30:], with_holidays(2, 15)
    leaves = {"late": {"universe": ["A"]}, "whole": {"universe": ["B"]}}
    tree = {"name": "book", "lookback": 20, "defaults": {"lookback": 20}}
    said = f"portfolio 'book': nothing was traded from {whole.index[0].date()} to {whole.index[-1].date()}: no asset"
    for names in (("late", "whole"), ("whole", "late")):
        sleeves = {name: {**leaves[name], "dataset": name} for name in names}
        with pytest.raises(RunError) as caught:
            metabt.backtest({**tree, "sleeves": sleeves}, {"late": late, "whole": whole})
        assert str(caught.value).startswith(said)


def test_an_asset_that_was_seen_in_exactly_half_of_the_windows_is_let_in_by_the_cure() -> None:
    days = pd.bdate_range("2019-01-01", periods=200)
    frame = pd.DataFrame(100.0 + np.arange(600).reshape(200, 3) % 7, days, ["HALF", "LESS", "MOST"])
    frame.iloc[::2, 0] = np.nan
    frame.iloc[:, 1] = frame.iloc[:, 1].where(np.arange(200) % 3 == 0)
    frame.iloc[1::4, 2] = np.nan
    with pytest.raises(RunError, match="of 20 returns of 'MOST'.* set min_coverage: 0.5$"):
        metabt.backtest(TREE, frame)


@pytest.mark.parametrize("wanted", [0.9, 0.97])
@pytest.mark.parametrize("every", [5, 7])
def test_decisions_and_what_was_wanted_are_those_of_the_best_leaf(wanted: float, every: int) -> None:
    """Of two leaves with other rules, each alone has what is said of it; together the better one is told of."""
    frames = {"often": with_holidays(1, 4), "seldom": with_holidays(2, 6)}
    worse = {"dataset": "often", "universe": ["A"], "lookback": 24, "schedule": {"every": 11}}
    better = {"dataset": "seldom", "universe": ["B"], "schedule": {"every": every}, "min_coverage": wanted}
    tree = {"name": "w", "lookback": 20, "defaults": {"lookback": 20}, "sleeves": {"worse": worse, "better": better}}
    decided = len(range(every * -(-20 // every), 200, every))
    with pytest.raises(RunError, match=rf"at any of {decided} decisions\. .* in 'w/better' .* wanted {wanted};"):
        metabt.backtest(tree, frames)
