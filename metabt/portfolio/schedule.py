"""Schedule: which sessions of a calendar a sleeve decides on.

1. `start` sets index 0: the first session on or after it (default: the calendar's first session).
2. `every: k` takes the sessions with index 0, k, 2k, ...
3. `weekly | monthly | quarterly | yearly` takes the first session of each period. Whether a
   session opens a period follows from the session before it, never from the next one; index 0 opens no period.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.errors import ConfigError, nearest

PERIODS = ("weekly", "monthly", "quarterly", "yearly")
"""Names of the calendar periods; weeks begin on Monday."""


@dataclass(frozen=True)
class Schedule:
    """Either `every` k sessions or the first session of each `period`."""

    every: int | None = None
    """Sessions between decisions, at least 1; None when `period` is given."""
    period: str | None = None
    """One of PERIODS; None when `every` is given."""

    def __post_init__(self) -> None:
        """Check that exactly one rule is given and is known.

        Raises
        ------
        ConfigError
            If both or none are given, or for one that is unknown or below 1.
        """
        if (self.every is None) == (self.period is None):
            raise ConfigError(f"schedule: got {self!r}, wanted either {{every: k}} or one of {', '.join(PERIODS)}")
        if self.every is not None and self.every < 1:
            raise ConfigError(f"schedule: every is {self.every}, wanted at least 1 session")
        if self.period is not None and self.period not in PERIODS:
            raise ConfigError(f"schedule: unknown period '{self.period}'{nearest(self.period, PERIODS)}")

    @property
    def sessions_apart(self) -> float:
        """Sessions from one decision to the next, about; of a period those of a market that closes on weekends."""
        return self.every or {"weekly": 5.0, "monthly": 21.0, "quarterly": 63.0, "yearly": 252.0}[str(self.period)]

    def plain(self) -> object:
        """Return the schedule as configuration spells it."""
        return self.period or {"every": self.every}

    def opens(self, dates: np.ndarray, previous: np.datetime64 | None, index: int) -> np.ndarray:
        """Return which sessions are scheduled, (n_sessions,) bool.

        Parameters
        ----------
        dates : (n_sessions,) datetime64[D], all on or after `start`
        previous : the session before `dates[0]`; None when `dates[0]` has index 0
        index : the index of `dates[0]`, counted from `start`
        """
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
