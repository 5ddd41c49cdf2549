"""Days of a table `schedules` count from when they were known, once each."""

from __future__ import annotations

import datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metabt.data.point_in_time.stated_days import stated_days
from metabt.data.point_in_time.tables import DatedTable
from metabt.values.tables import Coded

DAY = st.dates(datetime.date(2020, 1, 1), datetime.date(2020, 3, 1))
ROWS = st.sets(st.tuples(st.sampled_from(["a", "b"]), DAY, DAY), min_size=1, max_size=20)


@given(ROWS)
def test_each_date_counts_from_the_first_day_on_which_it_was_known(rows: set) -> None:
    names, dates, known = zip(*rows, strict=True)
    columns = {
        "name": Coded.of(list(names)),
        "date": np.array(dates, "datetime64[D]"),
        "known_at": np.array(known, "datetime64[D]"),
    }
    table = DatedTable.of("schedules", columns)
    for name in ("a", "b", "c"):
        own = [(date, at) for it, date, at in rows if it == name]
        expected = {max(date, min(at for d, at in own if d == date)) for date, _ in own}
        assert stated_days(table, name).tolist() == sorted(expected)
