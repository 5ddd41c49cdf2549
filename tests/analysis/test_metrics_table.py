"""Metrics table: decisions and excluded items are counted as a frame of all decisions counts them; one row a metric."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

import metabt
from metabt import BacktestEngine
from metabt.analysis.benchmark import Benchmark
from metabt.analysis.common_sessions import Series
from metabt.analysis.metrics.performance import performance
from metabt.analysis.metrics.relative import relative
from metabt.analysis.metrics.stream import Stream
from metabt.analysis.metrics_table import measure
from metabt.analysis.run_tables import view
from metabt.analysis.summary import metrics_by_path
from metabt.data.dataset import Dataset
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from metabt.walk.block import REASONS

TREE: dict[str, Any] = {
    "name": "m",
    "lookback": 40,
    "optimizer": "erc",
    "defaults": {"lookback": 20, "schedule": {"every": 7}, "min_coverage": 0.8, "stale_after": 4},
    "sleeves": {
        "fixed": {"universe": ["A", "B"], "optimizer": {"name": "fixed", "weights": {"A": 0.5}}},
        "sharpe": {"universe": "all", "optimizer": "max_sharpe", "selector": {"name": "top_k", "k": 2}},
        "variance": {"universe": ["B", "C"], "optimizer": "min_variance"},
    },
}


def market(seed: int) -> pd.DataFrame:
    """Return prices that fall and rise, of which C stands still for a while, and D begins late and ends early."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 0.01, (260, 4)) - 0.02 * np.sin(np.arange(260) / 30)[:, None]
    steps[100:160, 2] = 0.0
    frame = pd.DataFrame(100 * np.exp(steps.cumsum(axis=0)), pd.bdate_range("2019-06-03", periods=260), list("ABCD"))
    frame.iloc[:60, 3] = frame.iloc[200:, 3] = np.nan
    return frame


@settings(max_examples=4)
@given(st.integers(0, 2**32))
def test_a_frame_of_decisions_counts_the_same(seed: int) -> None:
    result = metabt.backtest(TREE, market(seed), benchmark="B")
    metrics, seen = result.metrics(), set()
    assert list(metrics.index) == ["m", "m/fixed", "m/sharpe", "m/variance", "benchmark:B"]
    for path in metrics.index[:4]:
        rows = result.decisions(path)
        status = rows.groupby("date")["status"].first()
        expected = {
            "decisions": len(status),
            "fallbacks": int(status.str.startswith("fallback").sum()),
            "warmup_decisions": int((status == "warmup").sum()),
            "cash_decisions": int((status == "cash").sum()),
            **{reason.replace(" ", "_"): int((rows["reason"] == reason).sum()) for reason in REASONS[1:]},
        }
        found = metrics.loc[path, list(expected)]
        assert found.to_dict() == expected
        seen |= {name for name, count in expected.items() if count}
    assert seen >= {"decisions", "warmup_decisions", "constant", "unselected", "ineligible"}


def test_what_ends_is_counted_as_closed() -> None:
    days = pd.bdate_range("2020-01-01", periods=120)
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(100 * np.exp(rng.normal(0, 0.01, (120, 2)).cumsum(axis=0)), days, ["A", "B"])
    frame.iloc[60:, 1] = np.nan
    leaf = {"name": "w", "universe": ["A", "B"], "lookback": 20, "schedule": {"every": 30}, "stale_after": 5}
    assert metabt.backtest(leaf, frame).metrics().loc["w", "stale_closed"] == 1.0
    assert metabt.backtest({**leaf, "stale_after": 90}, frame).metrics().loc["w", "stale_closed"] == 0.0


def test_views_of_one_walk_that_end_apart_have_metrics_of_their_own() -> None:
    prices = {"prices": to_prices("prices", market(1))}
    resolved = resolve(TREE, symbols={"prices": prices["prices"].symbols})
    engine = BacktestEngine([resolved], prices)
    walked, ends = engine.run(), ("2020-03-31", "2020-05-15", None)
    for end in ends:
        shared = metrics_by_path(engine.assemble(walked, end=end)["metrics"])
        alone = metabt.backtest(TREE, market(1), end=end).metrics()
        assert {path: measured["sessions"] for path, measured in shared.items()} == alone["sessions"].to_dict()
        assert {path: measured["decisions"] for path, measured in shared.items()} == alone["decisions"].to_dict()


def test_one_walk_beside_several_benchmarks_has_metrics_beside_each() -> None:
    prices = to_prices("prices", market(1))
    walked = BacktestEngine([resolve(TREE, symbols={"prices": prices.symbols})], {"prices": prices}).run()
    histories = view(walked.plan.trees[0], walked)
    benchmarks = [None, *(Benchmark(Dataset.of(prices.select((symbol,)))) for symbol in "AB"), None]
    measured = [metrics_by_path(measure(histories, walked, it)) for it in benchmarks]
    assert repr(measured[0]) == repr(measured[3]) and "beta" not in measured[0]["m"]
    for it, found in zip(benchmarks[1:3], measured[1:3], strict=True):
        assert it is not None and list(found) == [*(history.path for history in histories), it.path]
        for history in histories:
            expected = relative(history.stream, it.series)
            assert repr({name: found[history.path][name] for name in expected}) == repr(expected)
            counted = {name: value for name, value in found[history.path].items() if name not in expected}
            assert repr(counted) == repr(measured[0][history.path])


def stream_of(result: metabt.Result, path: str, inception: pd.Timestamp) -> Stream:
    """Return a stream as its rows in `returns` have it."""
    rows = result.returns(path)
    names = ("gross", "cost", "net", "turnover", "netting_benefit")
    return Stream(
        np.datetime64(inception.date()),
        rows.index.to_numpy("datetime64[D]"),
        *(rows[name].to_numpy() for name in names),
    )


@settings(max_examples=4)
@given(st.integers(0, 2**32))
def test_every_path_has_the_metrics_of_its_own_rows_each_under_its_name(seed: int) -> None:
    prices = market(seed)
    result = metabt.backtest({**TREE, "costs": {"commission_bp": 10}}, prices, benchmark="B")
    table, b = result.frame("metrics"), prices["B"]
    benchmark = Series(b.index.to_numpy("datetime64[D]"), b.pct_change().to_numpy())
    streams = {}
    for path in (*result.paths, result.benchmark):
        net = result.returns(path)["net"]
        before = prices.index[prices.index < net.index[0]][-1]
        streams[path] = stream_of(result, path, before)
        expected = performance(streams[path]) | ({} if path == result.benchmark else relative(streams[path], benchmark))
        own = table[table["path"] == path]
        assert own["metric"].is_unique and own["metric"].tolist()[: len(expected)] == list(expected)
        found = dict(zip(own["metric"], own["value"], strict=True))
        for name, value in expected.items():
            assert (
                found[name] == value
                or (np.isnan(found[name]) and np.isnan(value))
                or np.isclose(found[name], value, rtol=1e-9, atol=1e-12)
            ), (path, name)
    assert table["path"].drop_duplicates().tolist() == [*result.paths, result.benchmark]
    assert len({tuple(performance(it).values()) for it in streams.values()}) == 5
