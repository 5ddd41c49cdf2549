"""Renamed: the stocks of `executors.years` under tickers that change hands, and the table that says whose they are."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.shared.executors import STOCKS, years

CUTS = (150, 430)
"""Sessions on which every stock takes the ticker of the next one."""


def renamed(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the prices of the stocks by ticker, T0, T1, ..., and the rows of `assets`.

    In each of three spells stock k has the ticker T(k + spell): all but one of each spell's were another's before. The
    first stock keeps its own; the tickers have prices of nobody on the day before each cut.
    """
    stocks = years(seed)["stocks"]
    bounds = [0, *CUTS, len(stocks)]
    prices = pd.DataFrame(np.nan, index=stocks.index, columns=[f"T{k}" for k in range(len(STOCKS) + 2)])
    rows = []
    for spell, (first, stop) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
        for k, asset in enumerate(STOCKS):
            ticker = f"T{k + spell}" if k else asset
            if ticker not in prices:
                prices[ticker] = np.nan
            prices.iloc[first:stop, prices.columns.get_loc(ticker)] = stocks[asset].iloc[first:stop]
            last = None if stop == len(stocks) else stocks.index[stop - 1]
            row = {"asset": asset, "symbol": ticker, "first_date": stocks.index[first], "last_date": last}
            if k:
                rows.append(row)
    return prices.dropna(axis=1, how="all"), pd.DataFrame(rows)
