"""Hedging: what being short a currency forward earns, and when how much of it is sold.

1. A hedge of a currency is an asset beside those of a leaf, `fx:EUR`, which the leaf is short of: a forward on it,
   rolled at every session. It gains what that currency gained, `x`, less the carry `(1 + i) / (1 + i*) - 1`, which is
   what it is sold at forward by covered interest parity. `i` and `i*` are what cash earned since the session before,
   in the tree's currency and in the other one.
2. A forward takes no money. A short asset brings some, which earns `i` (metabt.walk.holdings): the asset earns that
   too, `x - carry + i`, so that the two cancel, and books that hold it are looked through as any other.
3. At the close of each month's first session, once all is traded, it is set to minus what is held in the currency then:
   what is bought later in the month is not hedged before the next.
4. Before a currency's first rate of exchange there is no forward: it earns what cash does.

References
----------
Covered interest parity: Keynes, "A Tract on Monetary Reform" (1923), chapter III.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PREFIX = "fx:"
"""What the names of hedges begin with."""


def hedge_name(currency: str) -> str:
    """Return what the hedge of a currency is called among assets: fx:EUR."""
    return f"{PREFIX}{currency}"


def is_hedge(symbol: str) -> bool:
    """Return whether a name of an asset is that of a hedge."""
    return symbol.startswith(PREFIX)


@dataclass(frozen=True)
class Hedges:
    """The hedges of a leaf in some sessions."""

    returns: np.ndarray
    """(n_sessions, n_hedges) simple returns of each hedge as an asset."""
    of_asset: np.ndarray
    """(n_assets,) int64 the hedge of each asset of the universe, -1 of one that has none."""
    resets: np.ndarray
    """(n_sessions,) bool, the first session of a month."""

    def notional(self, held: np.ndarray) -> np.ndarray:
        """Return what is held of each currency, (n_hedges,), given holdings (n_assets,): added up one after another."""
        total = np.zeros(self.returns.shape[1])
        for asset in np.flatnonzero(self.of_asset >= 0).tolist():
            total[self.of_asset[asset]] += held[asset]
        return total


def forward_returns(worth: np.ndarray, before: float, idle: np.ndarray, abroad: np.ndarray) -> np.ndarray:
    """Return what the hedge of one currency earns as an asset, (n_sessions,).

    Parameters
    ----------
    worth : (n_sessions,) what a unit of the currency is worth at each session's close, NaN where it is not known
    before : the same in the session before the first
    idle, abroad : (n_sessions,) simple returns of cash since the session before, in the tree's currency and in this one
    """
    gained = worth / np.concatenate([[before], worth[:-1]])
    earned = gained - (1.0 + idle) / (1.0 + abroad) + idle
    return np.where(np.isnan(gained), idle, earned)


def month_opens(sessions: np.ndarray, rows: slice) -> np.ndarray:
    """Return which of some sessions of a calendar are the first of a month, (n_rows,) bool; its first one is none."""
    months = sessions[max(rows.start - 1, 0) : rows.stop].astype("datetime64[M]")
    opens = months[1:] != months[:-1]
    return opens if rows.start else np.concatenate([np.zeros(min(len(months), 1), bool), opens])
