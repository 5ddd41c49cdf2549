"""A benchmark beside a portfolio: its curve and metrics against pandas, what it names, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt import lakehouse
from metabt.analysis.benchmark import Benchmark, find_benchmark
from metabt.analysis.metrics.stream import Stream
from metabt.api.completion import completed
from metabt.data.dataset import Dataset
from metabt.data.prices import Prices
from metabt.errors import ConfigError, DataError, RunError
from metabt.portfolio.resolve import resolve
from metabt.runs.record import read_record
from metabt.runs.reproduce import reproduce
from metabt.runs.sweep import run_sweep
from tests.shared.agreement import same
from tests.shared.jobs import book, job
from tests.shared.panels import coins, stocks
from tests.shared.side_by_side import inception_of, per_year, side_by_side, values_of
from tests.shared.small_tree import tree


def mixed() -> dict[str, Any]:
    """Return a tree over stocks on weekdays and coins on every day."""
    costs = {"commission_bp": 30, "slippage_bp": 20}  # so that net is not gross
    leaf = {"lookback": 20, "schedule": "weekly", "optimizer": "inverse_volatility", "costs": costs}
    return {
        "name": "mixed",
        **leaf,
        "sleeves": {
            "stocks": {**leaf, "dataset": "stocks", "universe": ["AA", "BB"]},
            "coins": {**leaf, "dataset": "coins", "universe": "all"},
        },
    }


@pytest.fixture(scope="module")
def prices() -> dict[str, pd.DataFrame]:
    """Return stocks and coins, and an index with gaps that begins late and ends early."""
    index = stocks(9, 130)[["AA", "BB"]].rename(columns={"AA": "IDX", "BB": "OTHER"}).iloc[60:115]
    index.iloc[5:8, 0] = np.nan
    return {"stocks": stocks(5), "coins": coins(5), "indices": index}


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    lakehouse.ingest(tmp_path / "lake", "stocks", stocks(5).rename_axis("date"))
    return tmp_path / "lake"


@pytest.mark.parametrize(("benchmark", "dataset"), [("DD", "stocks"), ("XET", "coins"), ("indices:IDX", "indices")])
def test_the_curve_and_what_is_measured_against_it(
    prices: dict[str, pd.DataFrame], benchmark: str, dataset: str
) -> None:
    result = metabt.backtest(mixed(), prices, benchmark=benchmark)
    symbol = benchmark.rpartition(":")[2]
    assert result.benchmark == f"benchmark:{symbol}" and result.benchmark not in result.paths
    closes, metrics = prices[dataset][symbol].dropna(), result.metrics()
    curve = result.returns(result.benchmark)
    assert (curve["gross"] == curve["net"]).all() and not curve[["cost", "turnover"]].any(axis=None)
    depth = curve["nav"] / np.maximum(curve["nav"].cummax(), 1.0) - 1
    assert metrics.loc[result.benchmark, "max_drawdown"] == pytest.approx(-depth.min())
    for path in result.paths:
        net = result.returns(path)["net"]
        assert (net - result.returns(path)["gross"]).abs().max() > 1e-5
        values = [values_of(net, inception_of(net, metrics.loc[path, "years"])), closes]
        both, count = side_by_side(values, [net.index, closes.index])
        (r, b), annual = (both[column] for column in both), per_year(both, values) ** 0.5
        assert metrics.loc[path, "beta"] == pytest.approx(r.cov(b) / b.var())
        assert metrics.loc[path, "tracking_error"] == pytest.approx((r - b).std() * annual)
        assert metrics.loc[path, "information_ratio"] == pytest.approx((r - b).mean() / (r - b).std() * annual)
        assert metrics.loc[path, "benchmark_sessions"] == count == len(net.index.intersection(closes.index))
        if path == "mixed":  # its curve has a row where the root has one and it has a price
            pd.testing.assert_series_equal(curve["net"], b, check_names=False, check_freq=False)
            assert curve["nav"].to_numpy() == pytest.approx((1 + b).cumprod().to_numpy())
            assert metrics.loc[result.benchmark, "volatility"] == pytest.approx(b.std() * annual)


def test_nothing_else_changes(prices: dict[str, pd.DataFrame]) -> None:
    plain, against = (metabt.backtest(mixed(), prices, benchmark=name) for name in (None, "AA"))
    assert plain.benchmark is None and plain.run_id != against.run_id
    others = [name for name in plain.tables if name not in ("returns", "metrics", "stages")]
    assert same({name: plain.tables[name] for name in others}, {name: against.tables[name] for name in others})
    pd.testing.assert_frame_equal(plain.returns(), against.returns())
    columns = list(plain.metrics().columns)
    pd.testing.assert_frame_equal(plain.metrics(), against.metrics().loc[list(plain.paths), columns])
    tables = [result.summary().split("\n\n")[0] for result in (plain, against)]
    lines = [[line.split() for line in table.splitlines()] for table in tables]
    assert lines[1][:-1] == lines[0] and lines[1][-1][0] == "benchmark:AA"


def test_it_is_part_of_what_names_a_run(prices: dict[str, pd.DataFrame]) -> None:
    def named(benchmark: str, frames: dict[str, pd.DataFrame] = prices) -> str:
        return metabt.backtest(mixed(), frames, benchmark=benchmark).run_id

    corrected = prices["indices"].copy()
    corrected.iloc[3, 0] *= 1.01
    assert named("DD") == named("stocks:DD")
    assert len({named("DD"), named("EE"), named("IDX"), named("IDX", {**prices, "indices": corrected})}) == 4
    assert named("DD") == named("DD", {**prices, "indices": corrected})


def test_no_block_knows_of_it(lake: Path) -> None:
    metabt.backtest(tree(), lake)
    against = metabt.backtest(tree(), lake, benchmark="EE")
    assert not against.found and against.frame("stages")["cache_hit"].all()
    assert metabt.backtest(tree(), lake, benchmark="EE").found


def test_it_is_stored_loaded_reproduced_and_explained(lake: Path) -> None:
    plain, against = (metabt.backtest(tree(), lake, benchmark=name) for name in (None, "EE"))
    loaded = metabt.load(lake, against.run_id)
    assert same(loaded.tables, against.tables) and loaded.benchmark == "benchmark:EE"
    assert loaded.summary() == against.summary()
    lakehouse.ingest(lake, "stocks", stocks(5).rename_axis("date") * 1.5)
    found = reproduce(lake, against.run_id)
    assert found.differs is None and found.inputs == ()
    with metabt.connect(lake) as connection:
        from metabt.runs.comparison import compare

        lines = [cause.text for cause in compare(connection, plain.run_id, against.run_id).differences]
        assert lines == ["benchmark: null -> stocks:EE"]
        assert read_record(connection, against.run_id).benchmark == "stocks:EE"
        again = metabt.backtest(tree(), lake, benchmark="EE")
        texts = [cause.text for cause in compare(connection, against.run_id, again.run_id).differences]
    assert "those of the benchmark stocks:EE differ" in texts


def test_a_sweep_has_it_too(lake: Path) -> None:
    jobs = [job(book(), f"benchmark={name}", benchmark=name) for name in ("EE", "AA", None, "nope")]
    *good, bad = run_sweep(jobs, str(lake)).runs
    assert "nope" in str(bad.error) and all(run.error is None for run in good)
    assert good[0].metrics["beta"] != good[1].metrics["beta"] and "beta" not in good[2].metrics
    alone = metabt.backtest(book(), {"stocks": stocks(5)}, benchmark="EE")
    assert alone.run_id == good[0].run_id
    summary = metabt.load(lake, alone.run_id)
    pd.testing.assert_frame_equal(summary.returns("benchmark:EE"), alone.returns("benchmark:EE"))
    assert same(completed(lake, alone.run_id).tables, alone.tables)


def test_a_flat_baseline_and_a_view_have_it_too(prices: dict[str, pd.DataFrame]) -> None:
    flat = metabt.backtest(mixed(), prices, benchmark="AA", is_meta_backtest=False)
    cut = metabt.backtest(mixed(), prices, benchmark="AA", end="2021-05-03")
    assert flat.metrics().loc["mixed", "beta"] > 0
    assert cut.returns("benchmark:AA").index[-1] == cut.returns().index[-1] == pd.Timestamp("2021-05-03")


@pytest.mark.parametrize(
    ("benchmark", "says"),
    [
        ("DDD", "benchmark 'DDD' is no symbol of dataset coins, stocks, nor of any other; did you mean 'DD'?"),
        ("indices:IDY", "benchmark 'indices:IDY': dataset 'indices' has no symbol 'IDY'; did you mean 'IDX'?"),
        (
            "indicez:IDX",
            "benchmark 'indicez:IDX' is no symbol of dataset coins, stocks, nor of any other; did you mean 'indices'?, "
            "and a symbol of it",
        ),
        (True, "benchmark is True, wanted a symbol such as SPY, or DATASET:SYMBOL; quote it"),
        ("", "benchmark is '', wanted a symbol such as SPY, or DATASET:SYMBOL; quote it"),
    ],
)
def test_what_is_no_symbol_is_refused(prices: dict[str, pd.DataFrame], benchmark: Any, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        metabt.backtest(mixed(), prices, benchmark=benchmark)
    assert str(caught.value) == says
    with pytest.raises(ConfigError):
        metabt.plan(mixed(), prices, benchmark=benchmark)


def test_the_tree_s_own_datasets_come_first_and_two_of_them_are_ambiguous(prices: dict[str, pd.DataFrame]) -> None:
    twice = {**prices, "more": prices["stocks"].rename(columns={"AA": "IDX"})}
    own = metabt.backtest(mixed(), twice, benchmark="DD")
    assert own.run_id == metabt.backtest(mixed(), prices, benchmark="stocks:DD").run_id
    with pytest.raises(ConfigError, match="symbol of datasets indices, more; say which: indices:IDX or more:IDX"):
        metabt.backtest(mixed(), twice, benchmark="IDX")


def test_one_without_a_price_in_the_view_is_refused(prices: dict[str, pd.DataFrame]) -> None:
    closes, whole = prices["indices"]["IDX"].dropna().index, metabt.backtest(mixed(), prices, end="2021-03-20")
    net = whole.returns()["net"]
    says = (
        f"benchmark 'indices:IDX' has prices from {closes[0].date()} to {closes[-1].date()}, the portfolio a stream "
        f"from {inception_of(net, whole.metrics().loc['mixed', 'years']).date()} to {net.index[-1].date()}; "
        "choose one with prices in between, or leave benchmark unset"
    )
    with pytest.raises(RunError) as caught:
        metabt.backtest(mixed(), prices, benchmark="IDX", end="2021-03-20")
    assert str(caught.value) == says


def test_one_that_never_had_a_price_is_refused() -> None:
    dates = np.datetime64("2021-01-04") + np.arange(5)
    benchmark = Benchmark(Dataset.of(Prices("d", dates, ("X",), np.full((5, 1), np.nan))))
    with pytest.raises(DataError) as caught:
        _ = benchmark.series
    assert str(caught.value) == "benchmark 'd:X' has no price at all; choose another symbol"


def test_a_sleeve_cannot_be_called_as_its_rows_are(prices: dict[str, pd.DataFrame]) -> None:
    with pytest.raises(ConfigError, match="a sleeve is called 'benchmark:AA'"):
        metabt.backtest({**mixed(), "name": "benchmark:AA"}, prices, benchmark="AA")


def one_symbol(closes: np.ndarray, first: str = "2021-01-04") -> Benchmark:
    dates = np.datetime64(first) + np.arange(len(closes))
    return Benchmark(Dataset.of(Prices("d", dates, ("X",), closes[:, None])))


@pytest.mark.parametrize("seed", range(5))
def test_it_returns_what_its_price_changed_by_since_the_one_before(seed: int) -> None:
    rng = np.random.default_rng(seed)
    closes = np.where(rng.random(30) < 0.3, np.nan, rng.uniform(50, 150, 30))
    found = one_symbol(closes)
    assert (found.symbol, found.name, found.path) == ("X", "d:X", "benchmark:X")
    seen = [row for row in range(30) if closes[row] == closes[row]]
    assert found.series.dates.tolist() == found.dataset.facts.dates[seen].tolist()
    assert np.isnan(found.series.returns[0]) and np.isnat(found.series.since)
    expected = [closes[now] / closes[then] - 1 for then, now in zip(seen, seen[1:], strict=False)]
    assert found.series.returns[1:].tolist() == expected
    assert len({found.digest, one_symbol(closes, "2021-01-05").digest, one_symbol(closes + 1).digest}) == 3
    assert found.digest == one_symbol(closes.copy()).digest


@pytest.mark.parametrize("seed", range(5))
def test_held_beside_a_stream_it_earns_from_one_common_session_to_the_next_and_pays_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    closes = np.where(rng.random(40) < 0.3, np.nan, rng.uniform(50, 150, 40))
    benchmark, rows = one_symbol(closes), np.flatnonzero(rng.random(40) < 0.7)[3:]
    own, nothing = rng.normal(0, 0.01, len(rows)), np.ones(len(rows))
    since = benchmark.dataset.facts.dates[rows[0] - 1]
    stream = Stream(since, benchmark.dataset.facts.dates[rows], own, nothing, own, nothing, nothing)
    held = benchmark.held_beside(stream)
    both = [row for row in rows.tolist() if closes[row] == closes[row]]
    first = rows[0] - 1 if closes[rows[0] - 1] == closes[rows[0] - 1] else both.pop(0)
    expected = [closes[now] / closes[then] - 1 for then, now in zip([first, *both], both, strict=False)]
    assert held.dates.tolist() == benchmark.dataset.facts.dates[both].tolist()
    assert held.inception == benchmark.dataset.facts.dates[first]
    np.testing.assert_allclose(held.net, expected, rtol=0, atol=1e-14)
    assert held.gross.tolist() == held.net.tolist()
    for name in ("cost", "turnover", "netting"):
        assert getattr(held, name).tolist() == [0.0] * len(both), name


TWO = resolve(
    {
        "name": "r",
        "lookback": 5,
        "defaults": {"lookback": 5},
        "sleeves": {"x": {"dataset": "b", "universe": ["BB"]}, "y": {"dataset": "a", "universe": ["AA"]}},
    },
    symbols={"a": ("AA",), "b": ("BB",)},
)


@pytest.mark.parametrize(
    ("text", "found"),
    [("AA", ("a", "AA")), ("BB", ("b", "BB")), ("c:CC", ("c", "CC")), ("CC", ("c", "CC")), ("d:AA", ("d", "AA"))],
)
def test_the_symbol_that_is_named_is_found(text: str, found: tuple[str, str]) -> None:
    symbols = {"d": ("AA", "EE"), "c": ("CC",), "b": ("BB", "a:X"), "a": ("AA", "DD")}
    assert find_benchmark(text, symbols, TWO) == found
    assert find_benchmark("a:X", symbols, TWO) == ("b", "a:X")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("EE", "benchmark 'EE' is a symbol of datasets c, d; say which: c:EE or d:EE"),
        ("SS", "benchmark 'SS' is a symbol of datasets a, b; say which: a:SS or b:SS"),
        ("AAA", "benchmark 'AAA' is no symbol of dataset a, b, nor of any other; did you mean 'AA'?"),
        ("c:CCCD", "benchmark 'c:CCCD': dataset 'c' has no symbol 'CCCD'; did you mean 'CCCC'?"),
        (
            "cc:EE",
            "benchmark 'cc:EE' is no symbol of dataset a, b, nor of any other; did you mean 'c'?, and a symbol of it",
        ),
        (7, "benchmark is 7, wanted a symbol such as SPY, or DATASET:SYMBOL; quote it"),
    ],
)
def test_what_is_not_found_is_told_with_what_there_is(text: object, says: str) -> None:
    symbols = {"d": ("EE",), "c": ("EE", "CCCC"), "b": ("BB", "SS"), "a": ("AA", "SS")}
    with pytest.raises(ConfigError) as caught:
        find_benchmark(text, symbols, TWO)
    assert str(caught.value) == says
