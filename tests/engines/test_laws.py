"""Laws of every tree: look-through, no look-ahead, tree laws, conservation, and the oracle on random trees."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, assume, given, reject, settings
from hypothesis import strategies as st

import metabt
from metabt.data.prices import Prices
from tests.shared import oracle, panels, trees
from tests.shared.agreement import assert_agrees
from tests.shared.leak_detector import KEYS, decoded, differs, first_difference
from tests.shared.replay import asset_returns, replay
from tests.shared.solving import near

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example, HealthCheck.filter_too_much]
SEEDS = st.integers(0, 5)
WEEKDAY = {"dataset": "stocks", "schedule": {"every": 5}, "lookback": 12}
COIN = {"dataset": "coins", "universe": panels.COINS, "schedule": {"every": 6}, "lookback": 10}


def examples(count: int) -> settings:
    """Return Hypothesis settings for `count` examples; shrinking a tree of backtests would take minutes."""
    phases = (Phase.explicit, Phase.generate)
    return settings(max_examples=count, deadline=None, suppress_health_check=SLOW, phases=phases)


REFUSALS = ("nothing was traded", "start earlier", "ruined")
"""What a random tree may rightly be refused for: it starts too late, or its shorts take the whole NAV."""


def run(tree: dict, prices: dict[str, pd.DataFrame]) -> metabt.Result:
    """Return the run of a random tree; one that is rightly refused is no example."""
    try:
        return metabt.backtest(tree, prices)
    except metabt.MetabtError as error:
        assert any(reason in str(error) for reason in REFUSALS), error
        reject()


def rate(tree: dict) -> float:
    costs = tree.get("costs", {})
    return 1e-4 * (costs.get("commission_bp", 0.0) + costs.get("slippage_bp", 0.0))


def same_bits(left: metabt.Result, right: metabt.Result) -> None:
    for table, keys in KEYS.items():
        a, b = (decoded(result.tables[table]).set_index(keys).sort_index() for result in (left, right))
        assert differs(a, b, keys) is None, table


# --------------------------------------------------------------------------- the engine and the oracle


@examples(40)
@given(trees.portfolios(), SEEDS, st.booleans())
def test_the_engine_agrees_with_the_oracle_on_random_trees(tree: dict, seed: int, gaps: bool) -> None:
    prices = panels.market(seed, gaps=gaps)
    solvers = {oracle.IN_TURN: near}
    try:
        result = metabt.backtest(tree, prices)
    except metabt.MetabtError as error:
        if "ruined" in str(error):
            with pytest.raises(ArithmeticError, match="ruined"):
                oracle.run(tree, prices, optimizers=solvers)
        elif "nothing was traded" in str(error):
            assert not oracle.run(tree, prices, optimizers=solvers)["root"].rows
        else:
            raise
        return
    books = oracle.run(tree, prices, optimizers=solvers)
    assume(not any(begins_with_rounding(book) for book in books.values()))
    assert_agrees(result, books)


def begins_with_rounding(book: oracle.Book) -> bool:
    """Return whether its first trades cancel but for rounding: added up in another order, they are none."""
    before, after = (book.by_symbol(which) for which in ("before", "after"))
    traded = (after - before).abs().max(axis=1)
    first = traded[traded > 0].head(1)
    return bool((first < 1e-12).any())


# ------------------------------------------------------------------------------------------ look-through


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
@examples(8)
@given(data=st.data(), seed=SEEDS, gaps=st.booleans())
def test_replaying_the_flattened_weights_gives_the_roots_stream(
    depth: int, data: st.DataObject, seed: int, gaps: bool
) -> None:
    tree = data.draw(trees.portfolios(depth))
    prices = panels.market(seed, gaps=gaps)
    result = run(tree, prices)
    stream = result.returns()
    used = {leaf["dataset"] for _, leaf in trees.walk(tree, "root") if "dataset" in leaf}
    returns = asset_returns({name: prices[name] for name in used})
    if len(stream):
        returns = returns.loc[: stream.index[-1]]
    table = decoded(result.tables["weights"])
    replayed = replay(table, returns, rate(tree), tree.get("costs", {}).get("borrow_bp", 0.0))
    assert replayed["distance"].max() <= 1e-12
    for column in ("gross", "net"):
        np.testing.assert_allclose(replayed[column].loc[stream.index], stream[column], rtol=0, atol=1e-12)


# ----------------------------------------------------------------------------------------- no look-ahead


@examples(20)
@given(trees.portfolios(), SEEDS, st.booleans(), st.integers(55, 120))
def test_another_future_leaves_the_past_bit_identical(tree: dict, seed: int, gaps: bool, row: int) -> None:
    prices = panels.market(seed, gaps=gaps)
    weekdays = prices["stocks"].dropna(how="all").index.intersection(prices["coins"].dropna(how="all").index)
    cut = str(weekdays[weekdays >= prices["stocks"].index[row]][0].date())
    assert first_difference(lambda data: run(tree, data), prices, cut) is None


# --------------------------------------------------------------------------------------------- tree laws


@examples(20)
@given(trees.portfolios(), SEEDS, st.booleans())
def test_a_meta_sleeve_of_one_child_is_that_child(child: dict, seed: int, gaps: bool) -> None:
    prices = panels.market(seed, gaps=gaps)
    # decides on every session, trades at once and stays in warm-up, so that the share is 1 whenever the child holds
    tree = {"name": "wrapped", "schedule": {"every": 1}, "lookback": 1000, "lag": 0, "costs": child.get("costs", {})}
    tree["sleeves"] = {"only": {key: value for key, value in child.items() if key != "name"}}
    result = run(tree, prices)
    outer, inner = result.returns(), result.returns("wrapped/only")
    assert list(outer.index) == list(inner.index)
    for column in ("gross", "cost", "net", "turnover"):
        np.testing.assert_allclose(outer[column], inner[column], rtol=0, atol=1e-12)


def reordered(tree: dict) -> dict:
    """Return the tree with siblings, universes and keys the other way round."""
    turned = {key: value for key, value in reversed(tree.items())}
    if "sleeves" in tree:
        turned["sleeves"] = {name: reordered(sleeve) for name, sleeve in reversed(tree["sleeves"].items())}
    else:
        turned["universe"] = tree["universe"][::-1]
    return turned


@examples(10)
@given(trees.portfolios(), SEEDS)
def test_order_of_siblings_and_of_asset_columns_changes_no_bit(tree: dict, seed: int) -> None:
    prices = panels.market(seed)
    turned = {name: frame.iloc[:, ::-1] for name, frame in reversed(prices.items())}
    same_bits(run(tree, prices), run(reordered(tree), turned))


def renamed(tree: dict) -> dict:
    """Return the tree with other names for its sleeves, in another alphabetical order."""
    if "sleeves" not in tree:
        return tree
    names = sorted(tree["sleeves"], reverse=True)
    return {**tree, "sleeves": {f"z{i}": renamed(tree["sleeves"][name]) for i, name in enumerate(names)}}


@examples(6)
@given(trees.portfolios(3), SEEDS)
def test_names_of_sleeves_change_no_bit(tree: dict, seed: int) -> None:
    prices = panels.market(seed)
    left, right = run(tree, prices), run(renamed(tree), prices)
    pd.testing.assert_frame_equal(left.weights, right.weights, check_exact=True)
    pd.testing.assert_frame_equal(left.returns(), right.returns(), check_exact=True)


@pytest.mark.parametrize("optimizer", ["equal", "inverse_volatility", "min_variance", "erc", "max_sharpe"])
def test_equal_children_get_equal_weights(optimizer: str) -> None:
    twin = {**WEEKDAY, "universe": ["AA", "BB"]}
    sleeves = {"one": twin, "other": {**WEEKDAY, "universe": ["CC", "DD"]}, "two": copy.deepcopy(twin)}
    tree = {"name": "root", "optimizer": optimizer, "lookback": 15, "schedule": {"every": 5}, "sleeves": sleeves}
    result = metabt.backtest(tree, panels.market(1, mixed=False, gaps=False))
    weights = result.sleeve_weights()
    np.testing.assert_allclose(weights["one"], weights["two"], rtol=0, atol=1e-9)
    if optimizer != "equal":
        assert (weights["one"] - weights["other"]).abs().max() > 0.01


# ------------------------------------------------------------------------------------------ conservation


@examples(15)
@given(trees.portfolios(), SEEDS, st.booleans())
def test_weights_and_shares_of_risk_add_up(tree: dict, seed: int, gaps: bool) -> None:
    result = run(tree, panels.market(seed, gaps=gaps))
    for path, sleeve in trees.walk(tree, "root"):
        decisions_add_up(result.decisions(path), sleeve)
    weights, contributions = decoded(result.tables["weights"]), decoded(result.tables["contributions"])
    assert np.isfinite(weights[["before", "target", "trade"]]).all(axis=None)
    both = pd.concat(
        [
            contributions.groupby(["date", "symbol"])["weight"].sum(),
            weights.set_index(["date", "symbol"])["target"],
        ],
        axis=1,
    ).fillna(0.0)
    assert both.empty or (both["weight"] - both["target"]).abs().max() <= 1e-12
    risk = decoded(result.tables["risk"])
    total = risk.groupby(["path", "measure", "date"], dropna=False)["contribution"].sum(min_count=1).dropna()
    assert (total - 1.0).abs().max() <= 1e-10 if len(total) else True


def decisions_add_up(decisions: pd.DataFrame, sleeve: dict) -> None:
    """Assert bounds, sums and signs of every decision of one sleeve."""
    optimizer = sleeve["optimizer"] if isinstance(sleeve["optimizer"], dict) else {}
    low, high = optimizer.get("min_weight", 0.0), optimizer.get("max_weight", 1.0)
    sign = -1.0 if sleeve.get("direction") == "short" else 1.0
    rows = decisions.assign(weight=sign * decisions["weight"])
    assert np.isfinite(rows["weight"]).all()
    out = (rows["reason"] != "") | (rows["status"] == "cash")
    assert (rows.loc[out, "weight"] == 0).all()
    held = rows[~out]
    assert held.empty or held["weight"].max() <= high + 1e-12
    assert (held["weight"] >= np.where(held["status"] == "ok", low, 0.0) - 1e-12).all()
    total = held.groupby("date")["weight"].agg(["sum", "size"])
    assert (total["sum"] - np.minimum(1.0, total["size"] * high)).abs().max() <= 1e-12 or total.empty
    shares = rows.groupby("date")["risk_contribution"].sum(min_count=1).dropna()
    assert (shares - 1.0).abs().max() <= 1e-10 or shares.empty


# ------------------------------------------------------------------------------- costs, shorts, stale prices


def stocks(**prices: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        prices, index=pd.date_range("2024-01-01", periods=len(next(iter(prices.values())))), dtype=float
    )


NOW = {"schedule": {"every": 9}, "start": "2024-01-03", "lookback": 2, "lag": 0}
"""Decides once, on the third session, and trades at its close."""


def test_costs_are_charged_once_on_netted_trades_at_every_level() -> None:
    prices = stocks(A=[100, 101, 100, 110, 110, 110], B=[100, 102, 100, 100, 100, 100])
    leaf = {**NOW, "costs": {"commission_bp": 100}}
    sleeves = {"buys": {**leaf, "universe": ["A", "B"]}, "sells": {**leaf, "universe": ["A"], "direction": "short"}}
    tree = {"name": "root", **NOW, "costs": {"commission_bp": 60, "slippage_bp": 40}, "sleeves": sleeves}
    result = metabt.backtest(tree, prices)
    # each leaf trades 1 of its own NAV: 1 %, charged on its own first row
    for name, gross in (("buys", 0.05), ("sells", -0.1)):
        first = result.returns(f"root/{name}").iloc[0]
        assert first[["gross", "cost", "net"]].tolist() == pytest.approx(
            [gross, 0.01, 0.99 * (1 + gross) - 1], abs=1e-14
        )
    # the root holds A: 1/2 x 1/2 - 1/2 x 1 = -1/4 and B: 1/4, and trades 1/2, not 1
    assert result.weights.iloc[0].to_dict() == pytest.approx({"A": -0.25, "B": 0.25}, abs=1e-15)
    root = result.returns()
    assert root["cost"].tolist() == pytest.approx([0.005, 0, 0], abs=1e-15)
    # gross of the root is that of its book: the children's costs are theirs
    assert root["gross"].iloc[0] == pytest.approx(-0.025, abs=1e-15)
    assert root["net"].iloc[0] == pytest.approx(0.995 * 0.975 - 1, abs=1e-15)
    assert root["nav"].tolist() == pytest.approx(np.cumprod(1 + root["net"]).tolist(), abs=1e-15)
    saved = result.metrics().loc["root", "netting_benefit"]
    assert saved > 0


def test_shorts_are_kept_in_nav_accounting() -> None:
    prices = stocks(A=[100, 101, 100, 120, 60, 60], B=[100, 102, 100, 100, 100, 100])
    tree = {"name": "root", **NOW, "universe": ["A", "B"], "direction": "short", "costs": {"borrow_bp": 365}}
    found = metabt.backtest(tree, prices).returns()
    # NAV 1, short 1/2 of each. A +20 %: R = -0.1, NAV 0.9, A owes 0.6, B 0.5. Then A halves: +0.3 on 0.9.
    assert found["gross"].tolist() == pytest.approx([-0.1, 0.3 / 0.9, 0.0], abs=1e-15)
    # one day's borrow of 1 bp on the shorts held: 1, then 1.1/0.9, then 0.8/1.2 of NAV
    assert found["cost"].tolist() == pytest.approx([1e-4, 1e-4 * 1.1 / 0.9, 1e-4 * 0.8 / 1.2], abs=1e-15)


def test_a_short_that_takes_the_whole_nav_fails_the_run() -> None:
    prices = stocks(A=[100, 101, 100, 210, 210])
    with pytest.raises(metabt.errors.RunError, match="ruined"):
        metabt.backtest({"name": "root", **NOW, "universe": ["A"], "direction": "short"}, prices)


def test_a_stale_holding_is_closed_and_counted() -> None:
    nan = np.nan
    prices = stocks(A=[100, 101, 100, 100, 100, 100, 100], B=[100, 102, 100, 110, nan, nan, 55])
    tree = {"name": "root", **NOW, "universe": ["A", "B"], "stale_after": 2, "costs": {"commission_bp": 100}}
    result = metabt.backtest(tree, prices)
    # B is worth 0.55 of 1.05 after its rise, and is sold after two sessions without a price; its fall to 55 is nobody's
    found = result.returns()
    assert found["turnover"].tolist() == pytest.approx([0, 0, 0.5 * 0.55 / 1.05, 0], abs=1e-15)
    assert found["cost"].tolist() == pytest.approx([0.01, 0, 0, 0.01 * 0.55 / 1.05], abs=1e-15)
    assert found["gross"].tolist() == pytest.approx([0.05, 0, 0, 0], abs=1e-15)
    assert result.weights["B"].iloc[-1] == 0.0


def test_a_trade_without_a_price_waits_and_cash_absorbs_it() -> None:
    prices = stocks(A=[100, 101, 100, 100, 100, 100], B=[100, 102, 100, np.nan, 120, 132])
    result = metabt.backtest({"name": "root", **NOW, "lag": 1, "universe": ["A", "B"]}, prices)
    assert result.weights.loc["2024-01-04"].fillna(0.0).to_dict() == pytest.approx({"A": 0.5, "B": 0.0})
    assert result.weights.loc["2024-01-05"].to_dict() == pytest.approx({"A": 0.5, "B": 0.5})
    assert result.returns()["gross"].tolist() == pytest.approx([0.0, 0.05], abs=1e-15)


# --------------------------------------------------------------- warm-up, late starters, start, calendars


def late_tree(**root: object) -> dict:
    """Return a root whose second child starts late."""
    late = {**WEEKDAY, "universe": ["CC", "DD"], "start": "2021-04-05"}
    sleeves = {"early": {**WEEKDAY, "universe": ["AA", "BB"]}, "late": late}
    return {"name": "root", **WEEKDAY, "optimizer": "min_variance", "sleeves": sleeves, **root}


def without_dataset(tree: dict) -> dict:
    return {key: value for key, value in tree.items() if key != "dataset"}


def test_a_root_starts_with_its_first_leaf_and_late_starters_wait_until_they_are_eligible() -> None:
    tree = without_dataset(late_tree())
    result = metabt.backtest(tree, panels.market(2, mixed=False, gaps=False))
    weights, rows = result.sleeve_weights(), result.decisions()
    status = rows.groupby("date")["status"].first()
    early = result.decisions("root/early")["date"].min()
    assert rows["date"].min() == early
    assert status.iloc[0] == "warmup" and weights.iloc[0].to_dict() == {"early": 1.0, "late": 0.0}
    live, first = result.decisions("root/late")["date"].min(), result.returns("root/late").index[0]
    eligible = result.returns("root/late").index[WEEKDAY["lookback"] - 1]
    waiting = rows[(rows["item"] == "late") & (rows["date"] >= live) & (rows["date"] < eligible)]
    assert first > live and len(waiting) >= 2
    assert (waiting["weight"] == 0).all() and (waiting["reason"] == "waiting").all()
    assert (weights.loc[eligible:, "late"] > 0).any()


def test_children_that_start_together_share_equally_until_all_are_eligible() -> None:
    tree = without_dataset(late_tree(optimizer={"name": "min_variance", "max_weight": 0.45}))
    tree["sleeves"]["late"].pop("start")
    tree["sleeves"]["third"] = {**WEEKDAY, "universe": ["AA", "EE"]}
    result = metabt.backtest(tree, panels.market(2, mixed=False, gaps=False))
    warm = result.decisions()[lambda rows: rows["status"] == "warmup"]
    assert len(warm) >= 6
    np.testing.assert_allclose(warm["weight"], 1 / 3, rtol=0, atol=1e-15)
    assert warm["risk_contribution"].isna().all()
    two = {name: tree["sleeves"][name] for name in ("early", "late")}
    capped = metabt.backtest(
        {**tree, "sleeves": {**two, "third": {**two["late"], "start": "2021-06-01"}}}, {"stocks": panels.stocks(2)}
    )
    assert (capped.sleeve_weights().iloc[0][["early", "late"]] == 0.45).all()  # what the bound leaves over is cash


def test_warmup_wait_decides_nothing_until_every_live_child_is_eligible() -> None:
    tree = without_dataset(late_tree(warmup="wait"))
    result = metabt.backtest(tree, panels.market(2, mixed=False, gaps=False))
    first = result.decisions()["date"].min()
    assert first >= result.returns("root/early").index[WEEKDAY["lookback"] - 1]
    assert "warmup" not in set(result.decisions()["status"])


def test_start_sets_the_first_scheduled_session_and_keeps_earlier_prices_as_lookback() -> None:
    prices = {"stocks": panels.stocks(4)}
    tree = {"name": "root", **WEEKDAY, "universe": panels.STOCKS, "optimizer": "min_variance", "start": "2021-03-10"}
    dates = metabt.backtest(tree, prices).sleeve_weights().index
    days = prices["stocks"].index
    assert list(dates) == list(days[days >= "2021-03-10"][::5])
    argument = metabt.backtest({key: tree[key] for key in tree if key != "start"}, prices, start="2021-03-10")
    assert list(argument.sleeve_weights().index) == list(dates)


def test_end_is_a_view() -> None:
    prices = {"stocks": panels.stocks(4)}
    tree = {"name": "root", **WEEKDAY, "universe": panels.STOCKS, "optimizer": "min_variance"}
    whole, cut = metabt.backtest(tree, prices), metabt.backtest(tree, prices, end="2021-05-07")
    pd.testing.assert_frame_equal(cut.returns(), whole.returns().loc[:"2021-05-07"], check_exact=True)
    assert cut.decisions()["date"].max() <= pd.Timestamp("2021-05-07")


def test_a_weekend_of_a_24x7_sleeve_accrues_to_the_next_common_session() -> None:
    prices = panels.market(3, gaps=False)
    sleeves = {"coins": COIN, "stocks": {**WEEKDAY, "universe": panels.STOCKS}}
    tree = {
        "name": "root",
        "optimizer": "inverse_volatility",
        "schedule": {"every": 4},
        "lookback": 15,
        "sleeves": sleeves,
    }
    result = metabt.backtest(tree, prices)
    decided = result.sleeve_weights().loc[lambda weights: weights["coins"] > 0]  # the coins begin later, and wait
    assert len(decided) > 5
    weekdays = prices["stocks"].index
    coin = result.returns("root/coins")["net"]
    accrued = (1 + coin).cumprod().reindex(weekdays).ffill().pct_change(fill_method=None)
    stock = result.returns("root/stocks")["net"]
    for T, weights in decided.iterrows():
        assert T in weekdays
        inverse = 1 / pd.Series({"coins": accrued.loc[:T].tail(15).std(), "stocks": stock.loc[:T].tail(15).std()})
        np.testing.assert_allclose(
            weights[["coins", "stocks"]], (inverse / inverse.sum())[["coins", "stocks"]], atol=1e-12
        )
    stream = result.returns()
    assert {5, 6} <= set(stream.index.day_of_week)  # the root's own stream has its weekends
    assert stream.index[-1] == min(frame.index[-1] for frame in prices.values())


def test_a_closed_dataset_does_not_hold_the_tree_and_its_sleeve_leaves_it() -> None:
    prices = panels.market(2, gaps=False)
    prices["coins"] = prices["coins"].loc[:"2021-05-12"]
    sleeves = {"coins": COIN, "stocks": {**WEEKDAY, "universe": panels.STOCKS}}
    rules = {
        "optimizer": "inverse_volatility",
        "schedule": {"every": 4},
        "lookback": 12,
        "costs": {"commission_bp": 10},
    }
    tree = {"name": "root", **rules, "sleeves": sleeves}
    dates = prices["coins"].index.to_numpy().astype("datetime64[D]")
    closed = Prices("coins", dates, tuple(panels.COINS), prices["coins"].to_numpy().copy(), closed=True)
    result = metabt.backtest(tree, {**prices, "coins": closed})
    assert_agrees(result, oracle.run(tree, prices, closed=frozenset({"coins"})))
    assert result.returns().index[-1] == prices["stocks"].index[-1]
    assert (result.weights[panels.COINS].loc["2021-05-25":] == 0).all(axis=None)
    assert metabt.backtest(tree, prices).returns().index[-1] == pd.Timestamp("2021-05-12")


def test_deeper_chains_are_walked_by_their_own_optimizers() -> None:
    inner = {"optimizer": "min_variance", "lookback": 12, "schedule": {"every": 5}}
    pair = {"a": {**WEEKDAY, "universe": ["AA", "BB"]}, "b": {**WEEKDAY, "universe": ["CC", "DD", "EE"]}}
    tree = {
        "name": "root",
        **inner,
        "optimizer": "inverse_volatility",
        "sleeves": {"pair": {**inner, "sleeves": pair}, "c": COIN},
    }
    prices = panels.market(1, gaps=False)
    result = metabt.backtest(tree, prices)
    alone = metabt.backtest({"name": "pair", **inner, "sleeves": pair}, {"stocks": prices["stocks"]})
    inside = result.returns("root/pair")
    pd.testing.assert_frame_equal(inside, alone.returns().loc[: inside.index[-1]], check_exact=True)
