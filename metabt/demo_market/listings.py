"""Listings: who is listed from when until when, what becomes of whom, and who pays dividends or splits.

1. A part is there from the first session; the others come to the market one by one.
2. A part ends: some fail, some are bought for cash, for shares or for both, some are taken off without a word of why,
   and of some the file merely ends. The others are there to the last session.
3. Properties that last are drawn once: currency, size, risk, dividend yield, how the price is split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

N_LISTINGS, AT_FIRST, IN_EUROS = 400, 210, 12
"""Listings in all, of which so many are there at first, and so many (who came first) trade in euros."""

LIVES, FAILS, BOUGHT, VANISHES, STOPS = "lives", "fails", "bought", "vanishes", "stops"
"""What becomes of a listing: it is there at the end; it is delisted for its performance; it is bought; it is delisted
for a reason that nobody has; its prices end, and that is all."""
FATES = {FAILS: 110, BOUGHT: 75, VANISHES: 12, STOPS: 8}
"""How many do not live."""
SHORTEST = 756
"""Sessions that a listing which does not live is listed for at least."""


@dataclass(frozen=True)
class Listings:
    """What is drawn once for each listing; arrays are (n_listings,)."""

    first: np.ndarray
    """Session of the first price."""
    last: np.ndarray
    """Session of the last price."""
    fate: np.ndarray
    """What becomes of it, text."""
    euro: np.ndarray
    """Whether it trades in euros."""
    size: np.ndarray
    """Market value at its first price, in millions."""
    beta: np.ndarray
    """What it moves by when the market does."""
    volatility: np.ndarray
    """Standard deviation of its own daily return."""
    dividend_yield: np.ndarray
    """Dividends of a year as a fraction of the price; 0 pays none."""
    stock_dividend: np.ndarray
    """Whether it pays a twentieth of a share once a year."""
    split_above: np.ndarray
    """Price above which it splits."""
    phase: np.ndarray
    """Session of its quarter in which it pays, and of its month in which it may split."""
    thin: np.ndarray
    """Whether there are sessions in which it does not trade; such a listing pays no dividends."""
    parent: int
    """The listing that spins another off."""
    child: int
    """The listing that is spun off: its first session is that of the spin-off."""

    @property
    def n(self) -> int:
        """The number of listings."""
        return len(self.first)


def draw_listings(rng: np.random.Generator, n_sessions: int) -> Listings:
    """Return the listings of a market of so many sessions."""
    n = N_LISTINGS
    first = np.zeros(n, np.int64)
    first[AT_FIRST:] = np.sort(rng.integers(60, n_sessions - 2 * SHORTEST, n - AT_FIRST))
    fate = np.full(n, LIVES, dtype="<U8")
    # the last listing to come is the child, and the first of all its parent: both live
    mortal = rng.permutation(np.arange(1, n - 1))[: sum(FATES.values())]
    fate[mortal] = np.repeat(list(FATES), list(FATES.values()))
    last = np.full(n, n_sessions - 1)
    last[mortal] = rng.integers(first[mortal] + SHORTEST, n_sessions - 10)
    thin = rng.random(n) < 0.08
    pays = (rng.random(n) < 0.55) & ~thin & (fate != FAILS)
    euro = np.zeros(n, bool)
    euro[np.flatnonzero(fate == LIVES)[1 : IN_EUROS + 1]] = True
    return Listings(
        first=first,
        last=last,
        fate=fate,
        euro=euro,
        size=np.exp(rng.normal(7.0, 1.3, n)),
        beta=rng.uniform(0.5, 1.5, n),
        volatility=np.exp(rng.normal(np.log(0.018), 0.3, n)),
        dividend_yield=np.where(pays, rng.uniform(0.01, 0.05, n), 0.0),
        stock_dividend=~pays & ~thin & (rng.random(n) < 0.1),
        split_above=rng.uniform(80, 160, n),
        phase=rng.integers(0, 63, n),
        thin=thin,
        parent=0,
        child=n - 1,
    )
