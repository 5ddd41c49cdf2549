"""Figures: the page's main charts as pictures, drawn from the same numbers, whatever names stand in them."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.text import Text

import metabt
from metabt.errors import ConfigError, StoreError
from metabt.report import lines
from metabt.report.contents import sections
from metabt.report.drawing import draw
from metabt.report.figures import MAIN
from metabt.report.run import Run
from metabt.report.section import Chart
from tests.shared.reported import ENDING, EVIL, IMAGE, backtested, stored_row


@pytest.fixture(scope="module")
def result() -> metabt.Result:
    return backtested()


@pytest.fixture(scope="module")
def charts(result: metabt.Result) -> dict[str, Chart]:
    run = Run(stored_row(result), result.tables)
    return {chart.name: chart for section in sections(run) for chart in section.figures}


@pytest.mark.parametrize("form, begins", [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_main_charts_become_files(result: metabt.Result, tmp_path: Path, form: str, begins: bytes) -> None:
    files = result.figures(tmp_path / "new" / "folder", form)
    assert {file.name for file in files} == {f"{name}.{form}" for name in MAIN}
    assert all(file.read_bytes().startswith(begins) and file.stat().st_size > 5_000 for file in files)
    again = result.figures(tmp_path / "again", form)
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]


def test_names_are_text(result: metabt.Result, tmp_path: Path) -> None:
    written = {file.stem: ElementTree.parse(file).getroot() for file in result.figures(tmp_path, "svg")}
    texts = {name: "".join(picture.itertext()) for name, picture in written.items()}
    assert EVIL in texts["growth"] and IMAGE in texts["holdings"] and ENDING in texts["holdings"]
    assert "mine" in texts["growth"] and result.run_id[:12] in texts["growth"]
    for picture in written.values():
        assert not {element.tag.rpartition("}")[2] for element in picture.iter()} & {"script", "img", "foreignObject"}


def test_a_name_is_no_formula() -> None:
    trace = {"name": "$x_1$ _a", "slot": 0, "mode": "lines", "line": {}, "y": [1.0, 2.0]}
    hidden = {**trace, "name": "_first"}
    chart = Chart("x", "what $costs$ $", [trace, hidden], {}, ["2020-01-01", "2020-01-02"])
    figure = draw(chart, "a $title$")
    (legend,) = figure.legends
    assert [text.get_text().strip("\u200b") for text in legend.get_texts()] == ["$x_1$ _a", "_first"]
    dollars = [text for text in figure.findobj(Text) if "$" in text.get_text()]
    assert len(dollars) == 3 and not any(text.get_parse_math() for text in dollars)
    figure.canvas.draw()


def test_lines_are_those_of_the_page(charts: dict[str, Chart]) -> None:
    chart = charts["growth"]
    above, below = draw(chart, "t").axes
    for axes, name in ((above, "y"), (below, "y2")):
        shown = [it for it in chart.traces if it.get("visible", True) is True and it.get("yaxis", "y") == name]
        drawn = [line for line in axes.lines if len(line.get_xdata()) > 2]
        assert len(shown) == len(drawn) > 1
        for trace, line in zip(shown, drawn, strict=True):
            assert np.array_equal(np.array(trace["y"], float), np.asarray(line.get_ydata(), float), equal_nan=True)
            assert line.get_xdata()[0] == np.datetime64(chart.x[trace["first"]])


def test_areas_stand_on_each_other(charts: dict[str, Chart]) -> None:
    (axes,) = draw(charts["holdings"], "t").axes
    traces = charts["holdings"].traces
    heights = {
        stack: sum(np.array(it["y"]) for it in traces if it["stackgroup"] == stack) for stack in ("above", "below")
    }
    ends = np.array([area.get_paths()[0].vertices[:, 1] for area in axes.collections], dtype=object)
    assert max(np.max(y) for y in ends) == pytest.approx(heights["above"].max())
    assert min(np.min(y) for y in ends) == pytest.approx(heights["below"].min())
    assert len(axes.collections) == len(traces)


def test_bars_and_squares_are_drawn(charts: dict[str, Chart]) -> None:
    turnover = draw(charts["exposure"], "t").axes[2]
    bars = next(trace for trace in charts["exposure"].traces if trace.get("type") == "bar")
    assert [bar.get_height() for bar in turnover.patches] == bars["y"]
    axes, _ = draw(charts["correlation-map"], "t").axes
    (trace,) = charts["correlation-map"].traces
    assert np.array_equal(axes.images[0].get_array(), np.array(trace["z"], float))
    assert [text.get_text() for text in axes.get_xticklabels()][0] == "calm"
    assert len(axes.texts) == len(trace["z"]) ** 2


def test_small_percentages_are_told_apart() -> None:
    trace = {"name": "a", "slot": 0, "mode": "lines", "line": {}, "y": [0.0, -0.012]}
    chart = Chart("x", "falls", [trace], {"yaxis": {"tickformat": "~%"}}, ["2020-01-01", "2020-01-02"])
    figure = draw(chart, "t")
    figure.canvas.draw()
    ticks = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert len(set(ticks)) == len(ticks) > 3 and "0%" in ticks and "\N{MINUS SIGN}1%" in ticks


def test_every_chart_of_the_page_can_be_drawn(charts: dict[str, Chart]) -> None:
    for name, chart in charts.items():
        draw(chart, name).canvas.draw()


def test_what_waits_to_be_chosen_is_left_out_and_said(result: metabt.Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_CURVES", 2)
    run = Run(stored_row(result), result.tables)
    (growth,) = [chart for section in sections(run) for chart in section.figures if chart.name == "growth"]
    figure = draw(growth, "t")
    assert re.search(r"3 sleeves are\s+not drawn", figure.axes[0].get_title(loc="left"))
    assert "Choose" not in figure.axes[0].get_title(loc="left")


def test_a_leaf_alone_has_the_charts_of_a_leaf(tmp_path: Path) -> None:
    files = backtested(single=True).figures(tmp_path)
    assert [file.stem for file in files] == ["growth", "holdings"]


def test_what_cannot_be_written(result: metabt.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no format 'svgz'; did you mean 'svg'"):
        result.figures(tmp_path, "svgz")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written.*name another folder"):
        result.figures(tmp_path / "file")
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(StoreError, match=r"pip install 'metabt\[figures\]'"):
        result.figures(tmp_path)
