"""Bands: at a trade, what has drifted no further from its target than a band is left alone.

Of a book's items, with holdings h just before the trade and targets w, fractions of NAV, in this order:

1. An item with a holding and a target on the same side of 0 (h w > 0) and `|h - w| <= band` is left alone: it keeps h.
2. All others are traded to w. What has no target is sold whole, what is not held is bought whole, and what changes its
   side is: the band is about drift, and neither keeps what a rule threw out nor keeps out what it took in.
3. What is left alone may be more than its targets, by `E = sum (|h| - |w|)`. Is E > 0, every purchase is cut in the
   same proportion, to `1 - E / B` of itself and never below 0, with B the sum of purchases: `|w| - |h|` where it is
   added to a holding, `|w|` where none is on that side. Sales are made in full. What is beyond the band below
   its target thus waits while nothing is sold to pay for it; a share that only rounding leaves is 0.

So what is traded never holds more in all than its targets sum to, or than it held before where that is more:
`sum |h after| <= max(sum |h|, sum |w|)`. Items that cannot be traded in the session are in none of the sums: they wait.
"""

from __future__ import annotations

import numpy as np

from metabt.numerics.kernels import inner, kernel

ROUNDING = 1e-12
"""Part of a purchase that is none: what is left of sums that are equal."""


def leave_within(held, wanted, free, band):
    """Make of targets, (n_items,), what is traded to, in place; what is NaN, or not `free`, stays as it is.

    `held` and `free` are (n_items,), or `free` is None where all is. Sums are taken one after another: an item that is
    neither held nor wanted changes no bit.
    """
    beyond, bought = 0.0, 0.0
    for a in range(len(held)):
        if np.isnan(wanted[a]) or (free is not None and not free[a]):
            continue
        one_side = held[a] * wanted[a] > 0.0
        if one_side and abs(held[a] - wanted[a]) <= band:
            beyond += abs(held[a]) - abs(wanted[a])
            wanted[a] = held[a]
        elif one_side:
            bought += max(abs(wanted[a]) - abs(held[a]), 0.0)
        else:
            bought += abs(wanted[a])
    if beyond <= 0.0 or bought <= 0.0:
        return
    part = 1.0 - beyond / bought
    part = part if part > ROUNDING else 0.0
    for a in range(len(held)):
        if np.isnan(wanted[a]) or (free is not None and not free[a]):
            continue
        if held[a] * wanted[a] <= 0.0:
            wanted[a] = wanted[a] * part + 0.0
        elif abs(wanted[a]) > abs(held[a]):
            wanted[a] = held[a] + (wanted[a] - held[a]) * part


leave = inner()(leave_within)
"""The rule inside kernels."""


@kernel()
def _leave_all(held, wanted, band):
    leave(held, wanted, None, band)


def traded_to(held: np.ndarray, targets: np.ndarray, band: float) -> np.ndarray:
    """Return what items hold just after a trade in which all can be traded, (n_items,).

    Parameters
    ----------
    held : (n_items,) fractions of NAV just before the trade
    targets : (n_items,) decided weights; NaN where none is
    band : absolute difference of weights within which an item is left alone; 0 trades all
    """
    found = np.array(targets, np.float64)
    if band > 0.0:
        _leave_all(np.array(held, np.float64), found, band)
    return found
