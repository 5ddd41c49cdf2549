"""Two runs side by side: what is told of both against their own frames, and what is no pair."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import metabt
from metabt.errors import ConfigError
from metabt.report import lines, render
from metabt.report.comparison.allocation import allocation
from metabt.report.comparison.measured import _cells, alone, measured, sleeves
from metabt.report.comparison.overview import calendars, parted, rates, together
from metabt.report.comparison.pair import Pair
from metabt.report.run import Run
from metabt.report.section import Facts
from metabt.runs.input_differences import Difference
from tests.shared.reported import EVIL, backtested, closes, stored_row
from tests.shared.side_by_side import inception_of, per_year, side_by_side, values_of


def told(result: metabt.Result) -> Run:
    return Run(stored_row(result), result.tables)


def cell(facts: Facts, first: str, column: int = 1) -> str:
    (row,) = [row for row in facts.rows if row[0].strip() == first]
    return row[column]


def value(text: str) -> float:
    return float(text.rstrip("%").replace("\N{MINUS SIGN}", "-"))


def leaf(n_sessions: int, optimizer: str = "inverse_volatility", **rules: object) -> metabt.Result:
    """Return the run of a leaf that first trades on the 31st of so many sessions."""
    tree = {"name": "mine", "universe": ["A", "D"], "lookback": 30, "schedule": {"every": 10}, "optimizer": optimizer}
    return metabt.backtest({**tree, **rules}, closes().iloc[:n_sessions])


@pytest.fixture(scope="module")
def results() -> tuple[metabt.Result, metabt.Result]:
    return backtested(lag=1), backtested(lag=2)


@pytest.fixture(scope="module")
def pair(results: tuple[metabt.Result, metabt.Result]) -> Pair:
    return Pair(told(results[0]), told(results[1]), [Difference("lag", f"1 -> 2 {EVIL}")])


def test_roots_are_compared_on_common_sessions(results: tuple[metabt.Result, metabt.Result], pair: Pair) -> None:
    one, other = (result.returns() for result in results)
    days = one.index.intersection(other.index)
    assert 0 < len(days) < max(len(one), len(other))  # a lag of two begins a session later
    since = inception_of(other["net"], results[1].metrics().loc["mine", "years"])
    assert since in one.index and since not in other.index  # where the later one is worth 1, and the earlier something
    values = [one["nav"], values_of(other["net"], since)]
    returns, count = side_by_side(values, [one.index, other.index])
    facts = together(pair)
    assert count == len(days) == len(returns)
    assert float(cell(facts, "correlation")) == pytest.approx(returns[0].corr(returns[1]), abs=5e-4)
    assert cell(facts, "common sessions").startswith(f"{len(days):,}, {str(days[0])[:10]}")
    error = (returns[1] - returns[0]).std() * per_year(returns, values) ** 0.5
    assert cell(facts, "tracking error p.a.") == f"{error:.2%}"
    assert "compounded in between" in facts.note and "the first trade of the later one" in calendars(pair)


def test_metrics_of_the_same_sessions_are_those_that_are_stored() -> None:
    one, other = backtested(), backtested(costs=20)
    both = Pair(told(one), told(other), [])
    for place in both.both:
        first, second = both.metrics(place)
        assert first["cagr"] == one.metrics().loc[f"mine{place}", "cagr"]
        assert second["cagr"] == other.metrics().loc[f"mine{place}", "cagr"]
    row = next(row for row in sleeves(both).rows if row[0].strip() == "x")  # a leaf, which pays for its own trades
    first, second, apart = (float(text.rstrip("%").replace("\N{MINUS SIGN}", "-")) for text in row[1:4])
    assert apart == pytest.approx(second - first, abs=0.011) and apart < 0
    assert not alone(both).rows


def test_what_is_told_together_is_what_the_metrics_say() -> None:
    pair = Pair(told(leaf(50)), told(leaf(50, "equal")), [])  # few sessions, of which one more would be seen
    one, other = pair.metrics("")
    facts = together(pair)
    assert cell(facts, "tracking difference") == lines.percent(other["total_return"] - one["total_return"])
    assert value(cell(facts, "Sharpe of B less that of A")) == pytest.approx(other["sharpe"] - one["sharpe"], abs=6e-4)
    assert cell(facts, "its 90% interval") == "none: it takes 42 sessions"
    net = [run.streams.own("mine", "net") for run in pair.runs]
    error = (net[1] - net[0]).std(ddof=1) * (one["sessions"] / one["years"]) ** 0.5
    assert cell(facts, "tracking error p.a.") == lines.percent(error)


def test_a_run_that_ends_earlier_is_measured_as_it_is_alone() -> None:
    whole, prefix = leaf(120), leaf(60)
    pair = Pair(told(whole), told(prefix), [])
    stored = prefix.metrics().loc["mine"]
    cut, own = pair.metrics("")
    assert cut == pytest.approx(own, nan_ok=True) and len(own) > 15
    for name, found in own.items():
        assert found == pytest.approx(stored[name], rel=1e-9, abs=1e-12, nan_ok=True), name
    assert len(pair.common.returns) == len(pair.common.dates) == len(prefix.returns())
    assert "from their first trade" in calendars(pair) and "other ends:" in calendars(pair)
    assert parted(pair) == "none: they are the same to the bit as long as both have them"
    notes = [table.note for table in measured(pair).tables]
    assert any("left out" in note for note in notes), "what other sessions have no metrics of is told"


def test_a_run_that_begins_later_is_measured_from_its_first_trade() -> None:
    late = leaf(120, start="2020-03-02")
    pair = Pair(told(leaf(120)), told(late), [])
    assert pair.common.since == pair.other.inception("mine") < pair.common.dates[0] == pair.other.streams.dates[0]
    assert len(pair.common.returns) == len(pair.common.dates) == len(late.returns())
    for name, found in pair.metrics("")[1].items():
        assert found == pytest.approx(late.metrics().loc["mine", name], rel=1e-9, abs=1e-12, nan_ok=True), name
    assert parted(pair) >= str(pair.common.dates[0]), "what only one has before the other begins is no difference"


def test_runs_of_two_sessions_are_told_without_a_warning() -> None:
    early, late = leaf(36), leaf(37, start="2020-01-03")  # a warning is an error here
    pair = Pair(told(early), told(late), [])
    assert len(pair.common.dates) == 2 == len(pair.common.returns)
    assert cell(together(pair), "correlation") == "1.000"  # of any two points
    assert "tracking" in render(pair)


def test_runs_of_one_return_have_no_dispersion_to_tell() -> None:
    """The first trade of one is in a session that the other does not have: two sessions, and one return."""
    prices = closes().iloc[:39]
    other = prices.drop(prices.index[[35, 36]])
    tree = {"name": "mine", "universe": ["A", "D"], "lookback": 30, "schedule": {"every": 10}}
    early, late = (
        metabt.backtest({**tree, "start": start}, frame) for start, frame in ((None, other), ("2020-02-18", prices))
    )
    pair = Pair(told(early), told(late), [])
    facts = together(pair)
    assert len(pair.common.dates) == 2 and len(pair.common.returns) == 1
    assert cell(facts, "tracking error p.a.") == "\N{EN DASH}" == cell(facts, "correlation")
    assert "the close of the first of them" in calendars(pair) and "tracking" in render(pair)


def test_the_newest_decision_is_drawn_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair(told(leaf(37)), told(leaf(60)), [])  # of one decision and of several
    for run, chart in zip(pair.runs, allocation(pair).figures, strict=True):
        assert len(chart.x) > 1 and chart.x[-1] == str(run.streams.dates[-1])
        assert all(trace["y"][-1] == trace["y"][-2] for trace in chart.traces)
        assert chart.layout["xaxis"]["range"][-1] == str(pair.other.streams.dates[-1])
    monkeypatch.setattr(lines, "MAX_POINTS", 4)
    assert "One of 2 decisions is drawn." in allocation(pair).figures[1].caption


def test_differences_have_a_sign_where_they_are_seen() -> None:
    assert _cells("sharpe", {"sharpe": 1.0}, {"sharpe": 1.001})[2] == "0.00"
    assert _cells("sharpe", {"sharpe": 1.0}, {"sharpe": 0.999})[2] == "0.00"
    assert _cells("sharpe", {"sharpe": 1.0}, {"sharpe": 1.01})[2] == "+0.01"
    assert _cells("max_drawdown_days", {"max_drawdown_days": 379}, {"max_drawdown_days": 0})[2] == "\N{MINUS SIGN}379"


def test_metrics_on_common_sessions_follow_their_definitions(
    results: tuple[metabt.Result, metabt.Result], pair: Pair
) -> None:
    other = results[1].returns()["net"]
    since = inception_of(other, results[1].metrics().loc["mine", "years"])
    years = (other.index[-1] - since).days / 365.25
    for result, found in zip(results, pair.metrics(""), strict=True):
        whole = result.returns()
        nav = np.append(whole["nav"].get(since, 1.0), whole.loc[other.index, "nav"])
        assert found["cagr"] == pytest.approx((nav[-1] / nav[0]) ** (1 / years) - 1)
        assert found["turnover"] == pytest.approx(whole.loc[other.index, "turnover"].sum() / years)
        returns = nav[1:] / nav[:-1] - 1
        assert found["sharpe"] == pytest.approx(returns.mean() / returns.std(ddof=1) * (len(returns) / years) ** 0.5)


def test_netting_benefits_on_common_sessions_are_those_of_the_sessions() -> None:
    results = backtested(lag=1, netted=5), backtested(lag=2, netted=5)
    both = Pair(*map(told, results), [])
    days = both.common.dates
    years = (days[-1] - both.other.inception("mine")).astype(int) / 365.25
    for result, found in zip(results, both.metrics(""), strict=True):
        saved = result.returns().loc[days, "netting_benefit"].sum()
        assert found["netting_benefit"] == pytest.approx(saved / years) and saved > 0


def test_sleeves_of_one_run_alone_are_listed(results: tuple[metabt.Result, metabt.Result]) -> None:
    lonely = alone(Pair(told(backtested(single=True)), told(results[0]), []))
    assert {(row[0], row[1]) for row in lonely.rows} == {(path, "B") for path in results[0].paths if path != "mine"}


def test_the_first_difference_is_found_to_the_bit(results: tuple[metabt.Result, metabt.Result]) -> None:
    one = results[0]
    tables = {**one.tables, "returns": {**one.tables["returns"], "net": one.tables["returns"]["net"].copy()}}
    row = np.flatnonzero(one.frame("returns")["path"] == "mine")[40]
    tables["returns"]["net"][row] = np.nextafter(tables["returns"]["net"][row], 1.0)
    changed = Run({**stored_row(one), "run_id": "f" * 64}, tables)
    assert parted(Pair(told(one), changed, [])) == str(one.frame("returns")["date"][row])[:10]
    same = Run({**stored_row(one), "run_id": "f" * 64}, one.tables)
    assert "same to the bit" in parted(Pair(told(one), same, []))


def test_names_and_differences_are_text(pair: Pair) -> None:
    page = render(pair)
    assert page.count("<script") == 4 and "<img" not in page
    assert "1 -&gt; 2" in page


def test_results_in_memory_are_set_side_by_side(results: tuple[metabt.Result, metabt.Result], tmp_path: Path) -> None:
    page = results[0].report(tmp_path / "two.html", against=results[1]).read_text(encoding="utf-8")
    assert all(result.run_id[:12] in page for result in results)
    assert "tracking difference" in page and "lag" in page


def test_what_is_no_pair(results: tuple[metabt.Result, metabt.Result], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no other beside it"):
        results[0].report(tmp_path / "x.html", against=results[0])
    with pytest.raises(ConfigError, match="'against' takes a result, got str 'latest'; metabt.load"):
        results[0].report(tmp_path / "x.html", against="latest")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="of one run, not of two"):
        results[0].report(tmp_path / "x.html", against=results[1], baselines=True)
    tree = {"name": "mine", "universe": ["A", "D"], "lookback": 30, "optimizer": "inverse_volatility"}
    early, late = (metabt.backtest(tree, frame) for frame in (closes().iloc[:200], closes().iloc[300:]))
    with pytest.raises(ConfigError, match="they share 0, and a comparison takes two or more"):
        early.report(tmp_path / "x.html", against=late)
    assert not (tmp_path / "x.html").exists()


def test_rates_of_cash_are_named_where_they_are_unlike() -> None:
    plain, other = leaf(60), leaf(60, cash=0.01)
    assert rates(Pair(told(plain), told(leaf(60, lag=2)), [])) == ""
    alike = rates(Pair(told(other), told(leaf(60, cash=0.01, lag=2)), []))
    assert "those of A beyond 1.00% and those of B beyond 1.00%." in alike
    unlike = rates(Pair(told(plain), told(other), []))
    assert "those of A beyond nothing and those of B beyond 1.00%, which is not alike." in unlike
    assert unlike in together(Pair(told(plain), told(other), [])).note
