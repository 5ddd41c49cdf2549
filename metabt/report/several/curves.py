"""Curves: growth of each of several runs."""

from __future__ import annotations

from metabt.report import lines
from metabt.report.section import Chart, Section
from metabt.report.several.beside import Beside
from metabt.report.sweep.curves import growth


def curves(beside: Beside) -> Section:
    """Return the chart of growth."""
    drawn = beside.several.runs[: lines.MAX_CURVES]
    labels = beside.labels[: len(drawn)]
    traces = [
        growth(name, beside.curves[run.run_id], slot)
        for slot, (name, run) in enumerate(zip(labels, drawn, strict=True))
    ]
    caption = "Growth of each portfolio, net of costs; each begins at 1 where it first traded." + lines.beyond(
        len(beside.labels) - len(drawn), "runs are"
    )
    layout = {"yaxis": lines.growth_axis(traces), "xaxis": {}}
    return Section("curves", "Growth", [Chart("growth", caption, traces, layout, height=30)])
