"""Ends: how each listing that does not live leaves the exchange, and what its last holders really got.

1. Most of what fails is delisted within days of its last price, with a return of -20 % to -100 %; of a quarter nobody
   wrote the return down, and of some the last price has the fall already.
2. What is bought becomes cash, shares of the buyer, or both; of some there is only a delisting without a return.
3. What vanishes is delisted for an unknown reason; of what stops there is no row at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from metabt.demo_market.listings import BOUGHT, FAILS, LIVES, SHORTEST, VANISHES, Listings

MISSING, INCLUDED, TOTAL = 28, 6, 10
"""Of those that fail: how many have no return, how many have it in their last price, how many lose everything."""
IN_CASH, IN_SHARES, IN_BOTH = 30, 22, 11
"""Of those that are bought: how many for what. Of the rest only a delisting is known."""


@dataclass(frozen=True)
class Delisting:
    """One row of `delistings`, and what is true."""

    listing: int
    date: np.datetime64
    kind: str
    stated: float
    """The return that the table has, NaN where it has none."""
    true: float
    """The return that its holders had after the last price."""
    included: bool


@dataclass(frozen=True)
class Takeover:
    """What will be paid for a listing in the session after its last price."""

    listing: int
    buyer: int
    share: float
    """The part of its worth that is paid in shares of the buyer."""


@dataclass(frozen=True)
class Ends:
    """How listings end; one that merely stops is in neither."""

    delistings: tuple[Delisting, ...] = ()
    takeovers: dict[int, Takeover] = field(default_factory=dict)
    """Listing -> what is paid for it."""


def draw_ends(rng: np.random.Generator, listings: Listings, days: np.ndarray) -> Ends:
    """Return how each listing ends, on sessions `days`."""
    found: list[Delisting] = []
    for place, listing in enumerate(rng.permutation(np.flatnonzero(listings.fate == FAILS)).tolist()):
        true = -1.0 if MISSING <= place < MISSING + TOTAL else round(float(rng.uniform(-0.95, -0.2)), 4)
        included = MISSING + TOTAL <= place < MISSING + TOTAL + INCLUDED
        stated = np.nan if place < MISSING else true
        wait = 0 if included else int(rng.integers(0, 6))
        found.append(Delisting(listing, days[listings.last[listing]] + wait, "performance", stated, true, included))
    takeovers = {}
    shares = [0.0] * IN_CASH + [1.0] * IN_SHARES + [0.5] * IN_BOTH
    for place, listing in enumerate(rng.permutation(np.flatnonzero(listings.fate == BOUGHT)).tolist()):
        buyers = (listings.fate == LIVES) & ~listings.thin & ~listings.euro
        buyers &= listings.first < listings.last[listing] - SHORTEST // 2
        buyer = int(rng.choice(np.flatnonzero(buyers)))
        if place < len(shares):
            takeovers[listing] = Takeover(listing, buyer, shares[place])
        else:
            found.append(_without_a_return(listing, days[listings.last[listing]] + 1, "merger"))
    for listing in np.flatnonzero(listings.fate == VANISHES).tolist():
        found.append(_without_a_return(listing, days[listings.last[listing]] + int(rng.integers(1, 20)), "unknown"))
    return Ends(tuple(sorted(found, key=lambda it: it.listing)), takeovers)


def _without_a_return(listing: int, date: np.datetime64, kind: str) -> Delisting:
    return Delisting(listing, date, kind, np.nan, 0.0, False)
