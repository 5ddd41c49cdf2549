"""Attribution of whole trees: sums close at every level, and naive loops over stored tables find the same."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

import metabt
from metabt.cli.main import main
from metabt.errors import ConfigError, StoreError
from tests.shared import panels, trees
from tests.shared.laws import SEEDS, examples, run
from tests.shared.replay import asset_returns

EXACT = 1e-10
LEAF = {"dataset": "stocks", "lookback": 12, "schedule": {"every": 5}}
NESTED = {
    "name": "root",
    "optimizer": "inverse_volatility",
    "defaults": {
        "lookback": 12,
        "schedule": {"every": 5},
        "costs": {"commission_bp": 10, "slippage_bp": 5, "borrow_bp": 100},
    },
    "sleeves": {
        "stocks": {
            "optimizer": "min_variance",
            "sleeves": {
                "long": {"dataset": "stocks", "universe": ["AA", "BB", "CC"], "optimizer": "min_variance"},
                "short": {"dataset": "stocks", "universe": ["CC", "DD"], "direction": "short"},
                "idle": {
                    "dataset": "stocks",
                    "universe": ["DD", "EE"],
                    "optimizer": {"name": "equal", "max_weight": 0.5},
                },
            },
        },
        "coins": {"dataset": "coins", "universe": panels.COINS, "selector": {"name": "top_k", "k": 2}},
    },
}


def equal(tree: dict) -> dict:
    """Return a tree dict in which nothing is chosen."""
    leaf = {"selector": "all"} if "universe" in tree else {}
    below = {"sleeves": {name: equal(child) for name, child in tree["sleeves"].items()}} if "sleeves" in tree else {}
    return {**tree, "optimizer": "equal", **leaf, **below}


def total(result: metabt.Result, path: str) -> float:
    stream = result.returns(path)["net"]
    return float(np.prod(1 + stream) - 1) if len(stream) else 0.0


def sums_close(table: pd.DataFrame, totals: dict[str, float], into: pd.DataFrame) -> None:
    """Assert that rows add up to each sleeve's total, and to its row in its parent: `into`, by path and item."""
    sums = table.groupby("path", observed=True)[["own", "root"]].sum()
    for path, expected in totals.items():
        scale = max(1.0, abs(expected))
        assert abs(sums.loc[path, "own"] - expected) < EXACT * scale, path
        parent, _, name = path.rpartition("/")
        above = into.loc[(parent, name), "root"] if parent else expected
        assert abs(sums.loc[path, "root"] - above) < EXACT * scale, path


def children(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["kind"] == "child"].groupby(["path", "item"], observed=True)[["own", "root"]].sum()


# ------------------------------------------------------------------------------------------ contributions


@examples(30)
@given(trees.portfolios(), SEEDS)
def test_contributions_add_up_at_every_level(tree: dict, seed: int) -> None:
    result = run(tree, panels.market(seed))
    table = result.attribution()
    sums_close(table, {path: total(result, path) for path in result.paths}, children(table))


@pytest.mark.parametrize("every", ["year", "month"])
def test_periods_add_up_to_the_whole(every: str) -> None:
    result = metabt.backtest(NESTED, panels.market(1, gaps=True), end="2021-06-18")
    for whole, cut in ((result.attribution(), result.attribution(every)), (result.brinson(), result.brinson(every))):
        keys = [name for name in whole if name not in ("date", "own", "root")]
        sums = [table.groupby(keys, observed=True)[["own", "root"]].sum() for table in (whole, cut)]
        pd.testing.assert_frame_equal(*sums, rtol=0, atol=1e-12)
        dates = result.returns().index
        assert set(cut["date"]) <= set(asset_returns(panels.market(1, gaps=True)).index)
        assert cut["date"].nunique() == dates.union([pd.Timestamp("2021-01-29")]).to_period(every[0].upper()).nunique()


def test_a_month_has_what_was_earned_in_its_sessions() -> None:
    """Carino's factors give each month its share of the log growth of the whole."""
    result = metabt.backtest(NESTED, panels.market(1, gaps=True))
    net = result.returns()["net"]
    growth = np.log1p(net).groupby(net.index.to_period("M")).sum()
    table = result.attribution("month")
    found = table[table["path"] == "root"].groupby("date")["own"].sum()
    found = found.set_axis(pd.DatetimeIndex(found.index).to_period("M"))
    assert found.index.is_unique and len(growth) > 3
    expected = growth / growth.sum() * total(result, "root")
    np.testing.assert_allclose(found, expected.reindex(found.index, fill_value=0.0), rtol=0, atol=1e-12)


@examples(15)
@given(trees.portfolios(3), SEEDS)
def test_assets_within_sleeves_earn_what_a_replay_of_their_weights_does(tree: dict, seed: int) -> None:
    prices = panels.market(seed)
    result = run(tree, prices)
    expected = replayed(result, asset_returns(prices))
    table = result.attribution()
    found = table[table["kind"] == "asset"].set_index(["path", "item"])["root"]
    for key, value in found.items():
        assert abs(value - expected.get(key, 0.0)) < EXACT, key


def replayed(result: metabt.Result, returns: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Return what each (leaf, symbol) contributed, by a loop over stored weights and prices."""
    stored = result.contributions.groupby("date")
    net, gross = result.returns()["net"], result.returns()["gross"]
    whole = float(np.prod(1 + net) - 1)
    scale = math.log1p(whole) / whole if whole else 1.0
    held: dict[tuple[str, str], float] = {}
    found: dict[tuple[str, str], float] = {}
    for t in returns.index:
        if t in net.index:
            factor = (math.log1p(net[t]) / net[t] if net[t] else 1.0) / scale
            for key, weight in held.items():
                earned = weight * returns.at[t, key[1]]
                found[key] = found.get(key, 0.0) + factor * earned
                held[key] = weight * (1 + returns.at[t, key[1]]) / (1 + gross[t])
        elif t < net.index[0]:  # what is held cancels, but for rounding: it drifts, and the NAV does not move
            held = {key: weight * (1 + returns.at[t, key[1]]) for key, weight in held.items()}
        if t in stored.groups:
            for row in stored.get_group(t).itertuples():
                held[row.path, row.symbol] = row.weight
    return found


def test_a_sleeve_contributes_to_itself_what_it_would_on_its_own() -> None:
    prices = panels.market(2, gaps=False)
    within = metabt.backtest(NESTED, prices).attribution()
    alone = metabt.backtest({**NESTED["sleeves"]["stocks"], "name": "stocks", "defaults": NESTED["defaults"]}, prices)
    found = within[within["path"] == "root/stocks"].set_index("item")["own"]
    expected = alone.attribution()
    expected = expected[expected["path"] == "stocks"].set_index("item")
    np.testing.assert_allclose(found[expected.index], expected["own"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(expected["own"], expected["root"], rtol=0, atol=1e-14)


def test_one_child_contributes_everything() -> None:
    tree = {"name": "root", "lookback": 12, "sleeves": {"only": {**LEAF, "universe": ["AA", "BB"]}}}
    result = metabt.backtest(tree, panels.market(0, mixed=False, gaps=False))
    table = result.attribution().set_index(["path", "item"])["own"]
    assert abs(table["root", "only"] - total(result, "root")) < EXACT and table["root", "costs"] == 0.0


def test_one_asset_by_hand() -> None:
    dates = pd.bdate_range("2021-01-04", periods=5)
    prices = pd.DataFrame({"A": [100.0, 100, 100, 110, 121]}, index=dates)
    tree = {"name": "root", "universe": ["A"], "lookback": 2, "lag": 0, "schedule": {"every": 2}}
    costs = {"commission_bp": 100}
    result = metabt.backtest({**tree, "costs": costs}, prices)
    table = result.attribution().set_index("item")["own"]
    first = 0.99 * 1.1 - 1  # bought for 1 % at the close of the third session
    whole = 1.1 * (1 + first) - 1
    k = math.log1p(whole) / whole
    assert table["A"] == pytest.approx((0.1 * math.log1p(first) / first + math.log(1.1)) / k, abs=1e-14)
    assert table["costs"] == pytest.approx(-0.011 * math.log1p(first) / first / k, abs=1e-14)


# -------------------------------------------------------------------------------------------------- brinson


@examples(20)
@given(trees.portfolios(), SEEDS)
def test_effects_add_up_at_every_level(tree: dict, seed: int) -> None:
    prices = panels.market(seed)
    result, benchmark = run(tree, prices), run(equal(tree), prices)
    table = result.brinson()
    selection = children(table[table["effect"] == "selection"])
    sums_close(table, {path: total(result, path) - total(benchmark, path) for path in result.paths}, selection)


def test_effects_of_two_leaves_by_a_naive_loop() -> None:
    leaves = {"one": {**LEAF, "universe": ["AA", "BB", "CC"], "optimizer": "min_variance"}}
    leaves["two"] = {**LEAF, "universe": ["DD", "EE"], "selector": {"name": "top_k", "k": 1}}
    tree = {"name": "root", "lookback": 12, "schedule": {"every": 5}, "lag": 0, "optimizer": "min_variance"}
    prices = panels.market(4, mixed=False, gaps=False)
    runs = [metabt.backtest(it, prices) for it in (tree | {"sleeves": leaves}, equal(tree | {"sleeves": leaves}))]
    net = [result.returns()["net"] for result in runs]
    shares = [drifting(result) for result in runs]
    totals = [float(np.prod(1 + stream) - 1) for stream in net]
    scale = (math.log1p(totals[0]) - math.log1p(totals[1])) / (totals[0] - totals[1])
    expected: dict[tuple[str, str], float] = {}
    for t in net[0].index:
        p, b = net[0][t], net[1][t]
        k = ((math.log1p(p) - math.log1p(b)) / (p - b) if p != b else 1 / (1 + p)) / scale
        for name in leaves:
            w, v = (held[t][name] for held in shares)
            r, s = (result.returns(f"root/{name}")["gross"].get(t, 0.0) for result in runs)
            effects = {"allocation": (w - v) * s, "selection": v * (r - s), "interaction": (w - v) * (r - s)}
            for effect, amount in effects.items():
                expected[name, effect] = expected.get((name, effect), 0.0) + k * amount
    table = runs[0].brinson()
    found = table[(table["path"] == "root") & (table["kind"] == "child")].set_index(["item", "effect"])["own"]
    assert set(found.index) == set(expected)
    assert any(abs(value) > 1e-3 for value in expected.values())
    for key, value in expected.items():
        assert abs(found[key] - value) < 1e-9, key


def drifting(result: metabt.Result) -> dict[pd.Timestamp, dict[str, float]]:
    """Return the shares that a root of lag 0 held over each session, by its decisions and its children's streams."""
    decided, gross = result.sleeve_weights(), result.returns()["gross"]
    held, found = dict.fromkeys(decided.columns, 0.0), {}
    for t in [decided.index[0], *gross.index]:
        found[t] = held
        if t in gross.index:
            own = {name: result.returns(f"root/{name}")["gross"].get(t, 0.0) for name in held}
            held = {name: share * (1 + own[name]) / (1 + gross[t]) for name, share in held.items()}
        if t in decided.index:
            held = decided.loc[t].to_dict()
    return found


def test_the_equal_tree_has_no_effects() -> None:
    table = metabt.backtest(equal(NESTED), panels.market(3)).brinson()
    assert not table[["own", "root"]].to_numpy().any()


def test_a_flat_run_and_a_leaf_alone_choose_assets_only() -> None:
    long_only = {**NESTED, "sleeves": {"coins": NESTED["sleeves"]["coins"], "more": {**LEAF, "universe": ["AA", "BB"]}}}
    prices = panels.market(5, gaps=False)
    flat = metabt.backtest(long_only, prices, is_meta_backtest=False)
    assert abs(flat.attribution()["own"].sum() - total(flat, "root")) < EXACT
    benchmark = metabt.backtest({**long_only, "optimizer": "equal"}, prices, is_meta_backtest=False)
    effects = flat.brinson()
    assert abs(effects["own"].sum() - (total(flat, "root") - total(benchmark, "root"))) < EXACT
    assert set(effects["effect"]) == {"selection", "costs"}


# ---------------------------------------------------------------------------------- where a run came from


def test_a_stored_run_is_attributed_as_it_was_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prices = panels.market(1)
    for dataset, frame in prices.items():
        frame.to_csv(tmp_path / f"{dataset}.csv", index_label="date")
        arguments = ["ingest", str(tmp_path / f"{dataset}.csv"), "--dataset", dataset]
        assert main([*arguments, "--lakehouse", str(tmp_path / "lake")]) == 0
    stored = metabt.backtest(NESTED, tmp_path / "lake")
    again, loaded = metabt.backtest(NESTED, tmp_path / "lake"), metabt.load(tmp_path / "lake")
    assert again.found and loaded.found
    for result in (again, loaded):
        pd.testing.assert_frame_equal(result.attribution(), stored.attribution(), check_exact=True)
        pd.testing.assert_frame_equal(result.brinson(), stored.brinson(), check_exact=True)
        found, expected = (it.baselines(samples=10).statistics for it in (result, stored))
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert abs(stored.attribution().query("path == 'root'")["own"].sum() - total(stored, "root")) < EXACT
    monkeypatch.setattr("metabt.runs.request._basis", lambda code: {"format": 2})
    with pytest.raises(StoreError, match="cannot be walked again for what its tables do not hold: .*another run"):
        loaded.attribution()


def test_refusals_say_what_was_wanted() -> None:
    result = metabt.backtest(NESTED, panels.market(1))
    with pytest.raises(ConfigError, match="every is 'week'.*wanted year, month or None"):
        result.attribution("week")
    with pytest.raises(ConfigError, match="does not know where it came from"):
        metabt.Result(result.run_id, result.tables).attribution()
