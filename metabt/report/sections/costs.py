"""Costs and netting: costs of trading at the root through time, and the costs that netting saved."""

from __future__ import annotations

from typing import Any

import numpy as np

from metabt.report import lines
from metabt.report.lines import percent
from metabt.report.run import Run
from metabt.report.section import Chart, Facts, Section


def costs(run: Run) -> Section:
    """Return costs by year and by sleeve."""
    return Section("costs", "Costs and netting", [_through_time(run)], [by_sleeve(run)])


def yearly(dates: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the calendar years of `dates`, increasing, and the sum of `values` in each."""
    years, row = np.unique(dates.astype("datetime64[Y]"), return_inverse=True)
    return years, np.bincount(row, values, len(years))


def _through_time(run: Run) -> Chart:
    shown = [run.root, *run.children][: lines.MAX_CURVES]
    traces = [
        _by_year(run, path, "cost", lines.label(run.label(path)), width=2.2 if path == run.root else 1.1)
        for path in shown
    ]
    netted = bool(run.streams.own(run.root, "netting_benefit").any())
    if netted:
        traces.append(_by_year(run, run.root, "netting_benefit", "saved by netting", width=1.1, dash="dot"))
    caption = (
        "Cost of a calendar year as a fraction of a sleeve's own value; each is charged on its own netted trades, "
        "the portfolio on those of the whole book."
        + (" Dotted: what its sleeves would have paid beyond that, had each traded for itself." if netted else "")
        + lines.beyond(1 + len(run.children) - len(shown), "sleeves beyond the first are")
    )
    return Chart("costs-yearly", caption, traces, {"yaxis": {"tickformat": ".2%", "rangemode": "tozero"}}, height=20)


def _by_year(run: Run, path: str, column: str, name: str, **line: float | str) -> dict[str, Any]:
    """Return a curve of a column of a sleeve's stream, summed over calendar years."""
    years, summed = yearly(run.streams.own(path, "date"), run.streams.own(path, column))
    return {
        "name": name,
        "path": path,
        "slot": run.slots[path],
        "mode": "lines+markers",
        "line": {"shape": "hvh", **line},
        "x": [str(year) for year in years],
        "y": lines.rounded(summed, 4),
        "hovertemplate": "%{y:.3%}",
    }


def by_sleeve(run: Run) -> Facts:
    """Return cost, netting benefit and the growth lost to costs, for every sleeve that trades."""
    rows = []
    for path in run.paths:
        values = run.metrics.get(path, {})
        gross, years = run.streams.own(path, "gross"), values.get("years", 0.0)
        cagr = float(np.prod(1.0 + gross) ** (1.0 / years) - 1.0) if years > 0 and len(gross) else np.nan
        cells = (cagr, values.get("cagr", np.nan), cagr - values.get("cagr", np.nan))
        charged = (values.get("cost", np.nan), values.get("netting_benefit", np.nan))
        rows.append(
            (" " * path.count("/") + run.label(path), *map(percent, cells), *(percent(value, 3) for value in charged))
        )
    columns = ("Sleeve", "CAGR gross", "CAGR net", "Drag", "Cost p.a.", "Netting benefit p.a.")
    note = "Netting benefit is what the children's trades would have cost on their own, beyond what they cost together."
    return Facts(columns, rows, note, "By sleeve")
