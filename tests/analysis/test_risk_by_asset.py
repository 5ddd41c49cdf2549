"""Risk by asset over datasets with other calendars: pandas' covariances, and nothing stale from the cache."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt import BacktestEngine, MemoryCache
from metabt.analysis import risk_by_asset
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from metabt.values.tables import Table
from tests.shared import panels
from tests.shared.agreement import same
from tests.shared.months import monthly

LOOKBACK = 20
EQUAL = {"optimizer": "equal", "lookback": LOOKBACK, "schedule": {"every": 10}}
UNIVERSES = {"a": ("stocks", ["AA", "BB"]), "b": ("stocks", ["BB", "CC"]), "c": ("coins", panels.COINS)}
"""Leaf -> its dataset and its universe; one asset is in two of them."""


def prices() -> dict[str, pd.DataFrame]:
    return {"stocks": panels.stocks(2, 400), "coins": panels.coins(2, 520)}


def tree(leaves: str) -> dict[str, Any]:
    sleeves = {name: {**EQUAL, "dataset": of, "universe": symbols} for name, (of, symbols) in UNIVERSES.items()}
    return {"name": "book", **EQUAL, "sleeves": {name: sleeves[name] for name in leaves}}


def shares(result: metabt.Result) -> pd.DataFrame:
    risk = result.risk[result.risk["measure"] == "ex_ante_asset"]
    return risk.pivot(index="date", columns="item", values="contribution")


def naive(leaves: str, data: dict[str, pd.DataFrame], date: pd.Timestamp, lookback: int = LOOKBACK) -> pd.Series:
    """Return `w (S w) / w'Sw` of assets in equal parts of leaves in equal parts, on the sessions that all have."""
    used = sorted({UNIVERSES[name][0] for name in leaves})
    closes = pd.concat([data[name] for name in used], axis=1, join="inner").loc[:date]
    w = pd.Series(0.0, closes.columns)
    for name in leaves:
        symbols = UNIVERSES[name][1]
        w[symbols] += 1 / len(leaves) / len(symbols)
    w = w[w != 0]
    S = closes[w.index].pct_change().iloc[-lookback:].cov()
    return w * (S @ w) / (w @ S @ w)


@pytest.mark.parametrize("leaves", ["ab", "ac", "abc", "cab"])
def test_it_is_that_of_the_covariance_on_common_sessions(leaves: str) -> None:
    data = prices()
    for cache in (None, MemoryCache()):
        found = shares(metabt.backtest(tree(leaves), data, cache=cache))
        assert len(found) > 20
        for date, row in found.iterrows():
            expected = naive(leaves, data, date)
            assert row.dropna().to_dict() == pytest.approx(expected.to_dict(), abs=1e-10)


@pytest.mark.parametrize("leaves", ["ab", "ba"])
def test_where_there_is_less_than_a_lookback_it_is_that_of_all_there_is(leaves: str) -> None:
    data, settings = prices(), {**tree(leaves), "lookback": 60, "min_history": 5}
    for cache in (None, MemoryCache()):
        found = shares(metabt.backtest(settings, data, cache=cache))
        short = [date for date in found.index if data["stocks"].index.get_loc(date) < 60]
        assert len(short) > 2
        for date in found.index[: len(short) + 3]:
            expected = naive(leaves, data, date, 60)
            assert found.loc[date].dropna().to_dict() == pytest.approx(expected.to_dict(), abs=1e-10)


@pytest.mark.parametrize("leaves", ["ab", "ac", "abc"])
@pytest.mark.parametrize(("dataset", "symbol"), [("stocks", "AA"), ("stocks", "BB"), ("coins", "XET")])
def test_a_corrected_price_of_either_dataset_is_felt_though_weights_are_what_they_were(
    leaves: str, dataset: str, symbol: str
) -> None:
    data, cache = prices(), MemoryCache()
    first = metabt.backtest(tree(leaves), data, cache=cache)
    date = shares(first).index[12]
    data[dataset].loc[date, symbol] *= 1.05
    again = metabt.backtest(tree(leaves), data, cache=cache)
    fresh = metabt.backtest(tree(leaves), data)
    decided = [each.frame("decisions")["weight"].to_numpy() for each in (first, again)]
    assert (decided[0] == decided[1]).all()
    drawn = any(UNIVERSES[name][0] == dataset for name in leaves)
    assert same(again.tables, fresh.tables) and same(again.tables, first.tables) != drawn
    changed = (shares(again) != shares(first)) & shares(first).notna()
    assert changed.loc[date].any() == drawn and not changed.loc[: date - pd.Timedelta(days=1)].any(axis=None)


@pytest.mark.parametrize("leaves", ["ab", "ac"])
@pytest.mark.parametrize("back", [LOOKBACK, LOOKBACK - 1, 0])
def test_the_first_and_the_last_close_of_what_a_partition_sees_are_among_them(leaves: str, back: int) -> None:
    """The first decision of the second year sees returns from the close `LOOKBACK` common sessions before."""
    data, cache = prices(), MemoryCache()
    used = [data[name] for name in sorted({UNIVERSES[name][0] for name in leaves})]
    common = pd.concat(used, axis=1, join="inner").index
    first = shares(metabt.backtest(tree(leaves), data, cache=cache))
    date = first.index[first.index.year == 2022][0]
    data["stocks"].loc[common[common.get_loc(date) - back], "BB"] *= 1.05
    again = shares(metabt.backtest(tree(leaves), data, cache=cache))
    assert again.equals(shares(metabt.backtest(tree(leaves), data)))
    assert (again.loc[date] != first.loc[date]).any()


def test_prices_that_no_decision_sees_change_nothing_that_is_found() -> None:
    """What came before the first lookback, and what came after the last decision."""
    data, cache = prices(), MemoryCache()
    dates = shares(metabt.backtest(tree("ac"), data, cache=cache)).index
    for rows in (data["stocks"].index < dates[0] - pd.Timedelta(days=60), data["stocks"].index > dates[-1]):
        if rows.any():
            data["stocks"].loc[rows, "BB"] *= np.linspace(1.0, 1.2, rows.sum())
    again = metabt.backtest(tree("ac"), data, cache=cache)
    fresh = metabt.backtest(tree("ac"), data)
    assert shares(again).equals(shares(fresh))


@pytest.mark.parametrize(("dataset", "symbol"), [("stocks", "XET"), ("coins", "AA")])
@pytest.mark.parametrize("corrected", [False, True])
def test_a_symbol_of_the_other_dataset_that_nobody_draws_is_not_read(
    dataset: str, symbol: str, corrected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both datasets have symbols of these names; a leaf draws each from its own one alone, and finds what it found."""
    data, cache = prices(), MemoryCache()
    resolved = resolve(tree("ac"), symbols={"stocks": tuple(panels.STOCKS), "coins": tuple(panels.COINS)})

    def risk() -> Table:
        engine = BacktestEngine([resolved], {name: to_prices(name, it) for name, it in data.items()}, cache=cache)
        return engine.assemble(engine.run())["risk"]

    if corrected:
        data[dataset][symbol] = 100.0 + np.arange(len(data[dataset])) % 7
    plain = risk()
    data[dataset][symbol] = 100.0 + np.arange(len(data[dataset])) % 5
    monkeypatch.setattr(
        "metabt.analysis.risk_by_asset.ex_ante_asset_risk", lambda *_: pytest.fail("measured again, which was found")
    )
    assert same({"risk": risk()}, {"risk": plain})


@pytest.mark.parametrize("leaves", ["ab", "ac"])
def test_what_it_is_found_under_is_what_it_is_measured_on(leaves: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keyed, measured = list[Any](), list[Any]()
    key, measure = risk_by_asset.asset_risk_key, risk_by_asset.ex_ante_asset_risk

    def noted(*given: Any) -> str:
        keyed.append(given)
        return key(*given)

    def noting(*given: Any) -> np.ndarray:
        measured.append(given)
        return measure(*given)

    monkeypatch.setattr(risk_by_asset, "asset_risk_key", noted)
    monkeypatch.setattr(risk_by_asset, "ex_ante_asset_risk", noting)
    metabt.backtest(tree(leaves), prices(), cache=MemoryCache())
    assert len(keyed) == len(measured) > 1
    datasets = {UNIVERSES[name][0] for name in leaves}
    for one, other in zip(keyed, measured, strict=True):
        for mine, theirs in zip(one[:4], other[:4], strict=True):
            np.testing.assert_array_equal(mine, theirs)
        assert one[3] == LOOKBACK and set(one[4]) == datasets


@pytest.mark.parametrize("lookback", [22, 23])
def test_where_one_partition_alone_is_measured_prices_are_read_as_far_back_as_it_sees(lookback: int) -> None:
    """All else is found: the first closes that a month's first decision sees may be the last ones of a month before."""
    data, cache = prices(), MemoryCache()
    settings = {**tree("ab"), "schedule": {"every": 1}, "lookback": lookback}
    resolved = resolve(settings, symbols={"stocks": tuple(panels.STOCKS), "coins": tuple(panels.COINS)})
    panel = {"stocks": to_prices("stocks", data["stocks"].iloc[:190])}

    def risk() -> Table:
        engine = BacktestEngine([resolved], panel, cache=cache)
        return engine.assemble(engine.run())["risk"]

    with monthly():
        expected = {"risk": risk()}
        measured = [key for key, (kind, _) in cache.objects.items() if kind == "exposure"]
        assert len(measured) > 5
        for key in measured:
            del cache.objects[key]
            assert same({"risk": risk()}, expected) and cache.objects[key][0] == "exposure"
