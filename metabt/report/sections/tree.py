"""Summary: every sleeve a row with its curve and its metrics, indented as the tree is."""

from __future__ import annotations

import math

import numpy as np

from metabt.report.lines import percent, thin
from metabt.report.run import Run
from metabt.report.section import Facts, Section

NAMES = {
    "cagr": "CAGR",
    "max_drawdown": "Max drawdown",
    "turnover": "Turnover p.a.",
    "cost": "Cost p.a.",
    "netting_benefit": "Netting benefit p.a.",
}
"""Headings of metrics that a capital letter and blanks do not make."""
PLAIN = ("sharpe", "sortino", "calmar", "omega", "skew", "kurtosis", "beta", "turnover", "information_ratio")
"""Metrics that are no percentages."""
FINE = ("cost", "netting_benefit")
"""Metrics that are small."""
ELSEWHERE = ("sessions", "years", "decisions", "fallbacks", "ineligible", "unselected", "waiting", "not_live")
"""Metrics that are told in other sections, as are all that end in _decisions or _closed."""
SPARK = 48
"""Points of a small curve."""


def tree(run: Run) -> Section:
    """Return the sleeves, those that a reader may choose from."""
    names = columns(run)
    rows = [
        (
            " " * path.count("/") + run.label(path),
            *(number(name, run.metrics.get(path, {}).get(name)) for name in names),
        )
        for path in run.paths
    ]
    note = (
        "Net of costs; a sleeve begins when it first trades. Turnover is half the sum of absolute trades; netting "
        "benefit is cost saved by netting the trades of sleeves. Choose a sleeve, and the curves show it and what is "
        "beneath it; choose it again, and they show all."
    )
    headings = ("Sleeve", *(heading(name) for name in names))
    sparks = [spark(run.streams.own(path, "nav")) for path in run.paths]
    return Section("sleeves", "Sleeves", tables=[Facts(headings, rows, note, paths=run.paths, sparks=sparks)])


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
    if metric in PLAIN:
        return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
    return percent(value, 3 if metric in FINE else 2)


def spark(nav: np.ndarray) -> str:
    """Return the points of a NAV's small curve, logarithmic, in a box of 100 x 24."""
    line = np.log(np.maximum(nav[thin(len(nav), SPARK)], 1e-12)) if len(nav) else np.empty(0)
    if len(line) < 2:
        return ""
    spread = float(np.ptp(line)) or 1.0
    across = np.linspace(1, 99, len(line))
    return " ".join(f"{x:.0f},{22 - 20 * y:.1f}" for x, y in zip(across, (line - line.min()) / spread, strict=True))
