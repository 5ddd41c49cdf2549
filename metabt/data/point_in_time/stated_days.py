"""Stated days: the days to decide on that a table `schedules` names, as of when they were known.

1. A row says that a day belongs to a schedule; it counts from the later of its date and the day it was known at.
2. Of several rows of one date the one that was known first counts: to say a day again changes nothing.
"""

from __future__ import annotations

import numpy as np

from metabt.data.point_in_time.tables import DatedTable

SCHEDULES = "schedules"
"""Name of the table."""


def stated_days(table: DatedTable, name: str) -> np.ndarray:
    """Return the days from which on each date of a schedule counts, (n_days,) datetime64[D], strictly increasing."""
    rows = table.rows_of(name)
    dates, known = (table.numbers(column)[rows] for column in ("date", "known_at"))
    first = np.ones(len(dates), bool)
    first[1:] = dates[1:] != dates[:-1]  # rows are in the order of dates, and of when each was known
    # a row without a day on which it was known was known in time
    return np.unique(np.fmax(dates, known)[first])
