"""Synthetic prices with fixed seeds: weekday stocks and 24x7 coins, with or without gaps."""

from __future__ import annotations

import numpy as np
import pandas as pd

STOCKS = ["AA", "BB", "CC", "DD", "EE"]
COINS = ["XBT", "XET", "XLT"]
FUNDS = ["FA", "FB", "FC"]


def random_walk(seed: int, dates: pd.DatetimeIndex, symbols: list[str], volatility: float = 0.02) -> pd.DataFrame:
    """Return prices of correlated random walks whose volatilities differ by symbol."""
    rng = np.random.default_rng(seed)
    scale = volatility * rng.uniform(0.5, 1.5, len(symbols))
    shocks = rng.normal(size=(len(dates), len(symbols))) + 0.5 * rng.normal(size=(len(dates), 1))
    return pd.DataFrame(100 * np.exp(np.cumsum(shocks * scale, axis=0)), index=dates, columns=symbols)


def punch(prices: pd.DataFrame, seed: int, share: float = 0.03) -> pd.DataFrame:
    """Return prices with cells missing at random, one asset gone for a while and one gone for good."""
    rng = np.random.default_rng(seed)
    prices = prices.mask(rng.random(prices.shape) < share)
    away, gone = rng.choice(len(prices.columns), 2, replace=False)
    begin = int(rng.integers(len(prices) // 2, len(prices) - 10))
    prices.iloc[begin : begin + 8, away] = np.nan
    prices.iloc[int(rng.integers(len(prices) // 2, len(prices))) :, gone] = np.nan
    return prices


def stand(prices: pd.DataFrame, symbols: list[str], first: int, last: int | None = None) -> pd.DataFrame:
    """Return prices in which some symbols keep the price of row `first`, up to the row before `last`."""
    prices, at = prices.copy(), [prices.columns.get_loc(symbol) for symbol in symbols]
    prices.iloc[first:last, at] = prices.iloc[first, at].to_numpy()
    return prices


def stocks(seed: int, sessions: int = 130, *, gaps: bool = False, first: str = "2021-01-04") -> pd.DataFrame:
    """Return weekday prices of STOCKS."""
    prices = random_walk(seed, pd.bdate_range(first, periods=sessions), STOCKS)
    return punch(prices, seed + 1) if gaps else prices


def coins(seed: int, sessions: int = 150, *, gaps: bool = False, first: str = "2021-02-06") -> pd.DataFrame:
    """Return prices of COINS for every day of the week."""
    prices = random_walk(seed + 7, pd.date_range(first, periods=sessions), COINS, 0.03)
    return punch(prices, seed + 8) if gaps else prices


def funds(seed: int, sessions: int = 90, *, gaps: bool = False, first: str = "2021-01-06") -> pd.DataFrame:
    """Return prices of FUNDS on Mondays, Wednesdays and Fridays."""
    days = pd.bdate_range(first, periods=2 * sessions)
    prices = random_walk(seed + 17, days[days.day_of_week % 2 == 0][:sessions], FUNDS)
    return punch(prices, seed + 18) if gaps else prices


def market(seed: int, *, mixed: bool = True, gaps: bool = True) -> dict[str, pd.DataFrame]:
    """Return {dataset: prices}: stocks, and with `mixed` the coins, which begin later."""
    found = {"stocks": stocks(seed, gaps=gaps)}
    return {**found, "coins": coins(seed, gaps=gaps)} if mixed else found
