"""Rates and costs: what cash earned month by month, what the euro was worth day by day, and what trading cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.demo_market.listings import Listings

LEVELS = {"usd": 0.045, "eur": 0.035}
"""Rate of cash -> its level at first, a year; both are paid on actual days of a year of 360."""
EURO = 1.10
"""Dollars per euro at first."""
ALL = "*"
TRADING = (("1994-01-01", 10.0, 20.0, 100.0), ("2001-04-01", 5.0, 10.0, 60.0), ("2007-07-01", 2.0, 5.0, 40.0))
"""From when, and basis points of commission, slippage and borrow, for all assets."""
DEAR = 0.1
"""The part of the listings, the smallest, that are dearer to trade and to borrow than all."""


@dataclass(frozen=True)
class Rate:
    """The rows of one rate."""

    name: str
    dates: np.ndarray
    """(n_rows,) datetime64[D]"""
    values: np.ndarray
    """(n_rows,) fractions a year, or dollars per euro"""
    day_count: float
    """Days of a year; NaN of an exchange rate."""


def draw_rates(rng: np.random.Generator, days: np.ndarray) -> list[Rate]:
    """Return cash rates by month, from the one before the first session on, and the exchange rate of each session."""
    months = np.arange(days[0].astype("datetime64[M]") - 1, days[-1].astype("datetime64[M]") + 1)
    found = []
    for name, level in LEVELS.items():
        values = np.empty(len(months))
        for month, shock in enumerate(rng.normal(0, 0.0018, len(months)).tolist()):
            level += 0.01 * (0.025 - level) + shock
            level = abs(level)  # it turns round at zero
            values[month] = round(level, 5)
        found.append(Rate(name, months.astype("datetime64[D]"), values, 360.0))
    moves = rng.normal(0, 0.0055, len(days))
    logs = np.empty(len(days))
    at = 0.0
    for row, move in enumerate(moves.tolist()):
        at += move - 0.001 * at
        logs[row] = at
    return [*found, Rate("fx:EURUSD", days, np.round(EURO * np.exp(logs), 5), np.nan)]


def trading_costs(
    listings: Listings, assets: tuple[str, ...], days: np.ndarray
) -> list[tuple[str, str, float, float, float]]:
    """Return rows of asset, first date, and basis points of commission, slippage and borrow."""
    rows = [(ALL, *row) for row in TRADING]
    for listing in np.argsort(listings.size, kind="stable")[: int(DEAR * listings.n)].tolist():
        first = str(days[listings.first[listing]])
        rows.append((assets[listing], first, 10.0, round(30.0 + 400.0 / listings.size[listing], 1), 400.0))
    return rows
