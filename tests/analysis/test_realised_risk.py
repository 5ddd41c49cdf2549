"""Realised shares of risk where children live on other calendars: right values by symmetry, and sums."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import metabt
from metabt.analysis.realised_risk import _Periods
from tests.shared import panels

LEAF = {"lookback": 2, "optimizer": "equal", "schedule": "monthly"}


def shares(result: metabt.Result, measure: str) -> dict[str, float]:
    risk = result.risk
    return risk[(risk["measure"] == measure) & (risk["path"] == "r")].set_index("item")["contribution"].to_dict()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), kept=st.floats(0.1, 0.9), lag=st.integers(0, 2))
def test_the_same_index_on_two_calendars_makes_half_of_the_risk_each(seed: int, kept: float, lag: int) -> None:
    """Traded back to one half each at every common session, both earn the same until the next one."""
    rng = np.random.default_rng(seed)
    days = pd.date_range("2020-01-01", periods=150)
    index = pd.Series(100 * np.exp(np.cumsum(rng.normal(0, 0.02, 150))), days)
    seen = (rng.random(150) < kept) | np.isin(np.arange(150), [*range(25), 149])
    prices = {"every day": index.to_frame("D"), "some": index[seen].to_frame("S")}
    begin = {"start": str(days[20].date()), "lookback": 2, "optimizer": "equal"}
    leaf = {**begin, "schedule": {"every": 999}, "universe": "all", "lag": 0}
    sleeves = {name: {**leaf, "dataset": name} for name in prices}
    tree = {"name": "r", **begin, "lookback": 999, "schedule": {"every": 1}, "lag": lag, "sleeves": sleeves}
    result = metabt.backtest(tree, prices)
    found, by_asset = shares(result, "realised"), shares(result, "realised_asset")
    assert found == pytest.approx({"every day": 0.5, "some": 0.5, "cash": 0.0}, abs=1e-9)
    assert by_asset == pytest.approx({"D": 0.5, "S": 0.5, "cash": 0.0}, abs=1e-9)


@pytest.mark.parametrize("row", [120, 150, 199])
def test_a_view_that_ends_early_is_that_of_prices_that_end_there(row: int) -> None:
    prices = panels.stocks(4, 200)
    sleeves = {"a": {**LEAF, "universe": ["AA", "BB"]}, "b": {**LEAF, "universe": ["CC"]}}
    tree = {"name": "r", "lookback": 20, "schedule": {"every": 5}, "sleeves": sleeves}
    end = str(prices.index[row].date())
    found = metabt.backtest(tree, prices, end=end)
    cut = metabt.backtest(tree, prices.iloc[: row + 1])
    for measure in ("realised", "realised_asset"):
        assert shares(found, measure) == pytest.approx(shares(cut, measure), abs=1e-12)
    assert sum(shares(found, "realised_asset").values()) == pytest.approx(1.0)


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_on_one_calendar_it_is_session_by_session(seed: int, missing: float) -> None:
    """Without a weekend in between, shares are those of every session: held by pandas from the flattened weights.

    What has no price when shares are traded stays what it was, until it has one.
    """
    prices = panels.stocks(seed, 200)
    prices.loc[np.random.default_rng(seed).random(200) < missing, "AA"] = np.nan
    sleeves = {"a": {**LEAF, "universe": ["AA", "BB"]}, "b": {**LEAF, "universe": ["CC"]}}
    rules = {"lookback": 20, "schedule": {"every": 2}} if missing else {"lookback": 20, "schedule": "monthly"}
    result = metabt.backtest({"name": "r", **rules, "sleeves": sleeves}, prices)
    returns, held, earned = prices.ffill().pct_change(), None, {}
    for t in prices.index[prices.index >= result.weights.index[0]]:
        if held is not None:
            gained = held * returns.loc[t]
            earned[t] = gained
            held = held * (1 + returns.loc[t]) / (1 + gained.sum())
        if t in result.weights.index:
            held = result.weights.loc[t].reindex(prices.columns).fillna(0.0)
    frame = pd.DataFrame(earned).T
    total = frame.sum(axis=1)
    found = shares(result, "realised_asset")
    for symbol in ("AA", "BB", "CC"):
        assert found[symbol] == pytest.approx(frame[symbol].cov(total) / total.var(), abs=1e-10)
    assert shares(result, "realised")["a"] == pytest.approx(found["AA"] + found["BB"], abs=1e-10)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 12), share=st.floats(0.1, 1.0))
def test_contributions_between_common_sessions_add_up_to_what_compounds(seed: int, n: int, share: float) -> None:
    """`(a1 + a2 + ...)` grown by what the stream had made by then; what is outside of all periods is nothing."""
    rng = np.random.default_rng(seed)
    dates = np.datetime64("2020-01-01") + np.arange(n)
    amounts = rng.uniform(-0.1, 0.1, (n, 3))
    gross = amounts.sum(axis=1)
    common = dates[rng.random(n) < share]
    if seed % 2:
        common = np.r_[dates[0] - 1, common]
    history = SimpleNamespace(
        rows=lambda name: {"gross": gross}[name], dates=dates, begin=0, common=common, inception=dates[0] - 1
    )
    periods = _Periods.of(history)  # type: ignore[arg-type]  # what it reads of one
    found = periods.added_up(amounts)
    closes = sorted({*common.tolist()} & {(dates[0] - 1).astype(object), *dates.tolist()})
    begins = {(dates[0] - 1).astype(object): -1, **{day: row for row, day in enumerate(dates.tolist())}}
    if not len(np.intersect1d(common, dates)):
        closes = []
    wanted = np.zeros((max(len(closes) - 1, 0), 3))
    for k, (first, last) in enumerate(itertools.pairwise(closes)):
        grown = 1.0
        for t in range(begins[first] + 1, begins[last] + 1):
            wanted[k] += grown * amounts[t]
            grown *= 1 + gross[t]
        assert periods.gross[k] == pytest.approx(grown - 1, abs=1e-12)
    assert found == pytest.approx(wanted, abs=1e-12) and found.sum(axis=1) == pytest.approx(periods.gross, abs=1e-12)
    weights = rng.normal(size=len(found))
    assert periods.spread(weights) @ amounts == pytest.approx(weights @ found, abs=1e-12)
