"""The report: everything of a run in one file, each figure and table against the run's own frames."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from html.parser import HTMLParser
from itertools import pairwise as pairs
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.errors import StoreError
from metabt.report import lines, render
from metabt.report.contents import BUILDERS, sections
from metabt.report.reading import where
from metabt.report.replayed import Replayed
from metabt.report.run import Run
from metabt.report.section import Chart, Facts, Section
from metabt.report.sections import book as books
from metabt.report.sections import correlation as correlations
from metabt.report.sections import curves as drawn
from metabt.report.sections import drawdowns as falls
from metabt.report.sections import excluded as exclusions
from metabt.report.sections import months as monthly
from metabt.report.sections import risk as risks
from metabt.report.sections import tails as losses
from metabt.report.sections.allocation import allocation
from metabt.report.sections.costs import costs
from metabt.report.sections.newest import targets
from metabt.report.sections.tree import tree
from metabt.values.tables import Coded, concat
from tests.shared.reported import ENDING, EVIL, IMAGE, backtested, closes, stored_row


@pytest.fixture(scope="module")
def result() -> metabt.Result:
    return backtested()


@pytest.fixture(scope="module")
def run(result: metabt.Result) -> Run:
    return Run(stored_row(result), result.tables, Replayed.wanted(result.origin, None))


@pytest.fixture(scope="module")
def page(run: Run) -> str:
    return render(run)


def chart(section: Section | None, name: str) -> Chart:
    assert section is not None
    (found,) = [figure for figure in section.figures if figure.name == name]
    return found


def table(section: Section | None, title: str = "") -> Facts:
    assert section is not None
    (found,) = [facts for facts in section.tables if facts.title == title]
    return found


class Elements(HTMLParser):
    """Count the elements of a page and collect what they refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.count: dict[str, int] = {}
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        self.links += [str(value) for key, value in attrs if key in ("src", "href")]
        self.handlers += [key for key, _ in attrs if key.startswith("on")]
        self.ids += [str(value) for key, value in attrs if key == "id"]


def test_what_netting_saved_is_drawn_by_year_where_anything_cancels() -> None:
    result = backtested(netted=5)
    run = Run(stored_row(result), result.tables)
    saved = result.returns()["netting_benefit"]
    total = result.metrics().loc["mine", "netting_benefit"] * result.metrics().loc["mine", "years"]
    assert saved.sum() == pytest.approx(total) and total > 0
    *_, dotted = chart(costs(run), "costs-yearly").traces
    by_year = saved.groupby(saved.index.year).sum()
    assert dotted["name"] == "saved by netting" and dotted["x"] == [str(year) for year in by_year.index]
    assert dotted["y"] == pytest.approx(by_year.tolist(), rel=1e-3)
    alone = backtested(single=True)
    figure = chart(costs(Run(stored_row(alone), alone.tables)), "costs-yearly")
    assert len(figure.traces) == 1 and "netting" not in figure.caption


def test_the_page_carries_all_that_it_needs(page: str, run: Run) -> None:
    elements = Elements()
    elements.feed(page)
    assert elements.links == [f"#{section.name}" for section in sections(run)]
    assert elements.handlers == []
    assert len(elements.ids) == len(set(elements.ids))
    assert elements.count["script"] == 4  # palettes, the figures, Plotly and what draws them: no name became an element
    assert "img" not in elements.count
    assert "default-src 'none'" in page
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    allowed = policy[1].split("script-src ")[1].split(";")[0].split() if policy else []
    own = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert allowed == [f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in own]
    assert len(own) == 2
    assert 'name="viewport"' in page and "@media print" in page
    assert len(page.encode()) < 10_000_000


def test_every_builder_has_its_section(run: Run) -> None:
    built = sections(run)
    # nothing of it is in time (tests/report/test_dated.py), and in memory nothing is known of trials
    assert len(built) == len(BUILDERS) - 2
    assert all(section.figures or section.tables for section in built)


def test_names_are_text(page: str) -> None:
    assert escape(ENDING) in page
    before_plotly = page[: page.index('id="figures"')]
    assert "<script>document" not in before_plotly and "<img" not in before_plotly
    figures = page[page.index('id="figures">') + 13 :].split("</script>")[0]
    assert "<" not in figures  # nothing in a figure can end the element that carries it
    names = {trace.get("name") for trace in json.loads(figures)["holdings"]["data"]}
    assert {lines.label(IMAGE), lines.label(ENDING)} <= names and "<" not in "".join(names)  # Plotly reads tags


def test_every_sleeve_and_metric_is_in_the_tree(result: metabt.Result, run: Run) -> None:
    facts = table(tree(run))
    assert [row[0].strip() for row in facts.rows] == [path.rpartition("/")[2] for path in result.paths]
    assert [len(row[0]) - len(row[0].lstrip()) for row in facts.rows] == [path.count("/") for path in result.paths]
    root, cells = result.metrics().loc["mine"], dict(zip(facts.columns, facts.rows[0], strict=True))
    shown = ["CAGR", "Volatility", "Sharpe", "Max drawdown", "Turnover p.a.", "Cost p.a.", "Netting benefit p.a."]
    assert list(cells) == ["Sleeve", *shown]
    assert cells["CAGR"] == lines.percent(root["cagr"])
    assert cells["Sharpe"] == f"{root['sharpe']:.2f}".replace("-", "\N{MINUS SIGN}")
    further = table(tree(run), "Further metrics")
    assert further.rows[0][further.columns.index("Total return")] == lines.percent(root["total_return"])
    assert list(facts.paths) == list(result.paths) and all(facts.sparks)


def test_what_a_portfolio_is_set_against_is_drawn_beside_it(result: metabt.Result, run: Run) -> None:
    own = {name: column for name, column in where(run.tables["returns"], "path", "mine/calm").items()}
    own["path"] = Coded.constant("benchmark A/B", len(own["date"]))
    metrics = {"path": Coded.of(["benchmark A/B"]), "metric": Coded.of(["cagr"]), "value": np.array([0.123])}
    tables = dict(run.tables)
    tables |= {name: concat([tables[name], more]) for name, more in (("returns", own), ("metrics", metrics))}
    other = Run(run.row, tables)
    assert other.beside == ["benchmark A/B"] and run.beside == []
    last = table(tree(other)).rows[-1]
    assert last[:2] == ("benchmark A/B", "12.30%")
    above, below = chart(drawn.curves(other), "growth").traces[-2:]
    assert "path" not in above and above["line"]["dash"] == "dash" and above["visible"] is True
    assert above["y"][-1] == pytest.approx(result.returns("mine/calm")["nav"].iloc[-1], rel=1e-4)
    assert below["yaxis"] == "y2"


def test_growth_ends_where_the_stream_ends(result: metabt.Result, run: Run) -> None:
    growth = chart(drawn.curves(run), "growth")
    for path in result.paths:
        above = [trace for trace in growth.traces if trace["path"] == path and trace.get("yaxis") != "y2"]
        returns = result.returns(path)
        assert above[0]["y"][-1] == pytest.approx(returns["nav"].iloc[-1], rel=1e-4)
        assert growth.x[-1] == str(returns.index[-1].date())
        assert len(above[0]["y"]) == len(growth.x) - above[0]["first"]


def test_the_deepest_fall_is_drawn_however_few_points_there_are(
    result: metabt.Result, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_POINTS", 20)
    growth = chart(drawn.curves(run), "growth")
    assert len(growth.x) <= 20 and "sessions is drawn" in growth.caption
    for path in result.paths:
        (below,) = [trace for trace in growth.traces if trace["path"] == path and trace.get("yaxis") == "y2"]
        assert min(below["y"]) == pytest.approx(-result.metrics().loc[path, "max_drawdown"], rel=1e-3)


def test_curves_beyond_the_limit_wait_to_be_chosen(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_CURVES", 2)
    growth = chart(drawn.curves(run), "growth")
    assert len(growth.traces) == 2 * len(run.paths)
    assert [trace["visible"] for trace in growth.traces[::2]] == [True, True, False, False, False]
    assert "3 sleeves further from the root" in growth.hint
    monkeypatch.setattr(drawn, "MAX_CARRIED", 3)
    assert len(chart(drawn.curves(run), "growth").traces) == 6
    assert "2 sleeves are too far" in chart(drawn.curves(run), "growth").caption


def test_shares_add_up_to_the_roots_return(result: metabt.Result, run: Run) -> None:
    gross = result.returns()["gross"].to_numpy()
    np.testing.assert_allclose(run.shares.earned.sum(axis=1), gross, rtol=0, atol=1e-12)  # its weights leave no cash
    stored = result.risk[(result.risk["path"] == "mine") & (result.risk["measure"] == "realised")]
    shares = stored.set_index("item")["contribution"]
    centred = gross - gross.mean()
    mine = centred @ run.shares.earned / (centred @ centred)
    np.testing.assert_allclose(mine, [shares[run.label(path)] for path in run.children], atol=1e-10)


@pytest.mark.parametrize("lag", [0, 3])
def test_shares_know_when_a_decision_is_traded(lag: int) -> None:
    other = backtested(lag=lag)
    run = Run(stored_row(other), other.tables)
    gross = other.returns()["gross"].to_numpy()
    np.testing.assert_allclose(run.shares.earned.sum(axis=1), gross, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("schedule", "lag"), [("weekly", 8), ({"every": 1}, 3)])
def test_shares_keep_to_the_sessions_that_all_datasets_have(schedule: str | dict[str, int], lag: int) -> None:
    rng = np.random.default_rng(2)
    prices = {
        dataset: pd.DataFrame(
            50 * np.cumprod(1 + rng.normal(0.0003, 0.01, (n, 2)), axis=0),
            pd.date_range(start, periods=n, freq=freq),
            names,
        )
        for dataset, n, start, freq, names in (
            ("stocks", 300, "2020-01-01", "B", ["A", "B"]),
            ("coins", 420, "2020-03-01", "D", ["X", "Y"]),
        )
    }
    rules = {"lookback": 30, "schedule": schedule, "lag": lag}
    leaf = {"optimizer": "inverse_volatility", **rules}
    leaves = {name: {**leaf, "dataset": name, "universe": list(prices[name].columns)} for name in prices}
    mixed = metabt.backtest({"name": "mine", "optimizer": "erc", **rules, "sleeves": leaves}, prices)
    run = Run(stored_row(mixed), mixed.tables)
    gross = mixed.returns()["gross"].to_numpy()
    assert (mixed.returns().index.day_of_week > 4).any()
    np.testing.assert_allclose(run.shares.earned.sum(axis=1), gross, rtol=0, atol=1e-12)


def test_the_allocation_is_the_decided_weights(result: metabt.Result, run: Run) -> None:
    section = allocation(run)
    weights = result.sleeve_weights()
    shown = chart(section, "allocation")
    traces = {trace["path"]: trace["y"] for trace in shown.traces}
    *steps, held = traces["mine/calm"]
    np.testing.assert_allclose(steps, weights["calm"], rtol=1e-3, atol=1e-12)
    assert held == steps[-1] and shown.x[-1] == str(run.streams.dates[-1])  # the newest holds on to the end
    assert set(traces) == set(run.children)


def test_every_chart_of_steps_holds_on_to_the_last_session() -> None:
    short = closes().iloc[:34]  # one decision
    leaf = {"name": "mine", "universe": ["A", "D"], "lookback": 30, "schedule": {"every": 10}, "optimizer": "equal"}
    one = metabt.backtest(leaf, short)
    run = Run(stored_row(one), one.tables)
    assert one.decisions()["date"].nunique() == 1
    for shown in books.book(run).figures:
        assert len(shown.x) == 2 and shown.x[-1] == str(run.streams.dates[-1])


def test_steps_that_are_thinned_say_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_POINTS", 20)
    for shown in (chart(allocation(run), "allocation"), chart(risks.risk(run), "risk-ex-ante")):
        assert "One of 2 decisions is drawn." in shown.caption


def test_risk_contributions_are_the_stored_ones(result: metabt.Result, run: Run) -> None:
    shown = chart(risks.risk(run), "risk-ex-ante")
    stored = result.risk_contributions().dropna()
    total: dict[str, np.ndarray] = {}
    for trace in shown.traces:
        total[trace["path"]] = total.get(trace["path"], 0.0) + np.array(trace["y"])
    known = result.risk_contributions().notna().all(axis=1).to_numpy()
    assert not known.all()  # what has none is drawn as none, and what came before does not hold on
    np.testing.assert_allclose(sum(total.values())[:-1], known, atol=1e-3)
    np.testing.assert_allclose(total["mine/calm"][:-1][known], stored["calm"], rtol=1e-3, atol=1e-4)
    assert f"{len(result.risk_contributions()) - len(stored)} decisions in warm-up" in shown.caption
    assert [row[0].strip() for row in risks.realised(run).rows] == [run.label(path) for path in run.paths[1:]]


def test_the_book_is_the_flattened_weights(result: metabt.Result, run: Run) -> None:
    dates, symbols, held = books.matrix(run.tables["weights"])
    frame = pd.DataFrame(held, pd.DatetimeIndex(dates.astype("datetime64[ns]"), name="date"), symbols)
    pd.testing.assert_frame_equal(frame[result.weights.columns], result.weights, check_names=False)
    np.testing.assert_allclose(books.effective_number(np.array([[0.25] * 4, [0.5, -0.5, 0, 0]])), [4.0, 2.0])
    shown = chart(books.book(run), "exposure")
    turnover = [trace for trace in shown.traces if trace.get("type") == "bar"][0]
    assert sum(turnover["y"]) == pytest.approx(result.returns()["turnover"].sum(), rel=1e-3)


def test_months_compound_to_the_nav(result: metabt.Result, run: Run) -> None:
    net = result.returns()["net"]
    found = monthly.compounded(run.streams.dates, net.to_numpy())
    by_month = (1 + net).groupby([net.index.year, net.index.month]).prod() - 1
    for (year, month), value in by_month.items():
        assert found[year][month - 1] == pytest.approx(value, abs=1e-12)
    assert np.prod([1 + values[12] for values in found.values()]) == pytest.approx(result.returns()["nav"].iloc[-1])
    assert [row[0] for row in table(monthly.months(run)).rows] == [str(year) for year in sorted(found, reverse=True)]


def test_drawdowns_are_the_deepest_and_their_causes_add_up(result: metabt.Result, run: Run) -> None:
    nav = result.returns()["nav"].to_numpy()
    found = falls.deepest(nav)
    assert -found[0].depth == pytest.approx(result.metrics().loc["mine", "max_drawdown"])
    assert 3 <= len(found) <= falls.DEEPEST and all(a.depth <= b.depth for a, b in pairs(found))
    cost = result.returns()["cost"].to_numpy()
    whole = np.r_[1.0, nav]
    for one in found:
        assert whole[one.peak + 1] == whole[: one.bottom + 2].max()
        charged = (whole[one.peak + 1 : one.bottom + 2] * np.r_[cost, 0.0][one.peak + 1 : one.bottom + 2]).sum()
        explained = falls.contributed(run, nav, one).sum() - charged / whole[one.peak + 1]
        assert explained == pytest.approx(one.depth, abs=2e-5)  # a cost is charged on the value that has grown
    assert falls.deepest(np.array([1.1, 1.2])) == []
    assert falls.deepest(np.array([0.9, 0.95, 1.0]))[0] == falls.Drawdown(-1, 0, 2, pytest.approx(-0.1))


def test_correlations_are_those_of_pandas(result: metabt.Result, run: Run) -> None:
    found, counts = correlations.matrix(correlations.in_pairs(run, run.paths[1:]))
    streams = pd.concat([result.returns(path)["net"] for path in run.paths[1:]], axis=1)  # one calendar
    np.testing.assert_allclose(found, streams.corr().to_numpy(), atol=1e-9)
    assert counts.tolist() == (streams.notna().T.astype(int) @ streams.notna().astype(int)).to_numpy().tolist()


def test_tails_are_the_worst_sessions(result: metabt.Result, run: Run) -> None:
    net = result.returns()["net"].sort_values()
    assert losses.shortfall(net.to_numpy(), 0.95) == pytest.approx(-net.iloc[: -(-len(net) // 20)].mean())
    assert losses.at_risk(net.to_numpy(), 0.95) == pytest.approx(-net.quantile(0.05))
    rows = table(losses.tails(run), "Worst sessions").rows
    assert [row[0] for row in rows] == [str(day.date()) for day in net.index[:10]]


def test_what_was_left_out_is_counted(result: metabt.Result, run: Run) -> None:
    section = exclusions.excluded(run)
    short = f"mine/{EVIL}"
    decisions = result.decisions(short)
    left_out = decisions[decisions["reason"] != ""].groupby(["item", "reason"]).size().to_dict()
    assert left_out
    rows = [row for row in table(section, "Items").rows if row[0] == short]
    assert {(row[1], row[2]): int(row[3].replace(",", "")) for row in rows} == left_out
    made = {(row[0], row[1]): row for row in table(section, "Decisions").rows}
    assert made[short, "closed after going stale"][2] == "1"
    warm = result.decisions().groupby("date")["status"].first()
    warm = warm[warm == "warmup"]
    expected = (str(len(warm)), str(warm.index[0].date()), str(warm.index[-1].date()))
    assert made["mine", "status warmup"][2:] == expected


def test_the_newest_targets_are_those_of_orders(result: metabt.Result, run: Run) -> None:
    rows = {row[0]: row[2] for row in targets(run).rows}
    assert rows == {symbol: lines.percent(order.target) for symbol, order in result.orders.iterrows()}


def test_the_page_says_how_to_make_the_run_again(page: str, result: metabt.Result) -> None:
    assert f"metabt reproduce {result.run_id[:12]}" in page


def test_a_single_sleeve_has_a_page_too() -> None:
    single = backtested(single=True)
    names = [section.name for section in sections(Run(stored_row(single), single.tables))]
    assert {"sleeves", "curves", "months", "drawdowns", "book", "tails", "costs"} <= set(names)
    assert not {"allocation", "risk", "correlation"} & set(names)


def test_a_result_writes_its_own_page(result: metabt.Result, tmp_path: Path) -> None:
    file = result.report(tmp_path / "page.html")
    assert result.run_id[:12] in file.read_text(encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be written"):
        result.report(tmp_path / "nowhere" / "page.html")


def test_dashes_stand_for_what_there_is_not() -> None:
    assert [lines.percent(value, 1) for value in (np.nan, -0.0001, -0.25)] == ["–", "0.0%", "\N{MINUS SIGN}25.0%"]
