"""metabt.sweep: in memory and in a lakehouse the same runs, a table of them, and the best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.errors import ConfigError, RunError
from metabt.luck.luck import luck

TREE = {
    "name": "demo",
    "lookback": 30,
    "optimizer": {"name": "min_variance"},
    "sleeves": {
        "ab": {"universe": ["A", "B"], "optimizer": "erc"},
        "cd": {"universe": ["C", "D"], "optimizer": "equal"},
    },
}
SPACE = {
    "lookback": range(20, 61, 20),
    "optimizer.max_weight": metabt.interval(0.4, 0.9),
    "sleeves.ab.lookback": [20, 40],
    "lag": 1,
}
SEARCH: dict[str, Any] = {"sampler": "sobol", "n": 8, "batch": 4, "objective": "volatility", "engine": "local"}


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    sessions = pd.bdate_range("2018-01-01", periods=560, name="date")
    moves = np.random.default_rng(0).normal(0.0005, 0.01, (560, 4))
    return pd.DataFrame(100 * np.cumprod(1 + moves, axis=0), sessions, list("ABCD"))


def test_a_grid_has_every_combination_with_the_metrics_of_its_run(prices: pd.DataFrame) -> None:
    space = {"lookback": [20, 40], "optimizer.name": ["erc", "equal", "nope"]}
    found = metabt.sweep(TREE, space, prices, engine="local")
    table = found.table
    assert list(table.columns[:5]) == ["lookback", "name", "status", "error", "run_id"]
    assert list(zip(table.lookback, table.name, strict=True)) == [
        (lookback, name) for lookback in (20, 40) for name in ("erc", "equal", "nope")
    ]
    assert list(table.status) == ["ok", "ok", "failed"] * 2 and "no optimizer is called 'nope'" in table.error[2]
    assert table.sharpe.isna().tolist() == [False, False, True] * 2
    for place in (0, 1, 3, 4):
        alone = metabt.backtest(found.tree(found.runs[place]), prices, engine="local")
        metrics = alone.frame("metrics").query("path == 'demo'").set_index("metric").value
        assert alone.run_id == table.run_id[place]
        pd.testing.assert_series_equal(table.loc[place, metrics.index].astype(float), metrics, check_names=False)
    assert found.best.metrics["sharpe"] == table.sharpe.max()
    assert repr(found) == f"SweepResult(6 configurations, 2 failed; best sharpe {table.sharpe.max():.4g})"
    assert found._repr_html_().count("<tr") == 1 + 4


def test_a_search_in_a_lakehouse_is_that_in_memory_and_goes_on(prices: pd.DataFrame, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    metabt.ingest(prices, dataset="prices", lakehouse=lake)
    one, other = (metabt.sweep(TREE, SPACE, where, **SEARCH) for where in (prices, lake))
    is_ok = one.table.status == "ok"
    pd.testing.assert_frame_equal(one.table[is_ok], other.table[is_ok])
    pd.testing.assert_frame_equal(one.table.drop(columns="run_id"), other.table.drop(columns="run_id"))
    assert 0 < is_ok.sum() < len(is_ok), "what fails in memory is stored nowhere, and has no run_id"
    assert one.best.run_id == other.best.run_id and one.sweep_id is None and other.sweep_id
    assert one.best.metrics["volatility"] == one.table.volatility.min()
    more = metabt.sweep(TREE, SPACE, lake, **{**SEARCH, "n": 12})
    assert more.sweep_id == other.sweep_id
    assert [run.found for run in more.runs] == [run.status == "ok" for run in other.runs] + [False] * 4
    assert metabt.load(lake, other.best.run_id).run_id == other.best.run_id


@pytest.mark.parametrize("cash", [{}, {"cash": {"rate": 0.03}}], ids=["no cash", "cash"])
def test_luck_in_memory_and_in_a_lakehouse_is_that_of_the_streams(
    prices: pd.DataFrame, tmp_path: Path, cash: dict[str, Any]
) -> None:
    tree, space = {**TREE, **cash}, {"lookback": [20, 40], "optimizer.name": ["erc", "equal"]}
    metabt.ingest(prices, dataset="prices", lakehouse=str(tmp_path / "lake"))
    one, other = (metabt.sweep(tree, space, where, engine="local") for where in (prices, str(tmp_path / "lake")))
    streams = {run.run_id: metabt.backtest(one.tree(run), prices, engine="local").returns()["net"] for run in one.runs}
    wide = pd.DataFrame(streams)
    days = np.diff(wide.index.to_numpy().astype("datetime64[D]"), prepend=np.datetime64("NaT")).astype(float)
    if cash:
        first = prices.index.to_series().diff().dt.days.reindex(wide.index).to_numpy()
        wide = wide.sub(np.expm1(np.log1p(0.03 * first / 365)), axis=0)
        assert np.nanmax(np.abs(days[1:] - first[1:])) == 0
    years = [(own.index[-1] - own.index[0]).days / 365.25 for _, own in pd.DataFrame(streams).items()]
    per_year = float(np.median([len(own.dropna()) / it for (_, own), it in zip(wide.items(), years, strict=True)]))
    apart = luck(wide.to_numpy(np.float32), per_year)
    for found in (one, other):
        assert found.luck is not None and found.luck.n_trials == 4
        place = {run_id: column for column, run_id in enumerate(wide.columns)}
        wanted = [apart.trials.p_luck[place[run_id]] for run_id in found.table.run_id]
        assert found.table.p_luck.tolist() == pytest.approx(wanted, abs=2e-3)
        assert found.evidence.lines()[0].startswith("p luck: how likely the best of 4 trials")


def test_the_tree_that_was_handed_over_stays_as_it_was(prices: pd.DataFrame) -> None:
    before = repr(TREE)
    metabt.sweep(TREE, {"lookback": [20, 40]}, prices, engine="local")
    assert repr(TREE) == before


def test_estimators_that_are_objects_are_swept_around(prices: pd.DataFrame) -> None:
    class First:
        def fit(self, X: np.ndarray, y: Any = None) -> First:
            self.weights_ = np.eye(X.shape[1])[0]
            return self

    tree = {"name": "own", "universe": "all", "lookback": 30, "optimizer": First()}
    found = metabt.sweep(tree, {"lag": [0, 1]}, prices, engine="local")
    assert found.table.status.tolist() == ["ok", "ok"] and found.table.sharpe.nunique() == 2


def test_where_nothing_runs_there_is_no_best(prices: pd.DataFrame) -> None:
    found = metabt.sweep(TREE, {"lag": [0, 1], "optimizer.name": "nope"}, prices, engine="local")
    with pytest.raises(RunError, match="none of 2 configurations has a sharpe; `table` has their errors"):
        _ = found.best


@pytest.mark.parametrize(
    ("space", "options", "said"),
    [
        ({}, {}, "space is dict.*wanted a mapping of keys to values"),
        ([1], {}, "space is list"),
        ({1: [1]}, {}, "wanted a dotted path into the tree"),
        ({"lag": []}, {}, "space: 'lag' is list"),
        ({"lag": {0, 1}}, {}, "space: 'lag' is set.*wanted a list of values, a range or metabt.interval"),
        ({"lag": [object()]}, {}, "space: 'lag' is object"),
        ({"lag": metabt.interval(0, 1)}, {}, "'lag' is an interval, which a grid cannot list"),
        ({"lag": [0, 1]}, {"n": 5}, "n is of a search, and a grid has none"),
        ({"lag": [0, 1]}, {"objective": "sharp"}, "^objective is 'sharp', which is no metric"),
        ({"lag": [0, 1]}, {"sampler": "sobol"}, "^sampler=sobol has no objective"),
        ({"lag": [0, 1]}, {"sampler": "sobl", "objective": "sharpe"}, "did you mean 'sobol'"),
        ({"lag": [0, 1]}, {"sampler": "sobol", "objective": "sharpe", "n": 0}, "^n is 0, wanted"),
        ({"lag": [1]}, {"sampler": "sobol", "objective": "sharpe"}, "no free key"),
        ({"lag": [0, 1]}, {"sampler": "sobol", "objective": "beta", "n": 2}, "set benchmark=SYMBOL"),
        ({"sleeves.x.lag": [0, 1]}, {}, "no sleeve 'x'"),
        ({"lag": [0, 1]}, {"as_of": 3}, "prices are in memory"),
        ({"lag": range(10**9)}, {}, "the limit is"),
    ],
)
def test_what_cannot_be_swept_is_refused(prices: pd.DataFrame, space: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        metabt.sweep(TREE, space, prices, **{"engine": "local", **options})


def test_a_tree_that_is_resolved_cannot_be_swept(prices: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match="tree is NoneType|tree is None"):
        metabt.sweep(None, {"lag": [0, 1]}, prices)  # type: ignore[arg-type]
