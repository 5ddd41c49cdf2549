"""Drawdowns: how far a stream's NAV fell beneath its peak, and for how long.

1. The NAV of 1 at the inception is a peak: a stream that falls from its first session on is in drawdown.
2. A drawdown runs from the last session at its peak to the first at or above it again; one that never recovers runs to
   the last session of the stream, and counts.
3. Lengths are calendar days, so that they compare across calendars. QuantStats counts from the first session beneath
   the peak to the last, which leaves out the way down to the first and up from the last.
"""

from __future__ import annotations

import numpy as np

from metabt.analysis.metrics.stream import Stream


def drawdown(stream: Stream) -> dict[str, float]:
    """Return the deepest fall from a peak, its length, and the length of the longest.

    Returns
    -------
    max_drawdown : positive fraction, 0 where the NAV never fell
    max_drawdown_days : calendar days from the peak of the deepest drawdown (the first of equals) to its recovery
    longest_drawdown_days : the same of the drawdown that took longest
    """
    nav, days = stream.nav, stream.days
    highest = np.maximum.accumulate(nav)
    depth = 1.0 - nav / highest
    trough = int(np.argmax(depth))
    begins, ends = _spells(nav == highest)
    lengths = days[ends] - days[begins]
    deepest = int(np.searchsorted(begins, trough)) - 1
    return {
        "max_drawdown": float(depth[trough]),
        "max_drawdown_days": float(lengths[deepest]) if depth[trough] > 0 else 0.0,
        "longest_drawdown_days": float(lengths.max()) if len(lengths) else 0.0,
    }


def _spells(at_peak: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the peaks that a drawdown follows, and of their recoveries or else the last row."""
    peaks = np.flatnonzero(at_peak)
    following = np.append(peaks[1:], len(at_peak))
    fell = following - peaks > 1
    return peaks[fell], np.minimum(following[fell], len(at_peak) - 1)
