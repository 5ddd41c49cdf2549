"""Years: those of the root beside its benchmark's, and the last 1, 3, 5 and 10 years of sleeves and benchmark.

What is set beside the benchmark is on the sessions that both have (metabt.analysis.common_sessions): what was earned
between two of them is of the year, or the window, in which the later one lies.
"""

from __future__ import annotations

import numpy as np

from metabt.analysis.common_sessions import CommonSessions, Series, on_common_sessions
from metabt.analysis.metrics.trailing import NAMES, trailing
from metabt.report import lines
from metabt.report.lines import percent
from metabt.report.run import Run
from metabt.report.section import Facts, Section
from metabt.report.sections.months import compounded

HEADINGS = {"ytd": "Year to date", "1y": "1 year", "3y": "3 years p.a.", "5y": "5 years p.a.", "10y": "10 years p.a."}
"""Windows of `trailing` -> headings."""
MOST = 40
"""Largest number of sleeves whose last years are listed."""


def years(run: Run) -> Section:
    """Return the section."""
    return Section("years", "Years", tables=[last_years(run), *(by_year(run, other) for other in run.beside)])


def by_year(run: Run, other: str) -> Facts:
    """Return the years of the root beside those of its benchmark."""
    shared = on_common_sessions(run.series(run.root), run.series(other))
    both = [compounded(shared.ends, column) for column in shared.returns.T]
    numbers, n_sessions = np.unique(shared.ends.astype("datetime64[Y]").astype(int) + 1970, return_counts=True)
    counts = dict(zip(numbers.tolist(), n_sessions.tolist(), strict=True))
    rows = []
    for year in reversed(both[0]):
        own, its = (table[year][12] for table in both)
        rows.append((str(year), *(percent(value, 1) for value in (own, its, own - its)), f"{counts[year]:,}"))
    note = f"On the {shared.count:,} sessions that both have; the difference is in percentage points."
    columns = ("Year", run.label(run.root), other, "Difference", "Sessions")
    return Facts(columns, rows, note, "Years beside the benchmark")


def last_years(run: Run) -> Facts:
    """Return the year to date and the last 1, 3, 5 and 10 years of sleeves and of the benchmark."""
    until = run.streams.dates[-1]
    nearest = set(run.nearest[:MOST])
    shown = [path for path in run.paths if path in nearest]
    named = [(" " * path.count("/") + run.label(path), run.series(path)) for path in shown]
    for other in run.beside:
        shared = on_common_sessions(run.series(run.root), run.series(other))
        if shared.count < len(run.streams.dates):
            named.append((f"{run.label(run.root)}, sessions of both", _column(shared, 0)))
        ended = f", to {shared.ends[-1]}" if shared.ends[-1] < until else ""
        named.append((f"{other}{ended}", _column(shared, 1)))
    rows = []
    for name, series in named:
        found = trailing(series.dates, series.returns, series.since, until)
        rows.append((name, *(percent(found[key]) for key in NAMES)))
    note = (
        f"Up to {until}, net of costs; a window of k years is (t - k years, t], and what is younger has no return in "
        "it. From two years on it is a rate a year." + lines.beyond(len(run.paths) - len(shown), "sleeves are")
    )
    return Facts(("Sleeve", *(HEADINGS[key] for key in NAMES)), rows, note, "The last years")


def _column(shared: CommonSessions, place: int) -> Series:
    return Series(shared.ends, shared.returns[:, place], shared.since)
