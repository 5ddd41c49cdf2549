"""The deepest drawdowns of the root, and what its sleeves contributed to each fall.

From a peak to the bottom, a child's share of the loss is `sum_t NAV_{t-1} / NAV_peak x s_c r_c`: what it earned, in
money of the peak. Together with costs (and cash) these add up to the depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.report.lines import percent
from metabt.report.run import Run
from metabt.report.section import Facts, Section
from metabt.report.streams import fall

DEEPEST = 5
"""Largest number of drawdowns listed."""
CAUSES = 4
"""Largest number of sleeves named for each."""


@dataclass(frozen=True)
class Drawdown:
    """One drawdown; rows are those of the stream, -1 is the close of the first trade."""

    peak: int
    """Last row at the highest value."""
    bottom: int
    """Row of the lowest value."""
    end: int | None
    """First row at which the peak is reached again, if it is."""
    depth: float
    """Fall from peak to bottom, negative."""


def drawdowns(run: Run) -> Section | None:
    """Return the table of the deepest drawdowns."""
    nav, dates = run.streams.own(run.root, "nav"), run.streams.dates
    found = deepest(nav)
    if not found:
        return None
    rows = []
    for drawdown in found:
        begin = "first trade" if drawdown.peak < 0 else str(dates[drawdown.peak])
        end = "not yet" if drawdown.end is None else str(dates[drawdown.end])
        days = (dates[-1 if drawdown.end is None else drawdown.end] - dates[max(drawdown.peak, 0)]).astype(int)
        row = (begin, str(dates[drawdown.bottom]), end, f"{days:,}", percent(drawdown.depth, 1))
        rows.append((*row, _causes(run, nav, drawdown)) if run.children else row)
    columns = ("Begin", "Bottom", "End", "Days", "Depth", "Caused by")[: len(rows[0])]
    note = "Net of costs."
    if run.children:
        note += " Causes are what each sleeve earned from begin to bottom in money of the peak, the largest first."
    return Section(
        "drawdowns",
        "Deepest drawdowns",
        tables=[Facts(columns, rows, note, kind="remark" if run.children else "numbers")],
    )


def deepest(nav: np.ndarray, count: int = DEEPEST) -> list[Drawdown]:
    """Return the deepest drawdowns of a NAV that was 1 before its first session, deepest first."""
    falls = np.append(fall(nav), 0.0)
    edges = np.diff(np.r_[0, (falls < 0).astype(np.int8), 0])
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    found = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        bottom = start + int(np.argmin(falls[start:stop]))
        found.append(Drawdown(start - 1, bottom, stop if stop < len(nav) else None, float(falls[bottom])))
    return sorted(found, key=lambda drawdown: drawdown.depth)[:count]


def contributed(run: Run, nav: np.ndarray, drawdown: Drawdown) -> np.ndarray:
    """Return what each child contributed to the fall, (n_children,)."""
    rows = slice(drawdown.peak + 1, drawdown.bottom + 1)
    before = np.r_[1.0, nav][rows]
    return before / before[0] @ run.shares.earned[rows]


def _causes(run: Run, nav: np.ndarray, drawdown: Drawdown) -> str:
    parts = contributed(run, nav, drawdown)
    return named(run, parts)


def named(run: Run, parts: np.ndarray) -> str:
    """Return the children with the largest losses and what they lost; where all gained, nothing."""
    order = np.argsort(parts, kind="stable")[:CAUSES]
    return ", ".join(f"{run.label(run.children[i])} {percent(parts[i], 1)}" for i in order if parts[i] < 0)
