"""Stream: what a sleeve realised, session by session, and what several metrics need of it.

Growth is measured on calendar time, dispersion on the sessions that were measured: a stream with N rows over Y years
has N / Y sessions a year, whatever its calendar. Its NAV is 1 at the close of its first trade, its inception.

What is earned for risk is what is earned beyond cash, in the same session: `excess` is the stream less what cash
earned, and the stream itself where the tree states no rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from metabt.analysis.calendar_time import years_between
from metabt.analysis.common_sessions import Series
from metabt.numerics.dispersion import is_constant

NAN = float("nan")


@dataclass(frozen=True)
class Stream:
    """The realised stream of one sleeve; without sessions where nothing was traded yet."""

    inception: np.datetime64
    """Session of the first trade."""
    dates: np.ndarray
    """(n_sessions,) datetime64[D], all after the inception."""
    gross: np.ndarray
    """(n_sessions,) returns before costs."""
    cost: np.ndarray
    """(n_sessions,) what each session was charged, fraction of NAV."""
    net: np.ndarray
    """(n_sessions,) returns after costs."""
    turnover: np.ndarray
    """(n_sessions,) half the sum of absolute trades, fraction of NAV; the first purchase is in the first session's."""
    netting: np.ndarray
    """(n_sessions,) cost saved by netting trades of children, fraction of NAV."""
    idle: np.ndarray | None = None
    """(n_sessions,) what cash earned in the same sessions; None where the tree states no rate."""

    def __len__(self) -> int:
        """Return the number of sessions."""
        return len(self.net)

    @property
    def series(self) -> Series:
        """Its net returns, as they are put beside those of others."""
        return Series(self.dates, self.net, self.inception)

    @cached_property
    def excess(self) -> Stream:
        """The stream with its net returns less those of cash; itself where cash earns nothing."""
        return self if self.idle is None else replace(self, net=self.net - self.idle, idle=None)

    @cached_property
    def days(self) -> np.ndarray:
        """(n_sessions + 1,) calendar days since the inception, which comes first."""
        since = (self.dates - self.inception).astype("timedelta64[D]").astype(np.int64)
        return np.concatenate([[0], since])

    @cached_property
    def years(self) -> float:
        """Calendar time from the inception to the last session."""
        return years_between(self.inception, self.dates[-1]) if len(self) else 0.0

    @property
    def per_year(self) -> float:
        """Sessions per year, as measured."""
        return len(self) / self.years if self.years > 0 else NAN

    @cached_property
    def nav(self) -> np.ndarray:
        """(n_sessions + 1,) value at each close, 1 at the inception, which comes first."""
        nav = np.ones(len(self) + 1)
        nav[1:] += self.net
        return np.cumprod(nav, out=nav)

    @cached_property
    def mean(self) -> float:
        """Mean net return of a session."""
        return float(self.net.mean()) if len(self) else NAN

    @cached_property
    def centred(self) -> np.ndarray:
        """(n_sessions,) net returns less their mean."""
        return self.net - self.mean

    @cached_property
    def squares(self) -> float:
        """Sum of squares of centred net returns, exactly 0 where they are constant (metabt.numerics.dispersion)."""
        return 0.0 if is_constant(self.net) else float(np.square(self.centred).sum())

    @property
    def deviation(self) -> float:
        """Sample standard deviation of net returns (ddof 1), exactly 0 where they are constant."""
        return math.sqrt(self.squares / (len(self) - 1)) if len(self) > 1 else NAN
