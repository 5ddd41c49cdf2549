"""Days of an exchange against a loop over its open days, and what is refused of it."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterator
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.data import exchange_days as module
from metabt.data.exchange_days import PERIODS, WEEKDAYS, chosen, exchange_days
from metabt.errors import ConfigError

RULES = (*(f"{period}_{which}" for period in PERIODS for which in ("start", "end")), *WEEKDAYS)
OPEN = st.sets(st.dates(datetime.date(1968, 11, 1), datetime.date(1972, 3, 1)))


def day(text: str) -> np.datetime64:
    return np.datetime64(text, "D")


def naive(days: list[datetime.date], on: str) -> list[datetime.date]:
    if on in WEEKDAYS:
        weeks = [list(week) for _, week in groupby(days, lambda d: d.isocalendar()[:2])]
        upto = [[d for d in week if d.weekday() <= WEEKDAYS.index(on)] for week in weeks]
        return [early[-1] if early else week[0] for early, week in zip(upto, weeks, strict=True)]
    period, which = on.split("_")
    size = PERIODS[period]
    groups = [list(group) for _, group in groupby(days, lambda d: (d.year, (d.month - 1) // size))]
    return [group[-1 if which == "end" else 0] for group in groups]


@given(OPEN, st.sampled_from(RULES))
def test_they_are_those_of_a_loop_over_open_days(days: set[datetime.date], on: str) -> None:
    found = chosen(np.array(sorted(days), "datetime64[D]"), on)
    assert found.tolist() == naive(sorted(days), on)


@given(
    OPEN,
    st.sampled_from(RULES),
    st.dates(datetime.date(1969, 3, 1), datetime.date(1970, 6, 1)),
    st.integers(0, 500),
    st.integers(0, 300),
)
def test_a_shorter_span_has_the_same_days(
    days: set[datetime.date], on: str, first: datetime.date, length: int, later: int
) -> None:
    """Periods that a span cuts are looked at whole: what is asked for later changes no day of before."""
    calendar = np.array(sorted(days), "datetime64[D]")
    begin, stop = np.datetime64(first), np.datetime64(first) + length
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_bounds", lambda exchange: (None, None))
        patch.setattr(module, "_sessions", lambda exchange, a, b: calendar[(calendar >= a) & (calendar <= b)])
        found = exchange_days("X", on, begin, stop)
        longer = exchange_days("X", on, begin, stop + later)
    assert found.tolist() == longer[longer <= stop].tolist()
    assert found.tolist() == [d for d in naive(sorted(days), on) if first <= d <= stop.item()]


def test_new_yorks_month_ends_are_known_ahead() -> None:
    """29 March 2024 was Good Friday; 31 December 2028 will be a Sunday."""
    assert exchange_days("XNYS", "month_end", day("2024-03-01"), day("2024-04-30")).astype(str).tolist() == [
        "2024-03-28",
        "2024-04-30",
    ]
    assert exchange_days("XNYS", "year_end", day("2028-01-03"), day("2029-01-03")).tolist() == [
        datetime.date(2028, 12, 29)
    ]
    assert exchange_days("XNYS", "friday", day("1990-04-09"), day("1990-04-15")).tolist() == [
        datetime.date(1990, 4, 12)
    ]
    assert not len(exchange_days("XNYS", "month_end", day("2024-03-04"), day("2024-03-08")))


def test_what_decides_and_is_not_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_bounds", lambda exchange: (day("1990-12-03"), day("2026-12-31")))
    monkeypatch.setattr(module, "_sessions", lambda exchange, a, b: np.arange(a, b + 1))
    with pytest.raises(ConfigError, match="XSHG: its calendar is known from 1990-12-03 on.*start: 1990-12-03 or later"):
        exchange_days("XSHG", "month_end", day("1990-12-02"), day("2000-01-01"))
    with pytest.raises(ConfigError, match="known until 2026-12-31.*depends on all days until 2027-01-31; a newer"):
        exchange_days("XSHG", "month_end", day("2020-01-01"), day("2027-01-01"))
    with pytest.raises(ConfigError, match="depends on all days until 2027-01-03.*schedule: {dates: NAME}"):
        exchange_days("XSHG", "friday", day("2020-01-01"), day("2026-12-29"))
    assert exchange_days("XSHG", "year_end", day("1990-12-03"), day("2026-12-30"))[-1] == day("2025-12-31")


def test_an_unknown_exchange_has_near_names() -> None:
    with pytest.raises(ConfigError, match="exchange 'XNYX' is unknown to exchange_calendars; did you mean 'XNYS'"):
        exchange_days("XNYX", "month_end", day("2020-01-01"), day("2021-01-01"))


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module._bounds.cache_clear()
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    yield
    module._bounds.cache_clear()


def test_without_the_package_it_is_said_how_to_get_it(without_package: None) -> None:
    with pytest.raises(ConfigError, match=r"not installed; pip install 'metabt\[calendars\]', or state the days"):
        exchange_days("XNYS", "month_end", day("2020-01-01"), day("2021-01-01"))
