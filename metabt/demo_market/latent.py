"""Latent returns: what each listing earns in each session, whatever its company pays out or splits.

1. `ln(1 + r) = beta m + e - variance / 2`, m the market's move with its drift, e the listing's own.
2. Who fails loses most of its value over its last two years, at twice the risk.
3. Who is bought jumps 60 sessions before its end, when it becomes known, and hardly moves from there on.
"""

from __future__ import annotations

import numpy as np

from metabt.demo_market.listings import BOUGHT, FAILS, Listings

MARKET_DRIFT, MARKET_VOLATILITY = 0.08 / 252, 0.0095
DECLINE, DECLINE_SESSIONS = -0.003, 504
"""What a listing that fails adds to its daily log return, and for how long."""
ANNOUNCED = 60
"""Sessions between the day on which it is known that a listing is bought, and its end."""


def draw_returns(rng: np.random.Generator, listings: Listings, n_sessions: int) -> np.ndarray:
    """Return simple returns, (n_sessions, n_listings), of all sessions, listed or not."""
    market = rng.standard_normal(n_sessions) * MARKET_VOLATILITY
    own = rng.standard_normal((n_sessions, listings.n)) * listings.volatility
    premium = rng.uniform(0.12, 0.4, listings.n)
    row = np.arange(n_sessions)[:, None]
    left = listings.last - row  # sessions to the end
    failing = (listings.fate == FAILS) & (left < DECLINE_SESSIONS)
    own[failing] *= 2.0
    known = (listings.fate == BOUGHT) & (left < ANNOUNCED)
    own[known] *= 0.1
    moves = (MARKET_DRIFT + market[:, None]) * np.where(known, 0.05, listings.beta) + own
    variance = (np.where(known, 0.05, listings.beta) * MARKET_VOLATILITY) ** 2
    variance += (listings.volatility * np.where(failing, 2.0, np.where(known, 0.1, 1.0))) ** 2
    moves -= variance / 2
    moves += np.where(failing, DECLINE, 0.0)
    moves += np.where((listings.fate == BOUGHT) & (left == ANNOUNCED), np.log1p(premium), 0.0)
    return np.expm1(moves)
