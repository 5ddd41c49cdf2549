"""The page: everything of a run in one file, nothing executable in a name, drawn by a browser without a network."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.errors import StoreError
from metabt.report import charts as drawn
from metabt.report import render
from metabt.report.facts import METRICS, metrics_table, newest_table, silent_nothing

EVIL = "<script>document.title='owned'<&{script}>\"'"
LEAF = {"optimizer": "inverse_volatility", "lookback": 30, "lag": 0}
TREE = {
    "name": "mine",
    "lookback": 30,
    "sleeves": {
        "calm": {**LEAF, "universe": ["A", EVIL]},
        EVIL: {**LEAF, "universe": ["C", "D"], "direction": "short"},
    },
}


def closes(n_sessions: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    moves = 1 + rng.normal(0.0002, [0.005, 0.01, 0.02, 0.01], (n_sessions, 4))
    frame = pd.DataFrame(50 * np.cumprod(moves, axis=0), columns=["A", EVIL, "C", "D"])
    frame.loc[200:230, "C"] = np.nan  # 31 sessions without a price: C is left out, then closed as stale
    return frame.set_index(pd.bdate_range("2020-01-01", periods=n_sessions))


@pytest.fixture(scope="module")
def result() -> metabt.Result:
    return metabt.backtest(TREE, closes())


@pytest.fixture(scope="module")
def page(result: metabt.Result) -> str:
    run = {
        "run_id": result.run_id,
        "portfolio": "mine",
        "config": json.dumps({"name": EVIL}),
        "snapshot": 7,
        "engine": "local",
        "versions": "{}",
        "started_at": "2026-01-02 03:04:05",
        "seconds": 0.5,
        "status": "ok",
    }
    return render(run, result.tables)


class Elements(HTMLParser):
    """Count the elements of a page and collect what they refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.count: dict[str, int] = {}
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        self.links += [f"{key}={value}" for key, value in attrs if key in ("src", "href")]


def test_the_page_carries_all_that_it_needs(page: str) -> None:
    elements = Elements()
    elements.feed(page)
    assert elements.links == []
    assert elements.count["script"] == 3  # the figures, Plotly and what draws them: no name became an element
    assert "default-src 'none'" in page
    assert 'name="viewport"' in page


def test_names_are_text(page: str) -> None:
    assert "&lt;script&gt;document.title" in page
    before_plotly = page[: page.index('id="figures"')]
    assert "<script>document" not in before_plotly
    figures = page[page.index('id="figures">') + 13 :].split("</script>")[0]
    assert "<" not in figures  # nothing in a figure can end the element that carries it
    names = [trace.get("name") for trace in json.loads(figures)["growth"]["data"]]
    assert (
        "&lt;script&gt;document.title=&#x27;owned&#x27;&lt;&amp;{script}&gt;&quot;&#x27;" in names
    )  # Plotly reads tags


def test_every_sleeve_and_metric_is_in_the_table(result: metabt.Result) -> None:
    table = metrics_table(result.tables)
    assert [row[0].strip() for row in table.rows] == [path.rpartition("/")[2] for path in result.paths]
    assert [row[0][: row[0].index(row[0].strip()[0])] for row in table.rows] == ["", " ", " "]
    root = result.metrics().loc["mine"]
    assert table.rows[0][1 + list(METRICS).index("cagr")] == f"{root['cagr']:.2%}"
    assert table.rows[0][1 + list(METRICS).index("sharpe")] == f"{root['sharpe']:.2f}"


def test_what_was_left_out_is_counted(result: metabt.Result) -> None:
    rows = {(path, what): int(times.replace(",", "")) for path, what, times in silent_nothing(result.tables).rows}
    short = f"mine/{EVIL}"
    decisions = result.decisions(short)
    left_out = decisions[decisions["reason"] != ""].groupby("reason").size()
    assert left_out.sum() > 0
    assert {what: times for (path, what), times in rows.items() if path == short and "left out" in what} == {
        f"left out: {reason}": times for reason, times in left_out.items()
    }
    assert rows[short, "closed after going stale"] == 1
    warm = result.decisions().groupby("date")["status"].first().eq("warmup").sum()
    assert rows["mine", "status warmup"] == warm > 0


def test_the_newest_targets_are_those_of_orders(result: metabt.Result) -> None:
    rows = {row[0]: row[2] for row in newest_table(result.tables).rows}
    assert rows == {symbol: f"{order.target:.2%}" for symbol, order in result.orders.iterrows()}


def test_growth_ends_where_the_stream_ends(result: metabt.Result) -> None:
    traces = {trace["hovertemplate"].split(" ")[0]: trace for trace in drawn.growth(result.tables).traces}
    for path in ("mine", "mine/calm"):
        returns = result.returns(path)
        assert traces[path]["y"][-1] == pytest.approx(returns["nav"].iloc[-1], rel=1e-5)
        assert traces[path]["x"][-1] == str(returns.index[-1].date())


def test_the_deepest_fall_is_drawn_however_few_points_there_are(
    result: metabt.Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawn, "MAX_POINTS", 20)
    traces = drawn.drawdown(result.tables).traces
    assert len(traces[0]["y"]) <= 20
    assert min(traces[0]["y"]) == pytest.approx(-result.metrics().loc["mine", "max_drawdown"], rel=1e-5)


def test_the_allocation_is_the_decided_weights(result: metabt.Result) -> None:
    weights = result.sleeve_weights()
    traces = {trace["name"]: trace["y"] for trace in drawn.allocation(result.tables).traces}
    np.testing.assert_allclose(traces["calm"], weights["calm"], rtol=1e-5, atol=1e-12)


def test_curves_beyond_the_limit_are_counted(result: metabt.Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn, "MAX_CURVES", 2)
    monkeypatch.setattr(drawn, "MAX_HOLDINGS", 3)
    assert len(drawn.growth(result.tables).traces) == 2
    assert "1 sleeves further from the root are not drawn" in drawn.growth(result.tables).caption
    assert "1 smaller ones are not drawn" in drawn.holdings(result.tables).caption


def test_a_result_writes_its_own_page(result: metabt.Result, tmp_path: Path) -> None:
    file = result.report(tmp_path / "page.html")
    assert result.run_id[:12] in file.read_text(encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be written"):
        result.report(tmp_path / "nowhere" / "page.html")


def browse(page: str, folder: Path, *options: str) -> str:
    """Return the page's elements after a browser has run its scripts."""
    browser = shutil.which("chromium")
    if browser is None:
        assert "METABT_NEED_BROWSER" not in os.environ, "chromium is not installed"
        pytest.skip("chromium is not installed")
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    timing = ["--virtual-time-budget=20000", f"--user-data-dir={folder / 'browser'}", "--dump-dom"]
    done = subprocess.run(
        [browser, *flags, *timing, *options, file.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


@pytest.mark.parametrize("options", [["--window-size=1200,900"], ["--window-size=390,844"]], ids=["desk", "phone"])
def test_a_browser_draws_every_chart(page: str, tmp_path: Path, options: list[str]) -> None:
    dom = browse(page, tmp_path, *options)
    sections = re.split(r'<div class="chart', dom)[1:]
    assert len(sections) == 4
    for section in sections:
        assert "main-svg" in section
        assert re.search(r'class="(trace|fills|lines|point)', section) or "js-line" in section
    assert "<title>mine" in dom  # the script in a name did not run
