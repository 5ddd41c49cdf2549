"""Summary: every sleeve a row with its curve and its metrics, indented as the tree is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from metabt.analysis.summary import with_growth
from metabt.report.lines import percent, thin
from metabt.report.run import Run
from metabt.report.section import Facts, Section

FIRST = ("total_return", "cagr", "volatility", "sharpe", "max_drawdown", "turnover", "cost", "netting_benefit")
"""Metrics beside the curves; all others have a table of their own."""
NAMES = {
    "cagr": "CAGR",
    "turnover": "Turnover p.a.",
    "cost": "Cost p.a.",
    "allocation_change": "Allocation change",
    "netting_benefit": "Netting benefit p.a.",
    "probabilistic_sharpe": "Probabilistic Sharpe",
    "var_95": "VaR 95%",
    "expected_shortfall_95": "ES 95%",
}
"""Headings of metrics that a capital letter and blanks do not make."""
CAPTURES = ("up_capture", "down_capture")
"""Metrics that are shares of a benchmark's mean return."""
PLAIN = ("sharpe", "sortino", "calmar", "omega", "skew", "kurtosis", "beta", "turnover", "information_ratio", *CAPTURES)
"""Metrics that are no percentages."""
COUNTS = ("sessions", "_sessions", "_days")
"""Endings of the names of metrics that are whole numbers."""
FINE = ("cost", "netting_benefit", "break_even_cost")
"""Metrics that are shown with more decimals, since they are small."""
LEFT_OUT = ("ineligible", "unselected", "waiting", "not_live", "constant", "not_a_member")
"""Why items of decisions had no weight."""
ELSEWHERE = ("sessions", "years", "decisions", "fallbacks", *LEFT_OUT)
"""Metrics that other sections show, as are all that end in _decisions or _closed."""
SPARK = 48
"""Largest number of points of a small curve."""


def tree(run: Run) -> Section:
    """Return the section: a row per sleeve, from which a reader may choose curves, and the benchmark last."""
    shown = [*run.paths, *run.beside]
    names = columns(run)
    first = with_growth([name for name in names if name in FIRST], [run.metrics.get(path, {}) for path in shown])
    note = (
        "Net of costs; a sleeve begins when it first trades, and has a CAGR after a year. Turnover is half the sum of "
        "absolute trades, the first purchase among them; netting benefit is cost saved by netting the trades of "
        "sleeves. Choose a sleeve, and the curves show it and what is beneath it; choose it again, and they show all."
    )
    sparks = [spark(run.streams.own(path, "nav")) for path in shown]
    tables = [Facts(_headings(first), _rows(run, shown, first), note, paths=run.paths, sparks=sparks)]
    further = [name for name in names if name not in (*first, "cagr")]
    if further:
        tables.append(Facts(_headings(further), _rows(run, shown, further), title="Further metrics"))
    return Section("sleeves", "Sleeves", tables=tables)


def columns(run: Run) -> list[str]:
    """Return the metrics that describe a stream, in the order in which they are stored."""
    return [
        name
        for name in run.metrics.get(run.root, {})
        if name not in ELSEWHERE and not name.endswith(("_decisions", "_closed"))
    ]


def heading(name: str) -> str:
    """Return a metric's heading."""
    return NAMES.get(name, name.replace("_", " ").capitalize())


def number(metric: str, value: float | None) -> str:
    """Return a metric as text."""
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    if metric.endswith(COUNTS):
        return f"{round(value):,}".replace("-", "\N{MINUS SIGN}")
    if metric in PLAIN:
        return f"{round(value, 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}")
    return percent(value, 3 if metric in FINE else 2)


def _headings(names: Sequence[str]) -> tuple[str, ...]:
    return ("Sleeve", *map(heading, names))


def _rows(run: Run, shown: Sequence[str], names: Sequence[str]) -> list[tuple[str, ...]]:
    rows = []
    for path in shown:
        name = " " * path.count("/") + run.label(path) if path in run.slots else path
        values = run.metrics.get(path, {})
        rows.append((name, *(number(metric, values.get(metric)) for metric in names)))
    return rows


def spark(nav: np.ndarray) -> str:
    """Return the points of a NAV's small curve, logarithmic, in a box of 100 x 24."""
    line = np.log(np.maximum(nav[thin(len(nav), SPARK)], 1e-12)) if len(nav) else np.empty(0)
    if len(line) < 2:
        return ""
    spread = float(np.ptp(line)) or 1.0
    across = np.linspace(1, 99, len(line))
    return " ".join(f"{x:.0f},{22 - 20 * y:.1f}" for x, y in zip(across, (line - line.min()) / spread, strict=True))
