"""Schedule: which sessions of a calendar a sleeve decides on, and how far its holdings may drift before it trades.

1. `start` sets index 0: the first session on or after it (default: the calendar's first session).
2. `every: k` takes the sessions with index 0, k, 2k, ...
3. `weekly | monthly | quarterly | yearly` takes the first session of each period. Whether a
   session opens a period follows from the session before it, never from the next one; index 0 opens no period.
4. `on: month_end` and the like are days of an exchange, whose calendar is known in advance, and `dates: NAME` are days
   of a table (metabt.build.dated.decision_days). Each decides in the first session on or after it.
5. `band` leaves alone what has drifted no further from its target (metabt.walk.trading.bands).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from metabt.data.exchange_days import WEEKDAYS
from metabt.errors import ConfigError, nearest

PERIODS = ("weekly", "monthly", "quarterly", "yearly")
"""Names of the calendar periods; weeks begin on Monday."""
DAYS = ("month_end", "quarter_end", "year_end", "month_start", "quarter_start", "year_start", *WEEKDAYS)
"""Days of an exchange that a schedule may be `on`."""
APART = {"week": 5.0, "month": 21.0, "quarter": 63.0, "year": 252.0}
"""Period -> sessions of a market that closes on weekends, about."""


@dataclass(frozen=True)
class Schedule:
    """One of: `every` k sessions, the first session of each `period`, days `on` an exchange, days of a table."""

    every: int | None = None
    """Sessions between decisions, at least 1."""
    period: str | None = None
    """One of PERIODS."""
    on: str | None = None
    """One of DAYS, by the calendar of `exchange`."""
    exchange: str | None = None
    """Name of an exchange's calendar, such as XNYS; with `on`, and only there."""
    dates: str | None = None
    """Name of a schedule in a dataset's table `schedules`."""
    band: float = 0.0
    """Absolute difference of weights, from 0 (all is traded) to below 1: what is held within it of its target is left
    alone."""

    def __post_init__(self) -> None:
        """Check that exactly one rule is given and is known.

        Raises
        ------
        ConfigError
            If several or none are given, or for one that is unknown or below 1; for days of no exchange, an exchange
            without days, or a band that is none.
        """
        if sum(rule is not None for rule in (self.every, self.period, self.on, self.dates)) != 1:
            stated = {f.name: it for f in fields(self) if (it := getattr(self, f.name)) not in (None, f.default)}
            raise ConfigError(
                f"schedule: got {stated}, wanted one of {{every: k}}, {', '.join(PERIODS)} ({{period: ...}}), "
                "{on: month_end, exchange: XNYS}, {dates: NAME}; state which one it is, and no other"
            )
        if self.every is not None and self.every < 1:
            raise ConfigError(f"schedule: every is {self.every}, wanted at least 1 session")
        if self.period is not None and self.period not in PERIODS:
            raise ConfigError(f"schedule: unknown period '{self.period}'{nearest(self.period, PERIODS)}")
        if self.on is not None and self.on not in DAYS:
            raise ConfigError(f"schedule: unknown day '{self.on}'{nearest(self.on, DAYS)}; wanted {', '.join(DAYS)}")
        if self.on is not None and self.exchange is None:
            raise ConfigError(
                f"schedule: on {self.on} of which exchange? Prices do not tell which session is the last of a period "
                f"before the next one is there; state an exchange, whose calendar is known in advance, as in "
                f"{{on: {self.on}, exchange: XNYS}}, or take the first session of a period: {', '.join(PERIODS)}"
            )
        if self.on is None and self.exchange is not None:
            raise ConfigError(f"schedule: exchange {self.exchange} without a day; state one: on: {' | '.join(DAYS)}")
        if not 0.0 <= self.band < 1.0:
            raise ConfigError(f"schedule: band is {self.band:g}, wanted a difference of weights above 0 and below 1")

    @property
    def is_dated(self) -> bool:
        """Whether days decide that neither sessions nor their number tell: an exchange's, or a table's."""
        return self.on is not None or self.dates is not None

    @property
    def sessions_apart(self) -> float:
        """Sessions from one decision to the next, about; of a period those of a market that closes on weekends.

        What the days of a table are apart is not known without it: a month is said.
        """
        if self.every is not None:
            return float(self.every)
        if self.period is not None:
            return {"weekly": 5.0, "monthly": 21.0, "quarterly": 63.0, "yearly": 252.0}[self.period]
        return APART["week"] if self.on in WEEKDAYS else APART[(self.on or "month_end").partition("_")[0]]

    def plain(self) -> object:
        """Return the schedule as configuration spells it."""
        stated = {"every": self.every, "period": self.period, "on": self.on, "exchange": self.exchange}
        found = {key: it for key, it in {**stated, "dates": self.dates}.items() if it is not None}
        if self.band:
            return {**found, "band": float(self.band)}
        return self.period or found

    def opens(self, dates: np.ndarray, previous: np.datetime64 | None, index: int) -> np.ndarray:
        """Return which sessions are scheduled, (n_sessions,) bool, by their number or period.

        Parameters
        ----------
        dates : (n_sessions,) datetime64[D], all on or after `start`
        previous : the session before `dates[0]`; None when `dates[0]` has index 0
        index : the index of `dates[0]`, counted from `start`
        """
        assert not self.is_dated  # which days count is told by whoever has the exchange's calendar or the table
        if self.every is not None:
            return (np.arange(len(dates)) + index) % self.every == 0
        before = dates[:1] if previous is None else np.array([previous], dates.dtype)
        codes = self._periods(np.concatenate([before, dates]))
        return codes[1:] != codes[:-1]

    def _periods(self, dates: np.ndarray) -> np.ndarray:
        if self.period == "weekly":
            return (dates.astype("datetime64[D]").astype(np.int64) + 3) // 7  # 1970-01-01 was a Thursday
        if self.period == "yearly":
            return dates.astype("datetime64[Y]").astype(np.int64)
        months = dates.astype("datetime64[M]").astype(np.int64)
        return months // 3 if self.period == "quarterly" else months


def spelled(plain: object) -> str:
    """Return a schedule in words, given as configuration spells it.

    >>> spelled({"on": "month_end", "exchange": "XNYS", "band": 0.05})
    'month_end of XNYS, band 0.05'
    """
    if not isinstance(plain, Mapping):
        return str(plain)
    if plain.get("every") is not None:
        found = f"every {plain['every']} sessions"
    elif plain.get("on") is not None:
        found = f"{plain['on']} of {plain['exchange']}"
    elif plain.get("dates") is not None:
        found = f"dates of {plain['dates']}"
    else:
        found = str(plain.get("period"))
    return f"{found}, band {plain['band']:g}" if plain.get("band") else found
