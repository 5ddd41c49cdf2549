"""The shape of a stream's distribution and its worst sessions, all per session.

Moments are those of the sample as it is (divided by n, as `scipy.stats` does by default); pandas and with it QuantStats
correct theirs for bias. QuantStats' value at risk and expected shortfall are those of a normal distribution unless it
is asked otherwise; these are historical, as empyrical's.
"""

from __future__ import annotations

import math

import numpy as np

from metabt.analysis.metrics.stream import NAN, Stream

TAIL = 0.05
"""Share of sessions in the tail."""


def shape(stream: Stream) -> dict[str, float]:
    """Return skew `E[z^3]` and excess kurtosis `E[z^4] - 3` of the standardised net returns z.

    0 and 0 are those of a normal distribution; NaN where returns do not differ.
    """
    if not stream.deviation > 0:
        return {"skew": NAN, "kurtosis": NAN}
    z = stream.centred / math.sqrt(stream.squares / len(stream))
    squares = z * z
    return {"skew": float(squares @ z) / len(z), "kurtosis": float(squares @ squares) / len(z) - 3.0}


def losses(stream: Stream) -> dict[str, float]:
    """Return value at risk and expected shortfall at 95 %, historical, of one session: a loss is positive.

    Returns
    -------
    var_95 : minus the 5th percentile of net returns, interpolated linearly between order statistics
    expected_shortfall_95 : minus the mean of the returns up to it, the `floor(0.05 (n - 1)) + 1` lowest
    """
    if not len(stream):
        return {"var_95": NAN, "expected_shortfall_95": NAN}
    place = TAIL * (len(stream) - 1)
    k = int(place)
    ordered = np.partition(stream.net, k)
    low = float(ordered[k])
    high = float(ordered[k + 1 :].min()) if k + 1 < len(stream) else low
    # sorted: the order within a partition, and with it the bits of a sum, is the library's own affair
    return {
        "var_95": -(low + (high - low) * (place - k)),
        "expected_shortfall_95": -float(np.sort(ordered[: k + 1]).mean()),
    }
