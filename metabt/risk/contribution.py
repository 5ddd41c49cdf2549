"""Risk contributions: shares of variance that sum to one.

Ex ante, at a decision with weights v and S the sample covariance of its window: `v_c (S v)_c / (v' S v)`.
Realised, over a stream R to which item c contributed x_c: `cov(x_c, R) / var(R)`; cash is an item like any other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metabt.kernels import kernel


def ex_ante(covariance: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return shares of variance, (n_decisions, n_items), NaN where the variance is not positive.

    `covariance` (n_decisions, n_items, n_items), `weights` (n_decisions, n_items).
    """
    shares = np.empty(weights.shape)
    _shares(covariance, weights, shares)
    return shares


@kernel()
def _shares(covariance, weights, shares):
    for d in range(shares.shape[0]):
        total = 0.0
        for i in range(shares.shape[1]):
            marginal = 0.0
            if weights[d, i] != 0.0:
                for j in range(shares.shape[1]):
                    marginal += covariance[d, i, j] * weights[d, j]
            shares[d, i] = weights[d, i] * marginal
            total += shares[d, i]
        for i in range(shares.shape[1]):
            shares[d, i] = shares[d, i] / total if total > 0.0 else np.nan


def ex_ante_by_asset(window: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return shares of variance of many assets without forming their covariance, (n_assets,).

    `window` (n_rows, n_assets) returns, `weights` (n_assets,): `w_a cov(x_a, X w) / var(X w)`.
    """
    portfolio = window @ weights
    portfolio -= portfolio.mean()  # what is centred on one side need not be on the other
    variance = portfolio @ portfolio
    return weights * (portfolio @ window) / variance if variance > 0 else np.full(len(weights), np.nan)


def realised(earned: np.ndarray, gross: np.ndarray) -> np.ndarray:
    """Return shares of realised variance, (n_items + 1,), the last one cash; NaN where the stream does not vary.

    `earned` (n_sessions, n_items) is what each item contributed to `gross` (n_sessions,).
    """
    items = np.concatenate([earned, (gross - earned.sum(axis=1))[:, None]], axis=1)
    centred = gross - gross.mean() if len(gross) else gross
    variance = centred @ centred
    return centred @ items / variance if variance > 0 else np.full(items.shape[1], np.nan)


def realised_by(earned: Callable[[np.ndarray], np.ndarray], gross: np.ndarray, n_items: int) -> np.ndarray:
    """Return what `realised` does, (n_items + 1,), where what items earned is only known added up over sessions.

    `earned` takes a weight per session, (n_sessions,), and returns `sum_t weight_t x_tc`, (n_items,).
    """
    centred = gross - gross.mean() if len(gross) else gross
    variance = centred @ centred
    if not variance > 0:
        return np.full(n_items + 1, np.nan)
    items = earned(centred) / variance
    return np.append(items, centred @ gross / variance - items.sum())
