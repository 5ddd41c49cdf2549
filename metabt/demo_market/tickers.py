"""Tickers: what a listing is called in files of prices, and when.

1. An asset is called by its first ticker, for good. Tickers are four consonants.
2. Some change their ticker in the middle of their lives.
3. One ticker is given again, to a listing that comes long after its first bearer has gone: as an asset that one has
   `.2` behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.demo_market.listings import BOUGHT, LIVES, Listings

LETTERS = "BCDFGHJKLMNPRSTVWZ"
RENAMED = 8
"""How many change their ticker."""


@dataclass(frozen=True)
class Spell:
    """A listing's life under one ticker; sessions are both included."""

    listing: int
    ticker: str
    first: int
    last: int


def draw_tickers(rng: np.random.Generator, listings: Listings) -> tuple[tuple[str, ...], list[Spell]]:
    """Return (the asset of each listing, its lives under tickers in order)."""
    words: dict[str, None] = {}
    while len(words) < listings.n + RENAMED:
        words["".join(LETTERS[k] for k in rng.integers(0, len(LETTERS), 4).tolist())] = None
    names = list(words)
    assets = names[: listings.n]
    changed = set(rng.permutation(np.flatnonzero(listings.fate == LIVES)[1:-1])[:RENAMED].tolist())
    old = int(np.flatnonzero(listings.fate == BOUGHT)[np.argmin(listings.last[listings.fate == BOUGHT])])
    later = (listings.first > listings.last[old] + 252) & (np.arange(listings.n) != listings.child)
    again = next(it for it in np.flatnonzero(later).tolist() if it not in changed)
    assets[again] = f"{assets[old]}.2"
    spells, new_names = [], iter(names[listings.n :])
    for listing in range(listings.n):
        first, last = int(listings.first[listing]), int(listings.last[listing])
        ticker = assets[old] if listing == again else assets[listing]
        if listing in changed:
            at = (first + last) // 2
            spells += [Spell(listing, ticker, first, at - 1), Spell(listing, next(new_names), at, last)]
        else:
            spells.append(Spell(listing, ticker, first, last))
    return tuple(assets), spells
