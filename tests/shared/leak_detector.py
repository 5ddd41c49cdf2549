"""The look-ahead detector: the same run with another future must have the same past, bit for bit.

1. Run once on the prices as they are.
2. Run again on prices that differ only after `cut`: cut off there; redrawn with holes; with more sessions added.
3. Compare every decision, weight, contribution, return and ex-ante risk dated at or before the cut, exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from metabt.data.prices import Prices
from metabt.values.tables import Coded

Data = Mapping[str, pd.DataFrame | Prices]
KEYS = {
    "decisions": ["path", "date", "item"],
    "weights": ["date", "symbol"],
    "contributions": ["path", "date", "symbol"],
    "returns": ["path", "date"],
    "risk": ["path", "measure", "date", "item"],
}
"""Tables that are compared, and what identifies a row of each."""


def first_difference(run: Callable[[Data], object], prices: Data, cut: str) -> str | None:
    """Return where the past first depends on prices after `cut`, or None where it does not.

    `run` takes {dataset: frame or Prices} to a Result. `cut` must be a session of every dataset that has begun.
    """
    day = pd.Timestamp(cut)
    honest = past(run(prices), day)
    for name, change in (("truncated", truncated), ("scrambled", scrambled), ("extended", extended)):
        other = past(run({dataset: change(data, day) for dataset, data in prices.items()}), day)
        for table in KEYS:
            found = differs(honest[table], other[table], KEYS[table])
            if found:
                return f"{name} future: {table}: {found}"
    return None


def past(result: object, day: pd.Timestamp) -> dict[str, pd.DataFrame]:
    """Return the rows of every compared table dated at or before `day`, in the order of what identifies them."""
    found = {}
    for table, keys in KEYS.items():
        rows = decoded(result.tables[table])
        rows = rows[rows["date"] <= day]
        if table == "risk":
            rows = rows[rows["measure"].str.startswith("ex_ante")]
        found[table] = rows.set_index(keys).sort_index()
    return found


def decoded(table: Mapping[str, np.ndarray | Coded]) -> pd.DataFrame:
    """Return a table of the engine as a frame."""
    plain = {name: texts(column) if isinstance(column, Coded) else column for name, column in table.items()}
    return pd.DataFrame(plain)


def texts(column: Coded) -> np.ndarray:
    """Return the texts of a coded column, None where it is NULL."""
    return np.array([*column.values, None], dtype=object)[np.asarray(column.codes)]


def differs(left: pd.DataFrame, right: pd.DataFrame, keys: list[str]) -> str | None:
    """Return the first row in which two tables differ by a bit, in time order."""
    alone = left.index.symmetric_difference(right.index)
    if len(alone):
        return f"only one run has {earliest(alone, keys)}"
    for column in left.columns:
        a, b = left[column].to_numpy(), right[column].to_numpy()
        same = a.view(np.int64) == b.view(np.int64) if a.dtype == np.float64 else (a == b) | (pd.isna(a) & pd.isna(b))
        if not same.all():
            return f"{column} of {earliest(left.index[~same], keys)}"
    return None


def earliest(index: pd.Index, keys: list[str]) -> str:
    """Return the first key in time, spelled out."""
    row = min(index, key=lambda key: key[keys.index("date")])
    return ", ".join(f"{name} {value}" for name, value in zip(keys, row, strict=True))


# ---------------------------------------------------------------------------------- other futures


def truncated(data: pd.DataFrame | Prices, day: pd.Timestamp) -> pd.DataFrame | Prices:
    """Return the data without any session after `day`."""
    if isinstance(data, Prices):
        keep = data.dates <= np.datetime64(day, "D")
        volume = None if data.volume is None else data.volume[keep]
        return replace(data, dates=data.dates[keep], close=data.close[keep], volume=volume)
    return data[data.index <= day]


def scrambled(data: pd.DataFrame | Prices, day: pd.Timestamp) -> pd.DataFrame | Prices:
    """Return the data with every later price (and volume) redrawn, and one in ten of them missing."""
    rng = np.random.default_rng(99)
    if isinstance(data, Prices):
        later = (data.dates > np.datetime64(day, "D"))[:, None]
        volume = None if data.volume is None else np.where(later, rng.permuted(data.volume * 50.0), data.volume)
        return replace(data, close=np.where(later, redrawn(data.close, rng), data.close), volume=volume)
    later = np.asarray(data.index > day)[:, None]
    return pd.DataFrame(np.where(later, redrawn(data.to_numpy(), rng), data), data.index, data.columns)


def redrawn(close: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return closes of quite other random walks, at about the old level."""
    drawn = np.nanmean(close, axis=0) * np.exp(rng.normal(0.0, 0.03, close.shape).cumsum(axis=0))
    return np.where(rng.random(close.shape) < 0.1, np.nan, drawn)


def extended(data: pd.DataFrame | Prices, day: pd.Timestamp) -> pd.DataFrame | Prices:
    """Return the data with thirty more calendar days at the end, and prices in the holes after `day`."""
    rng = np.random.default_rng(7)
    if isinstance(data, Prices):
        more = data.dates[-1] + np.arange(1, 31)
        rows = redrawn(np.repeat(data.close, 30, axis=0)[:30], rng)
        volume = None if data.volume is None else np.r_[data.volume, np.repeat(data.volume[-1:] * 9.0, 30, axis=0)]
        return replace(data, dates=np.r_[data.dates, more], close=np.r_[data.close, rows], volume=volume)
    days = pd.date_range(data.index[-1] + pd.Timedelta(days=1), periods=30)
    level = data.mean().to_numpy() * np.exp(rng.normal(0.0, 0.03, (30, data.shape[1])).cumsum(axis=0))
    later = np.asarray(data.index > day)[:, None]
    filled = pd.DataFrame(np.where(later, data.fillna(data.mean()), data), data.index, data.columns)
    return pd.concat([filled, pd.DataFrame(level, index=days, columns=data.columns)])
