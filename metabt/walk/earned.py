"""Earned: what each asset of a leaf contributed to its gross return, from what the leaf held and no price.

Holdings drift by `h' = h (1 + r) / (1 + R)`, so that `h r = h' (1 + R) - h`: with h what was held after the close
before, and h' what was held just before trading at this one, each amount is the difference of two holdings. R has what
cash earned as well, which is no asset's: it is what the amounts of a session do not add up to.

Rounding: an amount is off by at most about 4 x 2^-53 x |h|, 1e-15 of a holding of two NAVs: of the holding, not of the
amount. What was not held earned exactly 0.

Sums over sessions are made in stretches that are counted from the first session of all, so that their bits do not
depend on the partitions that holdings lie in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from metabt.walk.block import Assets, stretch

FORMED = 2**20
"""Bytes of amounts that are formed at a time, about."""


def earned(held: Assets, traded: np.ndarray, gross: np.ndarray, rows: slice) -> np.ndarray:
    """Return what each asset contributed to the gross returns of some sessions, (n_rows, n_assets).

    Parameters
    ----------
    held : holdings in all sessions; nothing is held before the first
    traded : (n_sessions,) bool, anything traded
    gross : (n_sessions,) returns before costs
    rows : sessions, of step 1
    """
    first, stop, _ = rows.indices(len(gross))
    ahead, grown = min(first, 1), 1.0 + gross[first:stop, None]
    after = stretch(held.after, first - ahead, stop)
    amounts = after[ahead:] * grown
    here, earlier = np.flatnonzero(traded[first:stop]), int(np.count_nonzero(traded[:first]))
    amounts[here] = stretch(held.before, earlier, earlier + len(here)) * grown[here]
    amounts[1 - ahead :] -= after[: len(after) - 1]
    return amounts


def added_up(weights: np.ndarray, held: Assets, traded: np.ndarray, gross: np.ndarray) -> np.ndarray:
    """Return `sum_t w_t x_t`, (n_sums, n_assets), with x what `earned` has of session t; `weights` (n_sums, n_rows).

    They begin with the first session; sessions behind the last weight do not count.
    """
    return summed(weights, held.after.shape[1], lambda rows: earned(held, traded, gross, rows))


def summed(weights: np.ndarray, n_assets: int, amounts: Callable[[slice], np.ndarray]) -> np.ndarray:
    """Return what `added_up` does, given the amounts of some sessions, (n_rows, n_assets)."""
    total = np.zeros((len(weights), n_assets))
    for rows in _stretches(weights, max(FORMED // (8 * n_assets), 1)):
        total += weights[:, rows] @ amounts(rows)
    return total


def _stretches(weights: np.ndarray, size: int) -> Iterator[slice]:
    """Yield the stretches of `size` sessions in which any weight is not 0."""
    n_rows = weights.shape[1]
    for first in range(0, n_rows, size):
        rows = slice(first, min(first + size, n_rows))
        if weights[:, rows].any():
            yield rows
