"""Series side by side, worked out by pandas from values alone: what `metabt.analysis.common_sessions` must come to."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd


def values_of(net: pd.Series, inception: pd.Timestamp | None) -> pd.Series:
    """Return the value at every close, 1 at the inception; without one the first return is that of nobody."""
    if inception is None:
        return pd.Series(np.append(1.0, np.cumprod(1.0 + net.to_numpy()[1:])), net.index)
    return pd.concat([pd.Series([1.0], pd.DatetimeIndex([inception])), (1.0 + net).cumprod()])


def inception_of(net: pd.Series, years: float) -> pd.Timestamp:
    """Return the session of the first trade of a stream, given its metric `years`."""
    return net.index[-1] - pd.Timedelta(days=round(years * 365.25))


def side_by_side(values: list[pd.Series], rows: list[pd.DatetimeIndex]) -> tuple[pd.DataFrame, int]:
    """Return the returns of all between the closes at which all have a value, and how many sessions all have.

    `rows` are the sessions in which each has a return or a price: its values but for the inception's.
    """
    common = sorted(set.intersection(*(set(own) for own in rows)))
    closes = sorted(set.intersection(*(set(value.index) for value in values)))
    closes = [t for t in closes if common and t < common[0]][-1:] + common
    found = {now: [value[now] / value[before] - 1.0 for value in values] for before, now in pairwise(closes)}
    frame = pd.DataFrame.from_dict(found, orient="index", columns=range(len(values)), dtype=float)
    frame.index = pd.DatetimeIndex(frame.index).as_unit("ns")
    return frame, len(common)


def per_year(returns: pd.DataFrame, values: list[pd.Series]) -> float:
    """Return how many returns a year has, from the close that the first of them begins with to the last."""
    closes = sorted(set.intersection(*(set(value.index) for value in values)))
    since = [t for t in closes if t < returns.index[0]][-1]
    return len(returns) / ((returns.index[-1] - since).days / 365.25)
