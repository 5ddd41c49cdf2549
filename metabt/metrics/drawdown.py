"""Drawdowns: how far a stream's NAV fell beneath its peak, and for how long.

1. The NAV of 1 at the inception is a peak: a stream that falls from its first session on is in drawdown.
2. A drawdown runs from the last session at its peak to the first at or above it again; one that never recovers runs to
   the last session of the stream, and counts.
3. Lengths are calendar days, so that they compare across calendars. QuantStats counts from the first session beneath
   the peak to the last, which leaves out the way down to the first and up from the last.
"""

from __future__ import annotations

from metabt.kernels import kernel
from metabt.metrics.stream import Stream


def drawdown(stream: Stream) -> dict[str, float]:
    """Return the deepest fall from a peak, its length, and the length of the longest.

    Returns
    -------
    max_drawdown : positive fraction, 0 where the NAV never fell
    max_drawdown_days : calendar days from the peak of the deepest drawdown (the first of equals) to its recovery
    longest_drawdown_days : the same of the drawdown that took longest
    """
    deepest, its_days, longest = _drawdowns(stream.nav, stream.days)
    return {"max_drawdown": deepest, "max_drawdown_days": float(its_days), "longest_drawdown_days": float(longest)}


@kernel()
def _drawdowns(nav, days):
    """Return the deepest fall, and the lengths of its drawdown and of the longest."""
    peak, deepest, begin, its_days, longest = 0, 0.0, -1, 0, 0
    for t in range(1, len(nav)):
        beneath = nav[t] < nav[peak]
        if beneath:
            depth = 1.0 - nav[t] / nav[peak]
            if depth > deepest:
                deepest, begin = depth, peak
        if t - peak > 1 or beneath:  # the drawdown goes on, or ends here
            longest = max(longest, days[t] - days[peak])
            if begin == peak:
                its_days = days[t] - days[peak]
        if not beneath:
            peak = t
    return deepest, its_days, longest
