"""Results in a prompt and in a notebook: short, whatever their size, and every text escaped."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

import metabt
from metabt.api.result import Baselines
from metabt.lakehouse.price_source import to_prices
from metabt.runs.sweep_notes import SweepNotes
from metabt.runs.swept import Outlook, Sweep, Swept
from tests.shared.panels import stocks
from tests.shared.small_tree import LEAF, tree

EVIL = "<img src=x onerror=alert(1)>&\"'"


class Seen(HTMLParser):
    """Tags and text of a piece of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def result() -> metabt.Result:
    return metabt.backtest(tree(), {"stocks": stocks(5, 400)}, benchmark="EE")


def test_a_result_is_a_line_with_run_period_and_key_metrics(result: metabt.Result) -> None:
    dates, values = result.returns().index, result.metrics().loc["book"]
    said = repr(result)
    assert said.startswith(f"Result('book', run {result.run_id[:12]}, {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}, 3 s")
    assert f"CAGR {values['cagr']:.2%}" in said and f"Sharpe {values['sharpe']:.2f}" in said
    assert f"max drawdown {values['max_drawdown']:.2%}" in said and len(said) < 300 and "\n" not in said


def test_a_notebook_shows_a_row_for_each_sleeve_and_the_benchmark(result: metabt.Result) -> None:
    seen = Seen(result._repr_html_())
    assert seen.tags.count("tr") == 1 + 3 + 1 and "benchmark:EE" in seen.text
    for path, row in result.metrics().iterrows():
        assert path.rpartition("/")[2] in seen.text and f"{row['sharpe']:.2f}" in seen.text


def test_large_runs_stay_short() -> None:
    sleeves = {f"s{i}": {**LEAF, "universe": ["AA", "BB"]} for i in range(200)}
    large = metabt.backtest({"name": "large", "sleeves": sleeves, "lookback": 30}, {"stocks": stocks(5)})
    assert len(repr(large)) < 400 and Seen(large._repr_html_()).tags.count("tr") == 31
    assert "171 more" in Seen(large._repr_html_()).text


def test_names_are_text_and_never_markup() -> None:
    settings = {"name": "<b>&", "sleeves": {"<script>1": {**LEAF, "universe": ["AA"]}}, "lookback": 30}
    evil = metabt.backtest(settings, {"stocks": stocks(5)})
    beside = evil.baselines(samples=5)
    for shown in (evil, beside):
        seen = Seen(shown._repr_html_())
        assert set(seen.tags) <= {"div", "p", "b", "small", "table", "thead", "tbody", "tr", "th", "td"}
    assert "<b>&" in Seen(evil._repr_html_()).text and "<script>1" in Seen(evil._repr_html_()).text
    left_out = Baselines(beside.results, beside.measured, {EVIL: EVIL})
    assert f"{EVIL}: {EVIL}" in Seen(left_out._repr_html_()).text


def test_what_holds_little_or_nothing_is_shown_as_well(result: metabt.Result) -> None:
    assert repr(metabt.Result("", {})) == "Result()" and Seen(metabt.Result("", {})._repr_html_()).tags
    summary = metabt.Result("3f2a", {name: result.tables[name] for name in ("sleeves", "metrics")})
    assert repr(summary).startswith("Result('book', run 3f2a, 3 sleeves; CAGR ")


def test_baselines_are_a_line_and_a_table(result: metabt.Result) -> None:
    beside = result.baselines(samples=20)
    assert len(repr(beside)) < 400 and "\n" not in repr(beside)
    for name, row in beside.statistics.iterrows():
        assert f"{name} {row['sharpe']:.2f}" in repr(beside)
        assert name in Seen(beside._repr_html_()).text
    assert Seen(beside._repr_html_()).tags.count("tr") == 1 + len(beside.results)


def test_a_sweep_is_a_line_and_its_best() -> None:
    runs = tuple(
        Swept(f"{i:064x}", (f"lookback={i}", EVIL), "ok", None, False, {"sharpe": i / 10, "cagr": 0.1})
        for i in range(40)
    )
    failed = Swept("f" * 64, (), "failed", "why", False, {})
    sweep = Sweep("5" * 64, Outlook(41, 1, 0, 9, 9, 0, 9, 0), (*runs, failed), 9, 9, 1.25, SweepNotes(40))
    seen = Seen(sweep._repr_html_())
    assert repr(sweep) == "Sweep(555555555555, 41 configurations, 1 failed; 9 blocks computed in 1.2 s)"
    assert seen.tags.count("tr") == 31 and "img" not in seen.tags and EVIL in seen.text
    assert seen.text.index("lookback=39") < seen.text.index("lookback=38") and "11 more" in seen.text


def test_other_public_values_are_short_too(result: metabt.Result) -> None:
    prices = to_prices("stocks", stocks(5))
    assert repr(prices) == ("Prices('stocks', 2021-01-04 .. 2021-07-02: 130 sessions; symbols: 5; fields: close)")
    sheet = metabt.open_panel(stocks(5)).compute()
    assert repr(sheet) == "Sheet(2021-01-04 .. 2021-07-02: 130 sessions; symbols: 5; fields: close, returns)"
    assert result.origin is not None
    sleeve = result.origin().request.tree
    assert repr(sleeve) == "Sleeve('book', 3 sleeves on 2 levels, optimizer min_variance)"
    assert repr(sleeve.sleeves[0]) == "Sleeve('a', 2 assets of 'stocks', optimizer inverse_volatility)"
    engine = metabt.BacktestEngine([sleeve], {"stocks": prices})
    assert repr(engine) == "BacktestEngine(['book'] over ['stocks'], engine local)"
    assert repr(metabt.MemoryCache()) == "MemoryCache(0 objects)"
