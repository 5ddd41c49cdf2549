"""What a meta sleeve estimates, when it begins to, and what it holds by name; children die, stand still or wait."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from tests.shared import panels
from tests.shared.months import monthly

LEAF = {"lookback": 10, "schedule": {"every": 5}}
RULES = {"lookback": 30, "schedule": {"every": 3}, "defaults": LEAF}
ESTIMATES = ("min_variance", "inverse_volatility", "erc", "hrp", "max_diversification", "mean_variance", "min_cvar")


def decided(prices: pd.DataFrame, sleeves: dict[str, dict], **settings: Any) -> pd.DataFrame:
    result = metabt.backtest({"name": "root", **RULES, "sleeves": sleeves, **settings}, prices)
    return result.decisions("root")


def pivot(rows: pd.DataFrame, column: str = "weight") -> pd.DataFrame:
    return rows.pivot(index="date", columns="item", values=column)


DYING = {"dead": {"universe": ["AA"]}, "two": {"universe": ["BB", "CC"]}, "late": {"universe": ["DD"]}}


def dying() -> pd.DataFrame:
    """Return prices of which AA ends after 60 sessions, and DD begins after 55."""
    prices = panels.stocks(3)
    prices.iloc[60:, 0] = np.nan
    prices.iloc[:55, 3] = np.nan
    return prices


@pytest.mark.parametrize("optimizer", ESTIMATES)
def test_a_child_that_died_takes_nothing_on_a_window_that_another_makes_short(optimizer: str) -> None:
    prices, settings = dying(), {"min_history": 8, "optimizer": optimizer}
    rows = decided(prices, DYING, **settings)
    reasons = pivot(rows, "reason")
    joined = reasons["late"].eq("").idxmax()  # the first decision that has a stream of `late`: eight sessions of it
    shortened = pivot(rows).loc[joined + pd.Timedelta(days=10) :]
    assert len(shortened) > 10 and (shortened["dead"] == 0.0).all()
    assert (reasons.loc[shortened.index, "dead"] == "constant").all() and set(rows["status"]) <= {"ok", "warmup"}
    alone = decided(prices, {name: DYING[name] for name in ("two", "late")}, **settings)
    same = pivot(alone).loc[shortened.index]
    pd.testing.assert_frame_equal(shortened[["late", "two"]], same[["late", "two"]], rtol=0, atol=1e-10)


STILL = {"still": {"universe": ["EE"]}, "one": {"universe": ["AA"]}, "two": {"universe": ["BB", "CC"]}}


def standing() -> pd.DataFrame:
    return panels.stand(panels.stocks(4), ["EE"], 0)


@pytest.mark.parametrize("optimizer", ESTIMATES)
def test_warm_up_ends_by_history_alone_and_who_never_moved_waits_at_zero_with_a_reason(optimizer: str) -> None:
    rows = decided(standing(), STILL, optimizer=optimizer, costs={})
    first = metabt.backtest({"name": "one", "universe": ["AA"], **LEAF}, standing()).returns().index[29]
    warm, after = rows[rows["date"] < first], rows[rows["date"] >= first]
    assert set(warm["status"]) == {"warmup"} and np.allclose(warm["weight"], 1 / 3)
    assert set(after["status"]) == {"ok"} and after["date"].nunique() > 20
    of = after[after["item"] == "still"]
    assert (of["weight"] == 0.0).all() and (of["reason"] == "constant").all()


def test_equal_weights_are_given_a_child_that_never_moves() -> None:
    after = decided(standing(), STILL, optimizer="equal")[lambda rows: rows["status"] == "ok"]
    assert len(after) > 60 and (after["weight"] == 1 / 3).all() and (after["reason"] == "").all()


def test_where_no_child_moves_the_chain_decides_over_those_with_history() -> None:
    still = panels.stand(panels.stocks(4), ["DD", "EE"], 0)
    sleeves = {"a": {"universe": ["DD"]}, "b": {"universe": ["EE"], "lookback": 12}, "late": {"universe": ["AA"]}}
    sleeves["late"] |= {"start": str(still.index[100].date())}
    rows = decided(still, sleeves, optimizer="min_variance", schedule={"every": 1})
    after = rows[(rows["status"] != "warmup")]
    assert set(after["status"]) == {"fallback:equal"}
    weights, waiting = pivot(after), after[after["item"] == "late"]
    assert (weights[["a", "b"]] == 0.5).all(axis=None) and set(waiting["reason"]) == {"waiting"} and len(waiting) > 10
    cash = decided(still, sleeves, optimizer="min_variance", fallback=["inverse_volatility"])
    none = cash[(cash["status"] == "cash") & (cash["item"] != "late")]
    assert len(none) > 20 and not none["weight"].any() and set(none["reason"]) == {"constant"}


SATELLITE = {"core": {"universe": ["AA", "BB"]}, "satellite": {"universe": ["DD"]}}


def late() -> pd.DataFrame:
    prices = panels.stocks(3)
    prices.iloc[:55, 3] = np.nan
    return prices


@pytest.mark.parametrize("start", range(24, 60, 4))
def test_a_warm_up_that_is_over_stays_over_wherever_partitions_end(start: int) -> None:
    """Also where a child goes live in the partition in which it ended, and has no history at the next one's start."""
    prices = panels.stocks(3)
    prices.iloc[:start, 3] = np.nan
    with monthly():
        whole, cut = (
            metabt.backtest({"name": "root", **RULES, "min_history": 15, "sleeves": SATELLITE}, prices, cache=cache)
            for cache in (None, metabt.MemoryCache())
        )
    rows = whole.decisions("root")
    pd.testing.assert_frame_equal(cut.decisions("root"), rows)
    told = rows.groupby("date")["status"].first()
    ends = told.ne("warmup").to_numpy().argmax()
    assert 0 < ends and set(told.iloc[:ends]) == {"warmup"} and set(told.iloc[ends:]) == {"ok"}
    assert (rows.loc[rows["date"] >= told.index[ends], "reason"] == "waiting").any()


def test_given_weights_of_children_hold_from_the_first_day_and_the_rest_is_cash() -> None:
    optimizer = {"name": "fixed", "weights": {"core": 0.7, "satellite": 0.2}}
    prices = late()
    result = metabt.backtest({"name": "root", **RULES, "optimizer": optimizer, "sleeves": SATELLITE}, prices)
    rows = result.decisions("root")
    began = result.decisions("root/satellite")["date"].min()
    assert rows["date"].iloc[0] == prices.index[12] and set(rows["status"]) == {"ok"}  # `core` is live from row 10 on
    weights = pivot(rows).fillna(0.0)
    before, after = weights.loc[: began - pd.Timedelta(days=1)], weights.loc[began:]
    assert prices.index.get_loc(began) < 55 + 10 + 5
    assert len(before) > 10 and (before == [0.7, 0.0]).all(axis=None)
    assert len(after) > 10 and (after == [0.7, 0.2]).all(axis=None)
    child = result.returns("root/core")["gross"]
    day = result.returns().index[0]
    assert result.returns()["gross"].iloc[0] == pytest.approx(0.7 * child.loc[day], abs=1e-15)
    # shares of risk where every child that is held has a history, and nowhere else
    shares = rows.groupby("date")["risk_contribution"].sum(min_count=1)
    short = (shares.index >= began) & (shares.index < result.returns("root/satellite").index[29])
    assert shares[short].isna().all() and short.sum() > 5
    assert np.allclose(shares[shares.index >= result.returns("root/satellite").index[29]], 1.0, atol=1e-10)


def test_given_weights_after_a_warm_up_are_those_of_other_optimizers_times() -> None:
    weights = {"core": 0.7, "satellite": 0.2}
    rows = decided(late(), SATELLITE, optimizer={"name": "fixed", "weights": weights, "warm_up": True})
    other = decided(late(), SATELLITE, optimizer="min_variance")
    assert rows["status"].tolist() == other["status"].tolist() and rows["reason"].tolist() == other["reason"].tolist()
    assert set(rows.loc[rows["status"] == "warmup", "weight"]) == {1.0}


def test_given_weights_of_no_child_that_lives_wait_for_one() -> None:
    rows = decided(late(), SATELLITE, optimizer={"name": "fixed", "weights": {"satellite": 0.6}})
    assert rows["date"].iloc[0] >= late().index[55 + 10] and set(rows["status"]) == {"ok"}


def test_a_young_child_without_a_weight_shortens_no_window() -> None:
    weights = {"core": 0.5, "other": 0.25}
    sleeves = SATELLITE | {"other": {"universe": ["CC"]}}
    rows, without = (
        decided(late(), it, optimizer={"name": "fixed", "weights": weights})
        for it in (sleeves, {name: sleeves[name] for name in weights})
    )
    columns, shares = list(weights), pivot(rows, "risk_contribution")
    expected = pivot(without, "risk_contribution")[columns]
    assert expected.notna().any(axis=1).sum() > 25
    pd.testing.assert_frame_equal(shares[columns], expected, rtol=0, atol=1e-12)


def test_budgets_of_children_share_the_risk() -> None:
    optimizer = {"name": "erc", "budgets": {"core": 3.0}}
    result = metabt.backtest({"name": "root", **RULES, "optimizer": optimizer, "sleeves": SATELLITE}, panels.stocks(3))
    rows = result.decisions("root")[lambda rows: rows["status"] == "ok"]
    shares = pivot(rows, "risk_contribution")
    assert len(shares) > 20 and np.allclose(shares[["core", "satellite"]], [0.75, 0.25], atol=1e-9)
