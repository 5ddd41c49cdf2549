"""Index: the hundred largest listings in dollars, reviewed once a year.

1. On a review, the first session of July, the hundred largest by market value of 15 sessions before are in; who was in
   stays while it is among the 115 largest. The result is announced 5 sessions ahead.
2. What ends in between leaves with its last price, which is known the session after; its place stays empty to the next
   review.
3. Whoever leaves has two rows: one without an end, from when its entry was known, and one with the end, from when that
   was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIZE, KEPT = 100, 115
"""Members, and the rank up to which a member stays."""
RANKED, ANNOUNCED = 15, 5
"""Sessions before a review on which listings are ranked, and on which the result is announced."""


@dataclass(frozen=True)
class Stay:
    """One membership: sessions of its first and last day and of when each was known; -1 is none."""

    listing: int
    first: int
    known: int
    last: int = -1
    end_known: int = -1


def reviews(days: np.ndarray) -> list[int]:
    """Return the sessions of reviews: the very first one, and the first of each July."""
    months = days.astype("datetime64[M]")
    julys = np.flatnonzero((months[1:] != months[:-1]) & (months[1:].astype(np.int64) % 12 == 6)) + 1
    return [0, *julys.tolist()]


def follow(value: np.ndarray, last: np.ndarray, days: np.ndarray) -> list[Stay]:
    """Return every membership of the index.

    Parameters
    ----------
    value : (n_sessions, n_listings) market values, NaN where a listing cannot be a member
    last : (n_listings,) session of each listing's last price
    days : (n_sessions,) datetime64[D]
    """
    inside: dict[int, Stay] = {}
    stays: list[Stay] = []
    for review, following in zip(reviews(days), [*reviews(days)[1:], len(days)], strict=True):
        known = max(review - ANNOUNCED, 0)
        chosen = _chosen(value[max(review - RANKED, 0)], last >= review, set(inside))
        for listing in sorted(set(inside) - chosen):
            stay = inside.pop(listing)
            stays.append(Stay(listing, stay.first, stay.known, review - 1, known))
        inside |= {listing: Stay(listing, review, known) for listing in sorted(chosen - set(inside))}
        for listing in sorted(it for it in inside if last[it] < min(following, len(days) - 1)):
            stay, end = inside.pop(listing), int(last[listing])
            stays.append(Stay(listing, stay.first, stay.known, end, end + 1))
    return sorted([*stays, *inside.values()], key=lambda it: (it.listing, it.first))


def _chosen(value: np.ndarray, there: np.ndarray, inside: set[int]) -> set[int]:
    """Return who is in after a review: members that are large enough still, then the largest of the others."""
    able = np.flatnonzero(there & ~np.isnan(value))
    ranked = able[np.argsort(-value[able], kind="stable")].tolist()
    kept = [it for it in ranked[:KEPT] if it in inside][:SIZE]
    return {*kept, *[it for it in ranked if it not in inside][: SIZE - len(kept)]}
