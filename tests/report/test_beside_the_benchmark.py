"""A page with a benchmark: its heading, its colour, years and windows beside each other, how months are spread."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import quantstats.stats as quantstats
from hypothesis import given, settings
from hypothesis import strategies as st

import metabt
from metabt.report import render
from metabt.report.colours import AGAINST, AGAINST_DARK, AGAINST_LIGHT, DARK, LIGHT, QUIET, colour
from metabt.report.comparison.pair import Pair
from metabt.report.markup import ABREAST, markup
from metabt.report.page import run_of
from metabt.report.run import Run
from metabt.report.section import Facts, Section
from metabt.report.sections.curves import curves
from metabt.report.sections.month_spread import distribution, shape
from metabt.report.sections.months import months
from metabt.report.sections.years import by_year, last_years
from tests.shared.panels import coins, stocks
from tests.shared.reported import stored_row
from tests.shared.side_by_side import inception_of, side_by_side, values_of

LEAF = {"lookback": 20, "schedule": "weekly"}


def backtested(n_sleeves: int = 2, days: int = 1700, **more: Any) -> metabt.Result:
    sleeves = {f"s{i}": {**LEAF, "dataset": "stocks", "universe": ["AA", "BB"]} for i in range(n_sleeves)}
    prices = {"stocks": stocks(5, 1200), "coins": coins(5, days)}
    return metabt.backtest({"name": "book", **LEAF, "sleeves": sleeves}, prices, benchmark="XBT", **more)


@pytest.fixture(scope="module")
def result() -> metabt.Result:
    return backtested()


@pytest.fixture(scope="module")
def run(result: metabt.Result) -> Run:
    return run_of(result)


@given(st.integers(0, 10_000))
def test_no_sleeve_has_the_benchmarks_colour(slot: int) -> None:
    assert colour(slot) != colour(AGAINST) == AGAINST_LIGHT != QUIET
    assert AGAINST_LIGHT not in LIGHT and AGAINST_DARK not in DARK


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 24))
def test_curves_of_any_number_of_sleeves_share_none_with_it(n_sleeves: int) -> None:
    (chart,) = curves(run_of(backtested(n_sleeves, end="2021-06-01"))).figures
    slots = {trace["slot"] for trace in chart.traces if "path" in trace}
    (against,) = {trace["slot"] for trace in chart.traces if "path" not in trace}
    assert len(slots) == n_sleeves + 1 and against == AGAINST
    assert colour(against) not in {colour(slot) for slot in slots}


def test_the_page_draws_that_slot_in_that_colour(run: Run) -> None:
    page = render(run)
    assert f'slot === {AGAINST} ? colour(style, "--against")' in page
    assert page.count(f"--against: {AGAINST_LIGHT};") == page.count(f"--against: {AGAINST_DARK};") == 1


def heading(page: str) -> list[str]:
    (head,) = re.findall(r"<header>(.*?)</header>", page)
    return re.findall(r">([^<>]+)</", head)


def test_two_lines_say_which_run_it_is(result: metabt.Result) -> None:
    row = stored_row(result) | {"portfolio": "book", "overrides": '["portfolio.lag=1", "end=<b>"]'}
    name, first, second = heading(render(Run(row, result.tables)))
    dates = result.returns().index
    assert name == "book"
    assert first == (
        f"run {result.run_id[:12]} · {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}, {len(dates):,} sessions · "
        "benchmark XBT · engine local · computed 2026-01-02 03:04:05 UTC"
    )
    assert second == (
        "3 sleeves · optimizer equal · schedule weekly · lookback 20 · lag 1 · costs 0 bp · "
        "overrides portfolio.lag=1 end=&lt;b&gt;"
    )


def test_a_run_in_memory_and_two_runs_have_their_lines_too(run: Run) -> None:
    assert len(heading(render(run))) == 3 and "engine" not in "".join(heading(render(run)))
    other = run_of(backtested(1))
    name, first, second = heading(render(Pair(run, other, [])))
    assert name == "book" and first.startswith(f"A: book, run {str(run.row['run_id'])[:12]} · 2021-")
    assert second.startswith(f"B: book, run {str(other.row['run_id'])[:12]} · ") and "optimizer equal" in second


def fraction(cell: str) -> float:
    return float(cell.removesuffix("%").replace("\N{MINUS SIGN}", "-")) / 100


def test_years_are_those_of_the_sessions_that_both_have(result: metabt.Result, run: Run) -> None:
    closes, net = coins(5, 1700)["XBT"], result.returns()["net"]
    years = result.metrics().loc["book", "years"]
    both, _ = side_by_side([values_of(net, inception_of(net, years)), closes], [net.index, closes.index])
    facts = by_year(run, "benchmark:XBT")
    assert [row[0] for row in facts.rows] == [str(year) for year in sorted(set(both.index.year), reverse=True)]
    for year, own, its, difference, sessions in facts.rows:
        wanted = (1 + both[both.index.year == int(year)]).prod() - 1
        assert (fraction(own), fraction(its)) == pytest.approx(tuple(wanted), abs=5.1e-4)
        assert fraction(difference) == pytest.approx(wanted.iloc[0] - wanted.iloc[1], abs=5.1e-4)
        assert int(sessions.replace(",", "")) == (both.index.year == int(year)).sum()
    assert f"{len(both):,} sessions" in facts.note


def test_the_last_years_are_those_of_quantstats(result: metabt.Result, run: Run) -> None:
    rows = {row[0].strip(): row[1:] for row in last_years(run).rows}
    assert set(rows) == {"book", "s0", "s1", "benchmark:XBT", "book, sessions of both"}
    assert rows["book, sessions of both"] == rows["book"]  # it began without the benchmark, longer than 3 years ago
    for name, path in (("book", "book"), ("s0", "book/s0"), ("benchmark:XBT", "benchmark:XBT")):
        net, cells = result.returns(path)["net"], rows[name]
        until = result.returns().index[-1]
        windows = [pd.Timestamp(until.year - 1, 12, 31), until - pd.DateOffset(years=1), until - pd.DateOffset(years=3)]
        totals = [quantstats.comp(net[net.index > begin]) for begin in windows]
        wanted = [totals[0], totals[1], (1 + totals[2]) ** (1 / 3) - 1]
        assert [fraction(cell) for cell in cells[:3]] == pytest.approx(wanted, abs=5.1e-5)
        assert cells[3:] == ("\N{EN DASH}", "\N{EN DASH}")  # it is younger than five years


def test_the_last_years_are_listed_as_the_tree_is() -> None:
    leaf = {**LEAF, "universe": ["AA", "BB"]}
    inner = {"deep": leaf, "deeper": {**leaf, "lag": 2}}
    tree = {"name": "book", **LEAF, "sleeves": {"first": {**LEAF, "sleeves": inner}, "second": leaf}}
    rows = last_years(run_of(metabt.backtest(tree, {"stocks": stocks(5)}))).rows
    assert [row[0] for row in rows] == ["book", " first", "  deep", "  deeper", " second"]


def test_a_benchmark_that_ended_before_says_so() -> None:
    names = [row[0] for row in last_years(run_of(backtested(days=1600))).rows]
    assert names[-1] == "benchmark:XBT, to 2025-06-24"


def test_months_are_spread_as_quantstats_has_them(result: metabt.Result, run: Run) -> None:
    net = result.returns()["net"]
    found = dict(months(run).tables[1].rows)
    assert fraction(found["best"]) == pytest.approx(quantstats.best(net, aggregate="ME"), abs=5.1e-5)
    assert fraction(found["worst"]) == pytest.approx(quantstats.worst(net, aggregate="ME"), abs=5.1e-5)
    gains = fraction(found["share with a gain, of those with a gain or a loss"])
    assert gains == pytest.approx(quantstats.win_rate(net, aggregate="ME"), abs=5.1e-4)
    monthly = (1 + net).resample("ME").prod() - 1
    assert (fraction(found["mean"]), fraction(found["median"])) == pytest.approx(
        (monthly.mean(), monthly.median()), abs=5.1e-5
    )
    assert found["months"] == str(len(monthly))


@given(st.lists(st.floats(-0.9, 2.0), min_size=1, max_size=200))
def test_every_month_lies_in_one_step(returns: list[float]) -> None:
    (trace,) = distribution(np.array(returns)).traces
    middles, width = np.array(trace["x"]), trace["width"] / 0.94
    assert sum(trace["y"]) == len(returns) and len(trace["y"]) <= 41
    lows, highs = middles - width / 2, middles + width / 2
    for low, high, count in zip(lows, highs, trace["y"], strict=True):
        inside = [it for it in returns if low + 1e-4 * width < it < high - 1e-4 * width]
        touching = [it for it in returns if low - 1e-4 * width <= it <= high + 1e-4 * width]
        assert len(inside) <= count <= len(touching)
    assert dict(shape(np.array(returns)).rows)["months"] == str(len(returns))


@given(st.integers(1, 60))
def test_no_column_is_left_out_of_a_wide_table(n_columns: int) -> None:
    columns = ("Sleeve", *(f"<{i}>" for i in range(n_columns)))
    rows = [(f"row{r}", *(f"{r}.{i}" for i in range(n_columns))) for r in range(2)]
    text = markup(Section("name", "title", tables=[Facts(columns, rows, "said once", title="Wide")]))
    tables = re.findall(r"<table.*?</table>", text)
    assert all(0 < table.count("<th>") <= 1 + ABREAST for table in tables)
    assert re.findall(r"<th>&lt;(\d+)&gt;</th>", text) == [str(i) for i in range(n_columns)]
    assert sum(re.findall(r"<td>(\d+\.\d+)</td>", table)[0] == "0.0" for table in tables) == 1
    assert sorted(re.findall(r"<td>(\d+\.\d+)</td>", text)) == sorted(cell for row in rows for cell in row[1:])
    assert text.count("said once") == text.count("Wide") == 1 and text.count("row1") == len(tables)
