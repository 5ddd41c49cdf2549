"""Leaves that take their weights from outside: the oracle's numbers, no look-ahead, nothing computed twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.runs.reproduce import reproduce
from tests.engines.test_point_in_time_build import decided, run
from tests.engines.test_point_in_time_laws import COLUMNS, EXACT, engine
from tests.shared import oracle
from tests.shared.agreement import same
from tests.shared.oracle_point_in_time import PointInTimeMarket
from tests.shared.random_markets import RandomMarket, outside_tree, random_market, with_signals

DAYS = pd.bdate_range("2020-01-01", periods=300)


def slow_after(count: int, total: int) -> list[object]:
    return [seed if seed < count else pytest.param(seed, marks=pytest.mark.slow) for seed in range(total)]


def market(seed: int) -> RandomMarket:
    return with_signals(seed, random_market(seed))


@pytest.mark.parametrize("seed", slow_after(6, 30))
def test_random_trees_with_signals_are_the_oracles(seed: int) -> None:
    of = market(seed)
    tree = outside_tree(seed, of)
    try:
        books = oracle.run(tree, PointInTimeMarket(of.prices, of.tables, of.adjusted, of.volumes))
    except ArithmeticError:
        with pytest.raises(metabt.MetabtError, match="ruined"):
            engine(tree, of.prices, of.dated(), of.adjusted, of.volumes)
        return
    if not next(iter(books.values())).rows:
        assert run(tree, of) is None
        return
    result = engine(tree, of.prices, of.dated(), of.adjusted, of.volumes)
    for path, book in books.items():
        expected, found = book.stream(), result.returns(path)[COLUMNS]
        assert list(found.index) == list(expected.index), path
        apart = np.abs(found.to_numpy(float) - expected[COLUMNS].to_numpy(float)) if len(expected) else np.zeros(1)
        assert apart.max() <= EXACT, f"{path}: {apart.max():.3g}"
        frame = result.decisions(path)
        rows = frame.pivot(index="date", columns="item", values="weight").fillna(0.0)
        assert list(rows.index) == list(book.decisions), path
        why = dict(frame.groupby("date")["status"].first())
        for t, decision in book.decisions.items():
            assert all(abs(rows.loc[t].get(item, 0.0) - w) <= EXACT for item, w in decision.weights.items())
            assert why[t] == decision.status


def without_later(of: RandomMarket, at: str) -> RandomMarket:
    """Return a market with the signals that were known by a date alone."""
    tables = {
        name: {**own, "signals": [row for row in own["signals"] if max(row["date"], row["known_at"]) <= at]}
        for name, own in of.tables.items()
    }
    return replace(of, tables=tables)


@pytest.mark.parametrize("seed", slow_after(4, 20))
def test_what_was_known_only_later_changes_nothing_before(seed: int) -> None:
    of = market(seed)
    tree = outside_tree(seed, of)
    at = of.prices["listed"].index[len(of.prices["listed"]) // 2]
    whole, found = run(tree, of), run(tree, without_later(of, str(at.date())))
    if whole is None or found is None:
        pytest.skip("a ruined tree has no past to compare")
    for path in whole.paths:
        pd.testing.assert_frame_equal(whole.returns(path).loc[:at], found.returns(path).loc[:at], check_exact=True)
        pd.testing.assert_frame_equal(decided(whole, path, at), decided(found, path, at), check_exact=True)


@pytest.mark.parametrize("seed", slow_after(3, 20))
def test_a_run_that_learns_rows_is_a_fresh_one_and_computes_only_from_their_year_on(seed: int) -> None:
    """Rows of assets that the signals name already: who is named anew makes the books of all years wider."""
    rng = np.random.default_rng([seed, 6])
    of, cache = market(seed), metabt.MemoryCache()
    tree = outside_tree(seed, of)
    days = of.prices["listed"].index
    at = str(days[int(rng.integers(len(days) // 3, len(days) - 30))].date())
    then = without_later(of, at)
    for name, own in then.tables.items():
        rows = [row for row in of.tables[name]["signals"] if row not in own["signals"]]
        named = {(row["name"], row["asset"]) for row in own["signals"]}
        of.tables[name]["signals"] = own["signals"] + [row for row in rows if (row["name"], row["asset"]) in named]
    if run(tree, then, cache) is None:
        pytest.skip("a ruined tree has no past to compare")
    found, fresh = run(tree, of, cache), run(tree, of)
    if found is None or fresh is None:
        pytest.skip("a ruined tree has no past to compare")
    assert same(dict(found.tables), dict(fresh.tables))
    stages = found.frame("stages").query("not cache_hit")
    assert (stages["partition"] >= at[:4]).all()


def test_a_row_that_is_known_in_a_later_year_changes_no_key_of_an_earlier_one() -> None:
    prices = pd.DataFrame(np.linspace(10, 20, 300)[:, None] * [1.0, 2.0], DAYS, ["A", "B"])
    rows = pd.DataFrame({"date": ["2020-02-03", "2020-02-03"], "asset": ["A", "B"], "weight": [0.5, 0.25]})
    rows["known_at"] = rows["date"]
    late = rows.assign(weight=[0.1, 0.2], known_at="2021-01-20")
    tree, cache = {"name": "x", "signal": "mine"}, metabt.MemoryCache()
    metabt.backtest(tree, prices, signals={"mine": rows}, cache=cache, engine="local")
    found = metabt.backtest(tree, prices, signals={"mine": pd.concat([rows, late])}, cache=cache, engine="local")
    hits = found.frame("stages").query("path == 'x'").set_index("partition")["cache_hit"]
    assert hits["2020"].all() and not hits["2021"].any()
    dates = found.decisions("x")["date"].unique()
    assert list(dates) == [pd.Timestamp("2020-02-03"), pd.Timestamp("2021-01-20")]


def test_a_signal_drifts_between_its_dates_and_cash_is_what_is_missing_to_one() -> None:
    """0.5 in what doubles and 0.25 in what does not move: 1.0 of 1.5 and 0.25 of 1.5, until the next date."""
    close = [10.0, 10, 20, 20, 20]
    prices = pd.DataFrame({"A": close, "B": [5.0] * 5}, DAYS[:5])
    weights = pd.DataFrame({"A": [0.5, 0.0], "B": [0.25, 1.0]}, DAYS[[1, 3]])
    found = metabt.backtest({"name": "x", "signal": "mine", "lag": 0}, prices, signals={"mine": weights})
    assert found.returns("x")["gross"].tolist() == pytest.approx([0.5, 0.0, 0.0])
    table = found.frame("weights").pivot(index="date", columns="symbol", values="before")
    assert table.loc[DAYS[3]].tolist() == pytest.approx([1 / 1.5, 0.25 / 1.5])
    assert found.weights.loc[DAYS[3], "B"] == 1.0


def test_frames_wide_and_long_are_one_signal_to_the_bit() -> None:
    rng = np.random.default_rng(3)
    prices = pd.DataFrame(np.exp(np.cumsum(rng.normal(0, 0.01, (300, 3)), axis=0)), DAYS, list("ABC"))
    wide = pd.DataFrame(rng.dirichlet(np.ones(3), 9), DAYS[5::30][:9], list("CAB"))
    long = wide.rename_axis("date").reset_index().melt("date", var_name="asset", value_name="weight")
    tree = {"name": "x", "signal": "mine", "costs": {"commission_bp": 3}}
    one, other = (metabt.backtest(tree, prices, signals={"mine": it}) for it in (wide, long.sample(frac=1.0)))
    third = metabt.backtest(tree, prices, tables={"signals": long.assign(name="mine")})
    assert one.run_id == other.run_id == third.run_id
    assert same(dict(one.tables), dict(other.tables)) and same(dict(one.tables), dict(third.tables))


def test_risk_of_a_signal_is_unknown_and_that_of_its_parent_is_not() -> None:
    rng = np.random.default_rng(4)
    prices = pd.DataFrame(np.exp(np.cumsum(rng.normal(0, 0.01, (300, 3)), axis=0)), DAYS, list("ABC"))
    weights = pd.DataFrame({"A": [0.5], "B": [0.5]}, DAYS[[10]])
    sleeves = {"o": {"signal": "mine"}, "e": {"universe": ["C"], "lookback": 20}}
    tree = {"name": "x", "lookback": 40, "schedule": "monthly", "optimizer": "inverse_volatility", "sleeves": sleeves}
    found = metabt.backtest(tree, prices, signals={"mine": weights})
    assert found.decisions("x/o")["risk_contribution"].isna().all()
    assert found.decisions("x").query("status == 'ok'")["risk_contribution"].notna().all()
    alone = metabt.backtest({"name": "o", "signal": "mine"}, prices, signals={"mine": weights})
    assert alone.frame("risk").query("measure == 'ex_ante'")["contribution"].isna().all()


def test_dates_that_fall_to_one_session_are_counted() -> None:
    prices = pd.DataFrame({"A": [10.0] * 20, "B": [5.0] * 20}, DAYS[:20])
    days = pd.to_datetime(["2020-01-04", "2020-01-05", "2020-01-15"])  # a weekend
    weights = pd.DataFrame({"A": [1.0, 0.5, 0.2], "B": [0.0, 0.5, 0.3]}, days)
    found = metabt.backtest({"name": "x", "signal": "mine"}, prices, signals={"mine": weights})
    assert list(found.decisions("x")["date"].unique()) == [pd.Timestamp("2020-01-06"), pd.Timestamp("2020-01-15")]
    assert found.decisions("x")["weight"].tolist() == [0.5, 0.5, 0.2, 0.3]
    (passed,) = found.notes.passed
    assert (passed.path, passed.signal, str(passed.first), passed.times) == ("x", "mine", "2020-01-04", 1)


def walk_of(seed: int, n_sessions: int = 300) -> pd.DataFrame:
    moves = np.random.default_rng(seed).normal(0.0005, 0.01, (n_sessions, 4))
    return pd.DataFrame(100 * np.cumprod(1 + moves, axis=0), DAYS[:n_sessions], list("ABCD"))


def test_the_flattened_weights_of_a_run_are_a_signal_that_earns_what_it_earned() -> None:
    prices = walk_of(7)
    sleeves = {
        "a": {"universe": ["A", "B"], "lag": 2, "schedule": "weekly"},
        "b": {"universe": ["C", "D"], "direction": "short"},
    }
    tree = {"name": "x", "defaults": {"lookback": 20}, "lookback": 20, "optimizer": "equal", "sleeves": sleeves}
    run_of = metabt.backtest(tree, prices)
    again = {"name": "y", "signal": "x", "lag": 0, "short": True}
    found = metabt.backtest(again, prices, signals={"x": run_of.weights.fillna(0)})
    one, other = run_of.returns()["gross"], found.returns()["gross"]
    assert list(one.index) == list(other.index)
    assert np.abs(one - other).max() <= EXACT


def test_a_prediction_of_skfolios_earns_its_first_day_and_drifts_after_it() -> None:
    from skfolio.model_selection import WalkForward, cross_val_predict
    from skfolio.optimization import InverseVolatility

    prices = walk_of(8)
    X = prices.pct_change()[1:]
    predicted = cross_val_predict(InverseVolatility(), X, cv=WalkForward(test_size=21, train_size=100))
    days = prices.index
    weights = {days[days.get_loc(each.observations[0]) - 1]: each.weights_dict for each in predicted}
    signal = pd.DataFrame(weights).T.fillna(0)
    found = metabt.backtest({"name": "x", "signal": "s", "lag": 0}, prices, signals={"s": signal}).returns()["gross"]
    for each in predicted:
        first = pd.Timestamp(each.observations[0])
        assert found[first] == pytest.approx(each.returns[0], abs=1e-15)
        # bought once and held: the mean of what each asset has grown to
        held = (1 + X.loc[each.observations]).cumprod() @ pd.Series(each.weights_dict)
        grown = (1 + found.loc[each.observations[0] : each.observations[-1]]).prod()
        assert grown == pytest.approx(held.iloc[-1], abs=1e-12)


def test_a_lakehouse_runs_anew_when_a_row_is_learnt_and_reproduces_what_it_ran_before(tmp_path: Path) -> None:
    lake, prices, tree = tmp_path / "lake", walk_of(9), {"name": "x", "dataset": "d", "signal": "mine"}
    metabt.ingest(prices, dataset="d", lakehouse=lake)
    beside = {"dataset": "d", "lakehouse": lake, "table": "signals", "name": "mine"}
    metabt.ingest(pd.DataFrame({"A": [0.5], "B": [0.5]}, DAYS[[10]]), **beside)
    before = metabt.backtest(tree, lake, engine="local")
    metabt.ingest(pd.DataFrame({"A": [0.0], "B": [0.5]}, DAYS[[280]]), **beside)
    after = metabt.backtest(tree, lake, engine="local")
    assert not after.found and after.run_id != before.run_id
    stages = after.frame("stages").set_index("partition")["cache_hit"]
    assert stages["2020"].all() and not stages["2021"].any()
    pd.testing.assert_frame_equal(before.returns().loc[: DAYS[280]], after.returns().loc[: DAYS[280]], check_exact=True)
    assert reproduce(lake, before.run_id).differs is None


def test_two_signals_over_the_same_assets_are_each_what_they_are_alone() -> None:
    prices = walk_of(10)
    one, other = (pd.DataFrame({"A": [a, 1 - a], "B": [1 - a, a]}, DAYS[[20, 150]]) for a in (0.2, 0.9))
    told = {"one": one, "other": other}
    late = {"signal": "one", "start": str(DAYS[100].date())}
    sleeves = {"one": {"signal": "one"}, "other": {"signal": "other"}, "late": late}
    tree = {"name": "x", "lookback": 20, "optimizer": "equal", "sleeves": sleeves}
    found = metabt.backtest(tree, prices, signals=told)
    for name, leaf in sleeves.items():
        alone = metabt.backtest({"name": name, **leaf}, prices, signals=told)
        pd.testing.assert_frame_equal(found.returns(f"x/{name}"), alone.returns(), check_exact=True)
    assert list(found.decisions("x/late")["date"].unique()) == [DAYS[100], DAYS[150]]
