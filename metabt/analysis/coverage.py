"""Coverage: how much of the windows of a leaf its assets were seen in, and what would make them eligible.

1. At a decision an asset is eligible if it has a price and `min_coverage` of its lookback's returns are observed.
2. While it lived, from its first full window to its last price, the median of its coverage says whether it lacked data
   for good, or was only listed late.
3. An asset that lacks data and never has a price on some weekdays of the dataset's calendar has another calendar, and
   belongs into a dataset of its own; others need a lower `min_coverage`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metabt.data.dataset import Dataset
from metabt.portfolio.sleeve import Leaf

RARE = 0.05
"""Weekdays with at most this share of an asset's sessions, such as a rare trading Saturday, make no other calendar."""
AT_ONCE = 500
"""Symbols whose closes are held at a time, at most."""
STEP = 20
"""Values of `min_coverage` that are proposed are whole parts of this many."""


@dataclass(frozen=True)
class Coverage:
    """What was observed of some assets of a leaf at some of its sessions."""

    symbols: tuple[str, ...]
    """(n_assets,) sorted."""
    lookback: int
    """Returns that a decision sees."""
    seen: np.ndarray
    """(n_decisions, n_assets) int64 observed returns among the lookback's."""
    priced: np.ndarray
    """(n_decisions, n_assets) bool: a price in the session."""
    lived: np.ndarray
    """(n_decisions, n_assets) bool: its first price lies before the window, its last one not before the session."""
    first: np.ndarray
    """(n_assets,) datetime64[D] of its first price; NaT where it has none."""
    last: np.ndarray
    """(n_assets,) datetime64[D] of its last price; NaT where it has none."""
    elsewhere: np.ndarray
    """(n_assets,) bool: while it lived it never had a price on some weekdays of the calendar."""

    @cached_property
    def share(self) -> np.ndarray:
        """(n_assets,) median share of the lookback's returns that were observed while it lived; NaN if it never did."""
        return np.array(
            [
                np.median(seen[lived]) / self.lookback if lived.any() else np.nan
                for seen, lived in zip(self.seen.T, self.lived.T, strict=True)
            ]
        )

    def eligible(self, min_coverage: float) -> np.ndarray:
        """Return which assets were eligible at which decision, (n_decisions, n_assets) bool."""
        return self.priced & (self.seen >= min_coverage * self.lookback - 1e-9)

    def lacking(self, min_coverage: float) -> np.ndarray:
        """Return which assets were not eligible at most decisions while they lived, (n_assets,) bool."""
        missed = (self.lived & ~self.eligible(min_coverage)).sum(axis=0)
        return missed > self.lived.sum(axis=0) / 2

    @property
    def best(self) -> tuple[int, str]:
        """The most returns that were observed at a decision of an asset with a price then, and its symbol."""
        seen = np.where(self.priced, self.seen, -1).max(axis=0, initial=0)
        place = int(seen.argmax())
        return int(seen[place]), self.symbols[place]


def coverage_of(dataset: Dataset, symbols: Sequence[str], sessions: np.ndarray, lookback: int) -> Coverage:
    """Return what was observed of some assets at some sessions; their closes are read.

    Parameters
    ----------
    dataset : the leaf's dataset
    symbols : at least one of its symbols
    sessions : (n_decisions,) datetime64[D] sessions of its calendar, increasing
    lookback : returns that a decision sees
    """
    names = tuple(sorted(symbols))
    whole = slice(0, len(dataset.facts.dates))
    prices = dataset.part(whole, names, ("close", "returns"))()
    at = prices.columns(names)
    priced = ~np.isnan(prices.close[:, at])
    first, last = _ends(priced)
    observed = prices.observed[:, at]
    counts = np.concatenate([np.zeros((1, len(names)), np.int64), np.cumsum(observed, axis=0)])
    rows = np.searchsorted(prices.dates, sessions)
    lives = [slice(a, b + 1) for a, b in zip(first.tolist(), last.tolist(), strict=True)]
    return Coverage(
        names,
        lookback,
        counts[rows + 1] - counts[np.maximum(rows + 1 - lookback, 0)],
        priced[rows],
        (rows[:, None] - lookback >= first) & (rows[:, None] <= last),
        _dated(prices.dates, first, last >= 0),
        _dated(prices.dates, last, last >= 0),
        np.array([_elsewhere(prices.dates[life], priced[life, place]) for place, life in enumerate(lives)]),
    )


def with_gaps(dataset: Dataset, symbols: Sequence[str]) -> list[str]:
    """Return those of some symbols that lack a return in some session after their first price, up to their last."""
    fields = ("close",) if dataset.step is None else ("close", "returns")
    found, names = [], sorted(symbols)
    for start in range(0, len(names), AT_ONCE):
        some = tuple(names[start : start + AT_ONCE])
        prices = dataset.part(slice(0, len(dataset.facts.dates)), some, fields)()
        at = prices.columns(some)
        first, last = _ends(~np.isnan(prices.close[:, at]))
        whole = prices.observed[:, at].sum(axis=0) == np.maximum(last - first, 0)
        found += [symbol for symbol, complete in zip(some, whole.tolist(), strict=True) if not complete]
    return found


def decided_on(
    spec: Leaf, sessions: np.ndarray, end: np.datetime64 | None = None, opens: np.ndarray | None = None
) -> np.ndarray:
    """Return the sessions up to `end` on which a leaf decides if it can: scheduled ones with a whole lookback.

    `sessions` is its calendar, (n_sessions,) datetime64[D]; `opens`, (n_sessions,) bool, are those that days of
    its schedule fall on, where it is one of days.
    """
    first = 0 if spec.start is None else int(np.searchsorted(sessions, np.datetime64(spec.start)))
    stop = len(sessions) if end is None else int(np.searchsorted(sessions, end, side="right"))
    if first >= stop:
        return sessions[:0]
    if opens is None:
        scheduled = spec.schedule.opens(sessions[first:stop], None, 0)
    else:
        scheduled = opens[first:stop]
    rows = first + np.flatnonzero(scheduled)
    return sessions[rows[rows >= spec.lookback]]


def proposed(shares: Sequence[float]) -> float:
    """Return the `min_coverage` under which assets with these median shares are eligible at half of their decisions.

    >>> proposed([0.98, 0.967])
    0.95
    """
    return max(math.floor(min(shares) * STEP + 1e-9), 0) / STEP


def _ends(priced: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last row with a price of each asset; without any the row after the end, and -1."""
    n_rows, some = len(priced), priced.any(axis=0)
    return (
        np.where(some, priced.argmax(axis=0), n_rows),
        np.where(some, n_rows - 1 - priced[::-1].argmax(axis=0), -1),
    )


def _dated(dates: np.ndarray, rows: np.ndarray, some: np.ndarray) -> np.ndarray:
    return np.where(some, dates[np.clip(rows, 0, len(dates) - 1)], np.datetime64("NaT", "D"))


def _elsewhere(dates: np.ndarray, priced: np.ndarray) -> bool:
    weekday = (dates.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    sessions = np.bincount(weekday, minlength=7)
    prices = np.bincount(weekday[priced], minlength=7)
    return bool(((sessions > RARE * len(dates)) & (prices == 0)).any())
