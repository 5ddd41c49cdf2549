"""Exchange days: the days of an exchange that a schedule is on, by its calendar, which is known in advance.

1. `exchange_calendars` says on which days an exchange is open, past and to come.
2. `month_end`, `quarter_end`, `year_end` are the last of them in each period, `month_start` and so on the first.
3. A weekday is that day of each week; where the exchange is closed on it, the last day before it in the same week
   (weeks begin on Monday) on which it is open, or, where there is none, the first one after it.

What is asked for is known whole: of every period that a day could be the last of, all days are known, or it is refused.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from metabt.errors import ConfigError, nearest

EPOCH = 3
"""Days from a Monday to 1970-01-01, a Thursday."""
WEEK = 7
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""Days of a week, which begins on Monday."""
PERIODS = {"month": 1, "quarter": 3, "year": 12}
"""Period -> months."""
CURE = "pip install 'metabt[calendars]'"


def exchange_days(exchange: str, on: str, first: np.datetime64, last: np.datetime64) -> np.ndarray:
    """Return the days of an exchange that are `on` a rule, from `first` to `last`.

    Parameters
    ----------
    exchange : str
        Name of its calendar: a market identifier code such as XNYS, or another that `exchange_calendars` knows.
    on : str
        month_end, quarter_end, year_end, month_start, quarter_start, year_start, or monday to sunday.
    first, last : datetime64[D]
        Both included.

    Returns
    -------
    (n_days,) datetime64[D], strictly increasing, read-only

    Raises
    ------
    ConfigError
        Where `exchange_calendars` is not installed, does not know the exchange, or does not know all of its days that
        decide which of them these are.
    """
    first, last = first.astype("datetime64[D]"), last.astype("datetime64[D]")
    begin, end = _bounds(exchange)
    if begin is not None and first < begin:
        raise ConfigError(
            f"exchange {exchange}: its calendar is known from {begin} on, and the sleeve may decide from {first} on; "
            f"state a start: {begin} or later, or the days themselves, as schedule: {{dates: NAME}}"
        )
    since, until = _whole(on, first, last)
    if end is not None and until > end:
        raise ConfigError(
            f"exchange {exchange}: its calendar is known until {end}, and which days of it are '{on}' until {last} "
            f"depends on all days until {until}; a newer exchange_calendars may know them, or state the days "
            "themselves, as schedule: {dates: NAME}"
        )
    found = chosen(_sessions(exchange, since if begin is None else max(since, begin), until), on)
    found = found[(found >= first) & (found <= last)]
    found.flags.writeable = False
    return found


def chosen(sessions: np.ndarray, on: str) -> np.ndarray:
    """Return those of the sessions of whole periods that are `on` a rule, (n_days,), strictly increasing."""
    if not len(sessions):
        return sessions
    if on in WEEKDAYS:
        return _of_weeks(sessions, WEEKDAYS.index(on))
    period, _, which = on.partition("_")
    codes = sessions.astype("datetime64[M]").astype(np.int64) // PERIODS[period]
    turns = codes[1:] != codes[:-1]
    return sessions[np.append(turns, True) if which == "end" else np.insert(turns, 0, True)]


def _of_weeks(sessions: np.ndarray, weekday: int) -> np.ndarray:
    """Return of each week the last session up to a day of it, or else the first one after it."""
    weeks, days = np.divmod(sessions.astype(np.int64) + EPOCH, WEEK)
    by_week = np.unique(weeks)
    last = np.searchsorted(weeks * WEEK + days, by_week * WEEK + weekday, side="right") - 1
    none = weeks[np.maximum(last, 0)] != by_week
    return sessions[np.where(none | (last < 0), last + 1, last)]


def _whole(on: str, first: np.datetime64, last: np.datetime64) -> tuple[np.datetime64, np.datetime64]:
    """Return the first and the last day of the periods that two days are in."""
    if on in WEEKDAYS:
        monday, later = (day - (day.astype(np.int64) + EPOCH) % WEEK for day in (first, last))
        return monday, later + WEEK - 1
    months = PERIODS[on.partition("_")[0]]
    begin, end = (day.astype("datetime64[M]").astype(np.int64) // months * months for day in (first, last))
    since, beyond = (np.datetime64(int(month), "M").astype("datetime64[D]") for month in (begin, end + months))
    return since, beyond - 1


@lru_cache(maxsize=64)
def _bounds(exchange: str) -> tuple[np.datetime64 | None, np.datetime64 | None]:
    """Return the first and the last day that the calendar of an exchange can be asked for; None where any can be."""
    calendars = _library()
    if exchange not in calendars.get_calendar_names():
        close = nearest(exchange.upper(), calendars.get_calendar_names())
        raise ConfigError(
            f"exchange '{exchange}' is unknown to exchange_calendars{close}; state a market identifier code, such as "
            "XNYS, XNAS, XLON or XETR"
        )
    known = _calendar(calendars, exchange)
    return _day(known.bound_min()), _day(known.bound_max())


def _day(bound: Any) -> np.datetime64 | None:
    return None if bound is None else np.datetime64(bound.strftime("%Y-%m-%d"), "D")


@lru_cache(maxsize=64)
def _sessions(exchange: str, first: np.datetime64, last: np.datetime64) -> np.ndarray:
    """Return the days on which an exchange is open, (n_days,) datetime64[D], from `first` to `last`."""
    calendars = _library()
    try:
        known = _calendar(calendars, exchange, start=str(first), end=str(last))
    except calendars.errors.NoSessionsError:
        return np.empty(0, "datetime64[D]")
    found = known.sessions.to_numpy().astype("datetime64[D]")
    return found[(found >= first) & (found <= last)]


def _calendar(calendars: Any, exchange: str, **span: str) -> Any:
    with warnings.catch_warnings():
        # the package is told by pandas what to change in itself: nobody else can
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        try:
            return calendars.get_calendar(exchange, **span)
        except NotImplementedError as error:
            raise ConfigError(
                f"exchange {exchange}: exchange_calendars names it and does not know its days; state the days "
                "themselves, as schedule: {dates: NAME}"
            ) from error


def _library() -> Any:
    try:
        import exchange_calendars
    except ImportError as error:
        raise ConfigError(
            "a schedule on days of an exchange needs the package exchange_calendars, which is not installed; "
            f"{CURE}, or state the days themselves, as schedule: {{dates: NAME}}"
        ) from error
    return exchange_calendars
