"""What the page says of sleeves on other calendars than their neighbours', against pandas on the streams themselves."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.report.comparison.measured import sleeves
from metabt.report.comparison.overview import together
from metabt.report.comparison.pair import Pair
from metabt.report.run import Run
from metabt.report.section import Chart
from metabt.report.sections.correlation import FEWEST, averages, correlation, in_pairs, matrix
from metabt.report.sections.rolling import rolling
from tests.shared.reported import stored_row
from tests.shared.side_by_side import inception_of, side_by_side, values_of


def prices() -> dict[str, pd.DataFrame]:
    """Return an index on weekdays, the same and twice itself on every day, and one that is seen now and then."""
    rng = np.random.default_rng(4)
    days = pd.date_range("2017-01-01", "2020-12-31")
    index = pd.Series(100 * np.exp(np.cumsum(rng.normal(0.0002, 0.01, len(days)))), days)
    noise = np.exp(np.cumsum(rng.normal(0.0, 0.004, len(days))))
    daily = pd.DataFrame({"SAME": index, "LOUD": index**2 / 100 * noise})
    rare = pd.DataFrame({"RARE": (index * noise)[rng.random(len(days)) < 0.3]})
    return {"daily": daily.loc["2018-06-01":], "weekdays": index[days.day_of_week < 5].to_frame("I"), "rare": rare}


@pytest.fixture(scope="module")
def result() -> metabt.Result:
    leaf = {"lookback": 10, "optimizer": "equal", "schedule": "monthly"}
    sleeves = {
        "same": {**leaf, "dataset": "daily", "universe": ["SAME"]},
        "loud": {**leaf, "dataset": "daily", "universe": ["LOUD"], "costs": {"commission_bp": 10}},
        "weekdays": {**leaf, "dataset": "weekdays", "universe": ["I"]},
        "rare": {**leaf, "dataset": "rare", "universe": ["RARE"]},
    }
    return metabt.backtest({"name": "r", "lookback": 60, "sleeves": sleeves}, prices())


@pytest.fixture(scope="module")
def run(result: metabt.Result) -> Run:
    return Run({**stored_row(result), "portfolio": "r"}, result.tables)


def both(result: metabt.Result, one: str, other: str) -> tuple[pd.DataFrame, int]:
    """Return the returns of two streams between their common closes, and how many sessions both have."""
    nets, metrics = [result.returns(path)["net"] for path in (one, other)], result.metrics()
    starts = [inception_of(net, metrics.loc[path, "years"]) for net, path in zip(nets, (one, other), strict=True)]
    values = [values_of(net, start) for net, start in zip(nets, starts, strict=True)]
    return side_by_side(values, [net.index for net in nets])


def chart(section: object, name: str) -> Chart:
    (found,) = [figure for figure in section.figures if figure.name == name]  # type: ignore[attr-defined]
    return found


def test_each_cell_of_the_map_is_its_pair_on_its_own_common_sessions(result: metabt.Result, run: Run) -> None:
    found, counts = matrix(in_pairs(run, run.paths[1:]))
    for (i, one), (j, other) in combinations(enumerate(run.paths[1:]), 2):
        returns, count = both(result, one, other)
        assert found[i, j] == found[j, i] == pytest.approx(returns[0].corr(returns[1]), abs=1e-9)
        assert counts[i, j] == counts[j, i] == count
    assert np.diag(found) == pytest.approx(np.ones(4), abs=1e-12)
    assert np.diag(counts).tolist() == [len(result.returns(path)) for path in run.paths[1:]]
    at = {path.partition("/")[2]: place for place, path in enumerate(run.paths[1:])}
    assert found[at["same"], at["weekdays"]] == pytest.approx(1.0, abs=1e-12)
    (trace,) = chart(correlation(run), "correlation-map").traces
    assert trace["text"] == [[f"{count:,}" for count in row] for row in counts.tolist()]
    assert all("%{text}" in trace[template] for template in ("hovertemplate", "texttemplate"))
    assert "sessions that both have" in chart(correlation(run), "correlation-map").caption


def test_the_rolling_average_is_that_of_calendar_windows(result: metabt.Result, run: Run) -> None:
    shown = chart(correlation(run), "correlation-rolling")
    pairs = [both(result, one, other)[0] for one, other in combinations(run.children, 2)]
    began = inception_of(result.returns()["net"], result.metrics().loc["r", "years"])
    assert pd.Timestamp(shown.x[0]) - pd.DateOffset(years=1) >= began and shown.x[-1] == str(run.streams.dates[-1])
    for day, value, text in list(zip(shown.x, shown.traces[0]["y"], shown.traces[0]["text"], strict=True))[::7]:
        t = pd.Timestamp(day)
        inside = [it[(it.index > t - pd.DateOffset(years=1)) & (it.index <= t)] for it in pairs]
        known = [it for it in inside if len(it) >= FEWEST]
        assert value == pytest.approx(np.mean([it[0].corr(it[1]) for it in known]), rel=1e-2)
        assert text.startswith(f"{len(known)} pair") and f" {min(map(len, known))} common sessions" in text
    average, number, fewest = averages(in_pairs(run, run.children), np.array(["2016-01-01"], "datetime64[D]"))
    assert np.isnan(average).all() and number.tolist() == [0] and fewest[0] > 1e9


def test_rolling_volatility_counts_the_sessions_of_its_own_year(result: metabt.Result, run: Run) -> None:
    """The root's calendar has five days a week until the daily sleeves join in 2018, and seven from then on."""
    found = chart(rolling(run), "rolling-year")
    assert "calendar windows" in found.caption
    traces = {(trace["path"], trace.get("yaxis", "y")): trace for trace in found.traces}
    for path in ("r", *run.children):
        net = result.returns(path)["net"]
        shown = traces[path, "y2"]
        began = inception_of(net, result.metrics().loc[path, "years"])
        assert pd.Timestamp(shown["x"][0]) - pd.DateOffset(years=1) >= began
        for place in range(0, len(shown["x"]), 11):
            t = pd.Timestamp(shown["x"][place])
            inside = net[(net.index > t - pd.DateOffset(years=1)) & (net.index <= t)]
            assert shown["text"][place] == f"{len(inside):,} sessions"
            assert shown["y"][place] == pytest.approx(inside.std() * len(inside) ** 0.5, rel=1e-3)
            sharpe = inside.mean() / inside.std() * len(inside) ** 0.5
            assert traces[path, "y"]["y"][place] == pytest.approx(sharpe, rel=1e-3)
    first, last = (int(traces["r", "y2"]["text"][place].split()[0]) for place in (0, -1))
    assert first < 330 and last in (365, 366)


def test_two_runs_on_other_calendars_are_compared_where_both_have_a_session(result: metabt.Result) -> None:
    leaf = {"name": "r", "lookback": 10, "optimizer": "equal", "schedule": "monthly"}
    five = metabt.backtest({**leaf, "dataset": "weekdays", "universe": ["I"]}, prices())
    seven = metabt.backtest({**leaf, "dataset": "daily", "universe": ["SAME"]}, prices())
    pair = Pair(*(Run({**stored_row(it), "run_id": it.run_id}, it.tables) for it in (five, seven)), [])
    facts = {row[0]: row[1] for row in together(pair).rows}
    count = len(five.returns().index.intersection(seven.returns().index))
    assert facts["correlation"] == "1.000" and facts["tracking error p.a."] == "0.00%"
    assert facts["common sessions"].startswith(f"{count:,}, ") and facts["Sharpe of B less that of A"] == "0.000"
    assert sleeves(pair).rows[0][-1] == f"{count:,}" and sleeves(pair).columns[-1] == "Common sessions"
    one, other = pair.metrics("")
    assert one["sharpe"] == pytest.approx(other["sharpe"]) and one["volatility"] == pytest.approx(other["volatility"])
