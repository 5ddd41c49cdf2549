"""Drift: what holdings become in a session, `h <- h (1 + r) / (1 + R)`, with R what their book earned before costs.

The formula stands here once, for arrays and for compiled code alike (metabt.numerics.kernels): `holdings` compiles it
into its kernels, and what is held is followed with it outside of them. How R is summed up is the caller's own, since
sums in another order have other bits.
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
