"""Baselines: whether the recursion pays, compared with simpler weights of the same sleeves.

Each baseline is walked by the same simulator at the same costs (metabt.runs.baselines). The portfolio pays where the
whole bootstrap interval of its Sharpe ratio less a baseline's is above zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from metabt.analysis.summary import with_growth
from metabt.report import lines
from metabt.report.replayed import Missing
from metabt.report.run import Run
from metabt.report.section import Chart, Facts, Section
from metabt.report.sections.tree import heading, number
from metabt.report.streams import Streams

if TYPE_CHECKING:
    from metabt.runs.baselines.bootstrap import Bootstrap
    from metabt.runs.baselines.walk_baselines import BaselineWalk

POINTS = 700
"""Largest number of sessions drawn of one curve."""
NAMES = {
    "equal": "equal weight",
    "inverse_volatility": "inverse volatility",
    "static_first": "static: first weights",
    "static_full (LOOK-AHEAD)": "LOOK-AHEAD static: full history",
    "flat": "flat: without recursion",
}
"""Baseline -> its name on the page."""
SHOWN = ("sharpe", "total_return", "cagr", "volatility", "max_drawdown", "turnover", "cost", "allocation_change")
"""Measures that are listed of each; the comparison with the portfolio comes after the first."""
RELATIVE = ("beta", "tracking_error", "information_ratio", "benchmark_sessions")
"""Measures against the benchmark, where there is one."""

Measured = Mapping[str, Mapping[str, float | bool]]


def baselines(run: Run) -> Section | None:
    """Return the section: the portfolio beside its baselines; None where it is a leaf, or is not walked again."""
    if run.again is None or not run.children:
        return None
    beside = run.again.beside
    if isinstance(beside, Missing):
        return Section("baselines", "Baselines", tables=[Facts((), (), f"There are none: {beside.reason}")])
    from metabt.runs.baselines.bootstrap import Bootstrap

    bootstrap = Bootstrap()
    measured = beside.statistics(bootstrap)
    first, *others = measured
    tables = [Facts((), (), verdict({name: measured[name] for name in others}), "Does the recursion pay?")]
    tables.append(table(run, first, measured, bootstrap))
    if beside.left_out:
        rows = [(NAMES.get(name, name), reason) for name, reason in beside.left_out.items()]
        tables.append(Facts(("Baseline", "Why"), rows, title="Left out", kind="prose"))
    return Section("baselines", "Baselines", [_growth(run, beside)], tables)


def verdict(measured: Measured) -> str:
    """Return sentences on what the intervals show, for all baselines whose weights could have been known."""
    told: dict[str, list[str]] = {}
    for name, values in measured.items():
        if not values["look_ahead"]:
            told.setdefault(pays(values), []).append(NAMES.get(name, name))
    words = {
        "yes": "The portfolio's Sharpe ratio is higher than that of {}: there the recursion pays.",
        "no": "The portfolio's Sharpe ratio is lower than that of {}: there the recursion does not pay.",
        "not shown": "The portfolio's Sharpe ratio cannot be told apart from that of {}: it is not shown that the "
        "recursion pays there.",
        "": "The portfolio cannot be compared with {}.",
    }
    said = [words[answer].format(_listed(told[answer])) for answer in words if answer in told]
    return " ".join(said) or "There is no baseline that could have been held."


def pays(values: Mapping[str, float | bool]) -> str:
    """Return whether the portfolio's Sharpe ratio is above a baseline's: yes, no, not shown; empty without interval."""
    low, high = (float(values.get(name, math.nan)) for name in ("sharpe_low", "sharpe_high"))
    if math.isnan(low) or math.isnan(high):
        return ""
    return "yes" if low > 0 else "no" if high < 0 else "not shown"


def table(run: Run, first: str, measured: Measured, bootstrap: Bootstrap) -> Facts:
    """Return what was measured, a row each, the portfolio's first."""
    names = [*with_growth(SHOWN, measured.values()), *(name for name in RELATIVE if name in measured[first])]
    rows = []
    for name, values in measured.items():
        label = run.label(run.root) if name == first else NAMES.get(name, name)
        cells = [number(metric, float(values[metric])) for metric in names]
        rows.append((label, cells[0], *([""] * 4 if name == first else _compared(values)), *cells[1:]))
    columns = (
        "",
        heading(names[0]),
        "Portfolio's less this",
        f"{bootstrap.level:.0%} interval",
        "Sessions",
        "Pays?",
        *map(heading, names[1:]),
    )
    note = (
        "Net of costs, at the same rates; turnover and costs are a year's. Allocation change is the mean absolute "
        "change of a sleeve's weight from one decision to the next: the lower, the stabler. The difference in "
        "Sharpe is measured on the sessions that both have, of which the number is given, its interval by a stationary "
        f"bootstrap of both streams together, which takes {bootstrap.fewest} sessions; the recursion pays where all of "
        "it is above zero. LOOK-AHEAD holds the weights that the "
        "optimizers make of the full history, which nobody could have known: a yardstick, and no strategy."
    )
    if run.beside and names[-1] in RELATIVE:
        note += f" Beta, tracking error and information ratio are against {run.beside[0]}."
    return Facts(columns, rows, note)


def _compared(values: Mapping[str, float | bool]) -> tuple[str, str, str, str]:
    difference, low, high = (
        number("sharpe", float(values[name])) for name in ("sharpe_difference", "sharpe_low", "sharpe_high")
    )
    return difference, f"{low} to {high}", number("common_sessions", float(values["common_sessions"])), pays(values)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _growth(run: Run, beside: BaselineWalk) -> Chart:
    traces: list[dict[str, Any]] = []
    for slot, (name, tables) in enumerate(beside.tables.items()):
        traces += _pair(run, name, Run({"run_id": name}, tables).streams, slot)
    layout = lines.panels(0.64, 0.36)
    layout["yaxis"] |= lines.growth_axis(traces)
    layout["yaxis2"] |= {"tickformat": "~%", "title": {"text": "drawdown"}}
    caption = (
        "Net of costs; growth is logarithmic, drawdowns are below. The dotted curve is LOOK-AHEAD: nobody could have "
        "held it."
    )
    longest = len(run.streams.dates)
    kept = len(lines.thin(longest, POINTS))
    return Chart("baselines-growth", caption + lines.thinned(longest, kept), traces, layout, height=34)


def _pair(run: Run, name: str, streams: Streams, slot: int) -> list[dict[str, Any]]:
    keep = lines.thin(len(streams.dates), POINTS)
    label = lines.label(run.label(run.root) if slot == 0 else NAMES.get(name, name))
    dash = "dot" if "LOOK-AHEAD" in name else "solid"
    common = {
        "name": label,
        "slot": slot,
        "mode": "lines",
        "legendgroup": name,
        "x": lines.days(streams.dates[keep]),
        "line": {"width": 2.5 if slot == 0 else 1.3, "dash": dash},
    }
    nav, falls = streams.own(streams.root, "nav"), streams.fall(streams.root)
    above = {"y": lines.rounded(nav[keep]), "hovertemplate": f"{label} %{{y:.4g}}<extra></extra>"}
    below = {"y": lines.rounded(lines.deepest(falls, keep), 4), "hovertemplate": f"{label} %{{y:.1%}}<extra></extra>"}
    return [{**common, **above}, {**common, **below, "yaxis": "y2", "showlegend": False}]
