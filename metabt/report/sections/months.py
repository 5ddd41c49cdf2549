"""Monthly returns of the root: a row per year, a column per month, and the year; and how they are distributed."""

from __future__ import annotations

import numpy as np

from metabt.report.lines import percent
from metabt.report.run import Run
from metabt.report.section import Facts, Section
from metabt.report.sections.month_spread import distribution, shape

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def months(run: Run) -> Section:
    """Return the table of monthly returns, and their distribution."""
    table = compounded(run.streams.dates, run.streams.own(run.root, "net"))
    rows = [(str(year), *(percent(value, 1) for value in values)) for year, values in table.items()]
    note = "Net of costs, compounded. The first and the last month are those parts of them that the run has."
    monthly = Facts(("Year", *MONTHS, "Year total"), rows[::-1], note, kind="tint")
    earned = np.concatenate([values[:12] for values in table.values()])
    spread = earned[np.isfinite(earned)]
    return Section("months", "Monthly returns", [distribution(spread)], [monthly, shape(spread)])


def compounded(dates: np.ndarray, net: np.ndarray) -> dict[int, np.ndarray]:
    """Return year -> the returns of its twelve months and of the year, NaN where there is no session."""
    month = dates.astype("datetime64[M]").astype(np.int64)
    starts = np.flatnonzero(np.r_[True, np.diff(month) != 0])
    growth = np.multiply.reduceat(1.0 + net, starts)
    table: dict[int, np.ndarray] = {}
    for number, factor in zip(month[starts].tolist(), growth.tolist(), strict=True):
        year = table.setdefault(1970 + number // 12, np.append(np.full(12, np.nan), 0.0))
        year[number % 12] = factor - 1.0
        year[12] = (1.0 + year[12]) * factor - 1.0
    return table
