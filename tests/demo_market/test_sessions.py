from __future__ import annotations

import numpy as np

from metabt.demo_market.sessions import trading_days


def test_sessions_are_weekdays_that_are_no_holidays_known_from_calendars() -> None:
    days = trading_days()
    assert 7_400 <= len(days) <= 7_700 and (np.diff(days) > np.timedelta64(0)).all()
    assert np.is_busday(days).all()
    of_2023 = "01-02 01-16 02-20 05-29 07-04 09-04 11-23 12-25".split()  # the second of January was a Monday
    closed = [day for day in of_2023 if np.datetime64(f"2023-{day}") not in days]
    assert closed == of_2023[1:] and len(days[days >= np.datetime64("2023-01-01")]) == 260 - 7
