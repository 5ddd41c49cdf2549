"""Drift: what holdings become in a session, `h <- h (1 + r) / (1 + R)`, with R what their book earned before costs.

R is `h' r + (1 - sum h) f`: cash, and the proceeds of shorts with it, earns f in the session, or 0 without a rate.

Both formulas stand here once, for arrays and for compiled code alike (metabt.numerics.kernels): `holdings` compiles
them into its kernels, and what is held is followed with them outside of them. How `h' r` and `sum h` are summed up is
the caller's own, since sums in another order have other bits.
"""

from __future__ import annotations

import numpy as np


def drift(held: np.ndarray, returns: np.ndarray, gain: float) -> np.ndarray:
    """Return what holdings, (n_items,), have become after a session.

    Parameters
    ----------
    held : (n_items,) fractions of NAV before the session, negative for shorts
    returns : (n_items,) simple returns of the session
    gain : what the book earned in it, a fraction of NAV above -1
    """
    return held * (1.0 + returns) / (1.0 + gain)


def gained(earned: float, invested: float, idle: float) -> float:
    """Return what a book returned in a session before costs, a fraction of NAV.

    Parameters
    ----------
    earned : what its holdings earned, `h' r`
    invested : sum of its holdings, shorts negative: `1 - invested` is its cash
    idle : simple return of cash in the session
    """
    return earned + (1.0 - invested) * idle
