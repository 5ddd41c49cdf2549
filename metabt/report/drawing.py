"""Drawing: a chart of the page on paper, by matplotlib, for where there is no browser.

1. The chart's own traces are drawn, so that picture and page cannot differ: lines, areas stacked up and down, bars and
   heat maps, on axes above each other.
2. What the page shows only once it is chosen is left out.
3. Names are text: nothing in them is read as a formula.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import unescape
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from metabt.report.colours import DOWN, MIDDLE, QUIET, UP, colour
from metabt.report.lines import beyond
from metabt.report.section import Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 10.0
"""Inches."""
LINE = 0.2
"""Inches to a line of text."""
SOFT = "#63635e"
"""The colour of a caption."""
STEPS = {"hv": "steps-post", "hvh": "steps-mid"}
"""Plotly's shape of a line -> matplotlib's."""


def draw(chart: Chart, title: str) -> Figure:
    """Return a chart as a figure of matplotlib, with its title and its caption above."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, chart.height * LINE + 1.0), layout="constrained", facecolor="white")
    names = sorted((name for name in chart.layout if name.startswith("yaxis")), key=lambda name: (len(name), name))
    names = names or ["yaxis"]
    shares = [np.ptp(chart.layout.get(name, {}).get("domain", (0.0, 1.0))) for name in names]
    axes = list(figure.subplots(len(names), sharex=True, squeeze=False, height_ratios=shares)[:, 0])
    for name, place in zip(names, axes, strict=True):
        traces = [it for it in chart.traces if it.get("yaxis", "y") == name.replace("axis", "")]
        _fill(place, [it for it in traces if it.get("visible", True) is True], chart)
        _dress(place, chart.layout.get(name, {}))
    _legend(figure, axes, chart)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", parse_math=False)
    axes[0].set_title(fill(chart.caption + _left_out(chart), 160), loc="left", fontsize=8, color=SOFT, parse_math=False)
    return figure


def _left_out(chart: Chart) -> str:
    """Return the sentence that says how many sleeves the page shows once they are chosen; empty if none."""
    paths = {trace.get("path") for trace in chart.traces if trace.get("visible", True) is not True}
    return beyond(len(paths), "sleeves are")


def _fill(axes: Axes, traces: Sequence[Mapping[str, Any]], chart: Chart) -> None:
    level: dict[str, np.ndarray] = {}
    for trace in traces:
        if trace.get("type") == "heatmap":
            _heat_map(axes, trace, chart.layout)
        elif trace.get("type") == "bar":
            _bars(axes, trace)
        elif stack := trace.get("stackgroup"):
            x, y = _dates(trace, chart), np.nan_to_num(_numbers(trace["y"]))
            low = level.get(stack, np.zeros(len(y)))
            level[stack] = low + y
            axes.fill_between(
                x,
                low,
                low + y,
                step="post" if trace["line"].get("shape") == "hv" else None,
                color=colour(trace["slot"]),
                alpha=0.75,
                linewidth=0,
                label=_name(trace),
            )
        else:
            line = trace["line"]
            axes.plot(
                _dates(trace, chart),
                _numbers(trace["y"]),
                color=colour(trace["slot"]),
                linewidth=line.get("width", 1.2),
                linestyle="--" if line.get("dash") else "-",
                drawstyle=STEPS.get(line.get("shape"), "default"),
                label=_name(trace),
            )


def _bars(axes: Axes, trace: Mapping[str, Any]) -> None:
    said: dict[str, Any] = {"color": colour(trace["slot"]), "label": _name(trace)}
    if "width" in trace:  # steps of returns, each around its middle
        axes.bar(_numbers(trace["x"]), _numbers(trace["y"]), trace["width"], **said)
        axes.xaxis.set_major_formatter(lambda value, _: _percent(value, "~%"))
        return
    x = np.array(trace["x"], "datetime64[D]")
    width = float(np.diff(x.astype(int)).min(initial=31)) * 0.9
    axes.bar(x, _numbers(trace["y"]), width, align="edge", **said)


def _heat_map(axes: Axes, trace: Mapping[str, Any], layout: Mapping[str, Any]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    found = np.array([_numbers(row) for row in trace["z"]])
    scale = LinearSegmentedColormap.from_list("signed", [DOWN, MIDDLE, UP])
    image = axes.imshow(found, cmap=scale, vmin=trace["zmin"], vmax=trace["zmax"])
    labels = [unescape(text) for text in layout["xaxis"]["ticktext"]]
    axes.set_xticks(trace["x"], labels, rotation=45, ha="right", parse_math=False)
    axes.set_yticks(trace["y"], labels, parse_math=False)
    assert axes.figure is not None
    axes.figure.colorbar(image, ax=axes, shrink=0.8)
    if "texttemplate" in trace:
        for (row, column), value in np.ndenumerate(found):
            if np.isfinite(value):
                colour = "white" if abs(value) > 0.6 else "black"
                text = f"{value:.2f}\n{trace['text'][row][column]}"
                axes.text(column, row, text, ha="center", va="center", color=colour)


def _dress(axes: Axes, layout: Mapping[str, Any]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_ylabel(layout.get("title", {}).get("text", ""))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if layout.get("showgrid", True):
        axes.grid(color="#dededa", linewidth=0.6)
        axes.set_axisbelow(True)
    if layout.get("type") == "log":
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 10 * low else range(1, 10)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif (form := layout.get("tickformat", "")).endswith("%"):
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _percent(value, form)))
        axes.axhline(0.0, color=QUIET, linewidth=0.8)
    if layout.get("rangemode") == "tozero":
        axes.set_ylim(bottom=0.0)


def _percent(value: float, form: str) -> str:
    """Return a tick as Plotly writes it: `.2%` has two decimals, `~%` as many as it takes."""
    text = f"{round(100.0 * value, 6) + 0.0:g}%" if form == "~%" else f"{value:{form}}"
    return text.replace("-", "\N{MINUS SIGN}")


def _legend(figure: Figure, axes: Sequence[Axes], chart: Chart) -> None:
    found = [pair for place in axes for pair in zip(*place.get_legend_handles_labels(), strict=True)]
    if not found or not chart.layout.get("showlegend", True):
        return
    handles, labels = zip(*found, strict=True)
    legend = figure.legend(
        handles, labels, loc="outside lower left", ncols=min(len(found), 5), fontsize=9, frameon=False
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _name(trace: Mapping[str, Any]) -> str:
    name = unescape(str(trace["name"]))
    # matplotlib leaves out of a legend what begins with an underscore
    return "_" if not trace.get("showlegend", True) else f"\u200b{name}" if name.startswith("_") else name


def _dates(trace: Mapping[str, Any], chart: Chart) -> np.ndarray:
    return np.array(trace.get("x") or chart.x[trace.get("first", 0) :], "datetime64[D]")


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values])
