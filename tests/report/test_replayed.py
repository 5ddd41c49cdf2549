"""What a page tells from walking its run again: baselines and attribution, or why they cannot be told."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt import lakehouse
from metabt.build.cache import MemoryCache
from metabt.build.ports import Sealed
from metabt.build.walk_result import WalkResult
from metabt.cli.pages.report_command import report
from metabt.errors import ConfigError, StoreError
from metabt.lakehouse.folder.lost_catalogue import CACHE
from metabt.report import render, replayed
from metabt.report.contents import sections
from metabt.report.lines import percent
from metabt.report.markup import markup
from metabt.report.replayed import Missing, Replayed
from metabt.report.run import Run
from metabt.report.section import Branch, Chart, Facts, Folded, Section
from metabt.report.sections.attribution import attribution
from metabt.report.sections.baselines import baselines, pays, verdict
from metabt.report.sections.tree import number
from metabt.runs.baselines.bootstrap import Bootstrap
from tests.shared import panels
from tests.shared.agreement import same
from tests.shared.reported import EVIL, backtested, stored_row

FULL = "static_full (LOOK-AHEAD)"
LEAVES = {"one": ["AA", "BB"], "two": ["CC", "DD"], "three": ["EE", "AA"]}
LONG = {
    "name": "mine",
    "optimizer": "min_variance",
    "defaults": {"lookback": 12, "schedule": {"every": 5}, "costs": {"commission_bp": 10}},
    "sleeves": {name: {"universe": universe} for name, universe in LEAVES.items()},
}


def told(result: metabt.Result, baselines: bool | None = None) -> Run:
    """Return a run whose page tells all there is."""
    return Run(stored_row(result), result.tables, Replayed.wanted(result.origin, baselines))


@pytest.fixture(scope="module")
def result() -> metabt.Result:
    return backtested()


@pytest.fixture(scope="module")
def run(result: metabt.Result) -> Run:
    return told(result)


@pytest.fixture(scope="module")
def long() -> metabt.Result:
    return metabt.backtest(LONG, panels.stocks(1, 130), benchmark="BB")


def table(section: Section | None, title: str = "") -> Facts | Folded:
    assert section is not None
    (found,) = [facts for facts in section.tables if facts.title == title]
    return found


def figure(section: Section | None) -> Chart:
    assert section is not None
    (found,) = section.figures
    return found


def branches(branch: Branch, above: str = "") -> Iterator[tuple[tuple[str, str], Branch]]:
    """Yield ((path of the sleeve, item), row) of a tree; the root's sleeve is nothing."""
    name = branch.cells[0]
    yield (above, name), branch
    for below in branch.beneath:
        yield from branches(below, f"{above}/{name}" if above else name)


# ---------------------------------------------------------------------------------------------- baselines


def test_baselines_are_those_of_the_result(long: metabt.Result) -> None:
    section = baselines(told(long))
    facts, found = table(section), long.baselines()
    assert isinstance(facts, Facts)
    assert [row[0] for row in facts.rows] == [
        "mine",
        "equal weight",
        "inverse volatility",
        "static: first weights",
        "LOOK-AHEAD static: full history",
        "flat: without recursion",
    ]
    for row, (name, values) in zip(facts.rows, found.statistics.iterrows(), strict=True):
        cells = dict(zip(facts.columns, row, strict=True))
        assert cells["Sharpe"] == number("sharpe", values["sharpe"])
        assert cells["Total return"] == percent(values["total_return"])
        assert cells["Cost p.a."] == percent(values["cost"], 3)
        assert cells["Beta"] == number("beta", values["beta"]) and cells["Tracking error"] != "\N{EN DASH}"
        if name != "portfolio":
            low, high = (number("sharpe", values[end]) for end in ("sharpe_low", "sharpe_high"))
            assert cells["90% interval"] == f"{low} to {high}"
            assert cells["Sessions"] == f"{len(long.returns()):,}" == number("sessions", values["common_sessions"])
            assert cells["Portfolio's less this"] == number("sharpe", values["sharpe_difference"])
    assert facts.note.endswith("are against benchmark:BB.")


def test_a_benchmark_measures_baselines_as_it_measures_runs(long: metabt.Result) -> None:
    flat = metabt.backtest(LONG, panels.stocks(1, 130), is_meta_backtest=False, benchmark="BB").metrics()
    found = long.baselines(samples=10).statistics
    for metric in ("beta", "tracking_error", "information_ratio"):
        assert found.loc["flat", metric] == flat.loc["mine", metric]
        assert found.loc["portfolio", metric] == long.metrics().loc["mine", metric]


def test_their_curves_end_where_their_streams_do_and_look_ahead_is_marked(long: metabt.Result) -> None:
    chart, navs = figure(baselines(told(long))), long.baselines(samples=10).navs
    growth = [trace for trace in chart.traces if "yaxis" not in trace]
    falls = [trace for trace in chart.traces if trace.get("yaxis") == "y2"]
    assert [trace["legendgroup"] for trace in growth] == list(navs)
    for trace, fall in zip(growth, falls, strict=True):
        nav = navs[trace["legendgroup"]].dropna()
        assert trace["y"][-1] == pytest.approx(nav.iloc[-1], rel=1e-4)
        whole = np.r_[1.0, nav]
        assert min(fall["y"]) == pytest.approx((whole / np.maximum.accumulate(whole) - 1).min(), rel=1e-3, abs=1e-9)
        assert (trace["line"]["dash"] == "dot") == ("LOOK-AHEAD" in trace["name"])
    assert sum("LOOK-AHEAD" in trace["name"] for trace in growth) == 1


def test_the_recursion_pays_where_the_whole_interval_is_above_zero() -> None:
    def one(low: float, high: float, ahead: bool = False) -> dict[str, float | bool]:
        return {"sharpe_low": low, "sharpe_high": high, "look_ahead": ahead}

    assert [pays(one(*ends)) for ends in ((0.1, 0.2), (-0.2, -0.1), (-0.1, 0.1), (np.nan, np.nan))] == [
        "yes",
        "no",
        "not shown",
        "",
    ]
    measured = {"equal": one(0.1, 0.2), "flat": one(-0.1, 0.1), "static_first": one(-0.1, 0.2)}
    words = verdict({**measured, FULL: one(0.1, 0.2, True)})
    assert "is higher than that of equal weight: there the recursion pays" in words
    assert "cannot be told apart from that of flat: without recursion and static: first weights" in words
    assert "LOOK-AHEAD" not in words and "lower" not in words


def test_what_there_is_no_baseline_of_is_said(run: Run) -> None:
    left_out = table(baselines(run), "Left out")
    assert isinstance(left_out, Facts)
    ((name, reason),) = left_out.rows
    assert name == "flat: without recursion" and "'D' is long in one and short in the other of 'mine/calm" in reason


def test_a_large_flat_baseline_waits_until_it_is_asked_for(
    long: metabt.Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replayed, "FLAT_UP_TO", 4)
    left_out = table(baselines(told(long)), "Left out")
    assert isinstance(left_out, Facts) and "5 assets under one optimizer take long" in left_out.rows[0][1]
    rows = table(baselines(told(long, True)))
    assert isinstance(rows, Facts) and rows.rows[-1][0] == "flat: without recursion"


# -------------------------------------------------------------------------------------------- attribution


def test_contributions_are_those_of_the_result_and_close(result: metabt.Result, run: Run) -> None:
    folded = table(attribution(run), "Contribution to return")
    assert isinstance(folded, Folded)
    found = dict(branches(folded.root))
    rows = result.attribution().set_index(["path", "item"])
    total = float(np.prod(1 + result.returns()["net"]) - 1)
    assert found["", "mine"].cells[1] == percent(total)
    for (above, item), branch in list(found.items())[1:]:
        row, path = rows.loc[(above, item)], f"{above}/{item}"
        assert branch.cells[3] == percent(row["own"])
        if item != "costs":
            assert branch.cells[1] == percent(row["root"])
        if path in result.paths:
            assert branch.cells[4] == percent(result.returns(path)["nav"].iloc[-1] - 1)
    assert [row.cells[0] for row in folded.root.beneath] == ["calm", EVIL, "costs"]
    assert len(found) == len(rows) + 1
    assert float(folded.note.rpartition(" ")[2].rstrip(".")) < 1e-12


def test_areas_add_up_to_the_total_return(result: metabt.Result, run: Run) -> None:
    section = attribution(run)
    chart = figure(section)
    ends: dict[str, float] = {}
    for trace in chart.traces:
        ends[trace["name"]] = ends.get(trace["name"], 0.0) + trace["y"][-1]
    assert sum(ends.values()) == pytest.approx(result.returns()["nav"].iloc[-1] - 1, abs=2e-4)
    assert len(ends) == 3 and "costs" in ends


def test_effects_by_level_add_up_to_what_was_better_than_equal_weights(result: metabt.Result, run: Run) -> None:
    section = attribution(run)
    levels, folded = (table(section, f"Against equal weights, {how}") for how in ("by level", "sleeve by sleeve"))
    assert isinstance(levels, Facts) and isinstance(folded, Folded)
    effects = result.brinson()
    active = effects.loc[effects["path"] == "mine", "root"].sum()
    assert levels.rows[-1][-1] == percent(active) == folded.root.cells[-1]
    between = effects[(effects["path"] == "mine") & (effects["effect"] == "allocation")]["root"].sum()
    assert levels.rows[0][:2] == ("level 1", percent(between))
    assets = effects[effects["kind"] == "asset"]["root"].sum()
    assert levels.rows[-3] == ("assets", "", "", percent(assets), percent(assets))
    assert all(float(facts.note.rpartition(" ")[2].rstrip(".")) < 1e-12 for facts in (levels, folded))
    found = dict(branches(folded.root))
    calm = effects[(effects["path"] == "mine") & (effects["item"] == "calm")].set_index("effect")["root"]
    assert found["mine", "calm"].cells[1:] == (
        *(percent(calm[name]) for name in ("allocation", "selection", "interaction")),
        percent(calm.sum()),
    )


def test_small_assets_are_summed_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    closes = pd.DataFrame(
        50 * np.cumprod(1 + rng.normal(0.0002, 0.01, (120, 9)), axis=0),
        columns=[f"A{i}" for i in range(9)],
        index=pd.bdate_range("2020-01-01", periods=120),
    )
    monkeypatch.setattr("metabt.report.attribution_rows.MOST", 4)
    tree = {"name": "mine", "sleeves": {"one": {"universe": list(closes), "lookback": 20}}}
    folded = table(attribution(told(metabt.backtest(tree, closes))), "Contribution to return")
    assert isinstance(folded, Folded)
    assets = [row for row in folded.root.beneath[0].beneath if row.cells[0] != "costs"]
    assert [row.cells[0][0] for row in assets] == ["A", "A", "A", "6"] and assets[-1].cells[0] == "6 others"


def test_a_tree_is_markup_with_every_name_as_text(run: Run) -> None:
    section = attribution(run)
    assert section is not None
    html = markup(section)
    assert html.count("<details") == html.count("</details>") == 2 * len(run.paths)
    assert "<img" not in html and "<script" not in html and "&lt;img src=x" in html


# --------------------------------------------------------------------------------------------- what is not


def test_a_page_is_written_where_a_run_cannot_be_walked_again(result: metabt.Result) -> None:
    def gone() -> None:
        raise StoreError("the lakehouse no longer has snapshot 7")

    for origin, reason in ((gone, "no longer has snapshot 7"), (None, "not known where this result came from")):
        run = Run(stored_row(result), result.tables, Replayed(origin))
        page = render(run)
        assert page.count(reason) == 2
        assert [len(section.figures) for section in sections(run) if section.name in ("baselines", "attribution")] == [
            0,
            0,
        ]


def test_what_fails_on_the_way_is_said(result: metabt.Result, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object) -> None:
        raise ConfigError("optimizer 'acme' is not installed")

    monkeypatch.setattr("metabt.runs.replay.walk_baselines", fails)
    run = told(result)
    section = baselines(run)
    assert section is not None and not section.figures
    assert section.tables[0].note == "There are none: optimizer 'acme' is not installed"
    assert figure(attribution(run)).name == "contribution"


def test_neither_is_told_where_they_are_not_wanted(result: metabt.Result, tmp_path: Path) -> None:
    text = result.report(tmp_path / "page.html", baselines=False).read_text(encoding="utf-8")
    assert 'id="baselines"' not in text and 'id="attribution"' not in text and 'id="risk"' in text
    text = result.report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert 'id="baselines"' in text and 'id="attribution"' in text


def test_a_single_sleeve_has_attribution_alone() -> None:
    run = told(backtested(single=True))
    assert baselines(run) is None
    assert [facts.title for facts in getattr(attribution(run), "tables", ())][0] == "Contribution to return"


class Watched(MemoryCache):
    """Counts the blocks that were found, and those that were put."""

    def __init__(self) -> None:
        super().__init__()
        self.found = self.put_in = 0

    def get(self, key: str, kind: str) -> Sealed | None:
        sealed = super().get(key, kind)
        self.found += sealed is not None
        return sealed

    def put(self, key: str, kind: str, parts: Mapping[str, object]) -> Sealed:
        self.put_in += 1
        return super().put(key, kind, parts)


def test_blocks_are_read_once_and_none_is_put(monkeypatch: pytest.MonkeyPatch) -> None:
    behind = Watched()
    result = metabt.backtest(LONG, panels.stocks(1, 330), cache=behind)
    assert result.origin is not None
    plain = replace(result.origin(), cache=None)
    for cost in ("READ", "FOLLOWED"):
        monkeypatch.setattr(f"metabt.engines.rewalk.{cost}", 0.0)
    behind.found = behind.put_in = 0
    origin = result.origin()
    attributed = origin.attributed()
    own = behind.found
    assert own and not behind.put_in
    beside = origin.beside()
    origin.attributed()
    assert behind.found == own and not behind.put_in
    assert same({"it": attributed.contributions}, {"it": plain.attributed().contributions})
    assert str(beside.statistics(Bootstrap(20))) == str(plain.beside().statistics(Bootstrap(20)))


def test_nothing_in_the_folder_of_the_cache_changes(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    lakehouse.ingest(lake, "stocks", panels.stocks(1, 330).rename_axis("date"))
    tree = {**LONG, "defaults": {**LONG["defaults"], "dataset": "stocks"}}
    metabt.backtest(tree, lake)
    metabt.backtest({**tree, "name": "other", "optimizer": "erc"}, lake)

    def listing() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in (lake / CACHE).rglob("*")}

    before = listing()
    assert before
    report(str(lake), LONG["name"], output=str(tmp_path / "page.html"))
    assert listing() == before
    result = metabt.load(lake, LONG["name"])
    result.attribution("year"), result.brinson(), result.baselines(samples=20)
    result.report(tmp_path / "page.html")
    report(str(lake), LONG["name"], "other", output=str(tmp_path / "page.html"))
    assert listing() == before


def test_what_a_page_does_not_tell_is_let_go_of(result: metabt.Result) -> None:
    again = Replayed.wanted(result.origin, None)
    assert again is not None and result.origin is not None
    gc.collect()
    others = sum(type(it) is WalkResult for it in gc.get_objects())
    again.ahead()
    gc.collect()
    assert sum(type(it) is WalkResult for it in gc.get_objects()) <= others
    assert not isinstance(again.beside, Missing) and not isinstance(again.attributed, Missing)
