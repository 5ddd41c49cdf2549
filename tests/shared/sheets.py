"""Sheets: bars of four symbols, functions of panels, and whether two sheets are the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from metabt import Sheet
from tests.shared.panels import punch, random_walk

SYMBOLS = ["AA", "BB", "CC", "DD"]


def bars() -> pd.DataFrame:
    """Return closes and volumes of four years, with gaps."""
    close = punch(random_walk(1, pd.bdate_range("2018-06-01", periods=900), SYMBOLS), 5)
    return pd.concat({"Close": close, "Volume": (close * 1000).round()}, axis=1)


def moving_sum(n: int) -> Callable[[Sheet], Sheet]:
    """Return the sum over the last n sessions, NaN before there are as many."""

    def function(sheet: Sheet) -> Sheet:
        total = np.full_like(sheet["returns"], np.nan)
        for t in range(n - 1, len(total)):
            total[t] = sheet["returns"][t - n + 1 : t + 1].sum(axis=0)
        return sheet.derive(total=total)

    return function


def same(one: Sheet, other: Sheet) -> bool:
    def bits(sheet: Sheet) -> object:
        return (
            sheet.dates.tobytes(),
            sheet.symbols,
            {name: (array.shape, array.tobytes()) for name, array in sheet.fields.items()},
        )

    return bits(one) == bits(other)


def leaky(sheet: Sheet) -> Sheet:
    """Return closes less their mean over the partition, later sessions included."""
    return sheet.derive(demeaned=sheet["close"] - np.nanmean(sheet["close"], axis=0))
