"""Bit-identical assets: merged before a programme is solved, so that ties are shared evenly and exactly.

Two columns are twins if their covariances with every supported column, and their means, are the same bits. A moment's
bits come from its own columns alone, so that two equal streams are always found.
"""

from __future__ import annotations

import numpy as np


def twins(covariance: np.ndarray, mean: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Return (n_decisions, n_assets) int64: the first supported column that each supported one is identical to."""
    first = np.tile(np.arange(support.shape[1]), (len(support), 1))
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    ordered = np.sort(variance, axis=1)
    (few,) = np.nonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))  # elsewhere no two variances are the same
    alike = (covariance[few] == variance[few, :, None]) & (covariance[few] == variance[few, None, :])
    alike &= np.tri(support.shape[1], k=-1, dtype=bool) & support[few, :, None] & support[few, None, :]
    for row, i, j in np.argwhere(alike):  # sorted: j < i, and the smallest j first
        d = few[row]
        same = mean[d, i] == mean[d, j] and (covariance[d, i] == covariance[d, j])[support[d]].all()
        if same and first[d, i] == i:
            first[d, i] = first[d, j]
    return first


def share_evenly(weights: np.ndarray, first: np.ndarray) -> None:
    """Give each column the mean weight of its twins, in place: where a solver's rounding told them apart."""
    n = weights.shape[1]
    for d in np.flatnonzero((first != np.arange(n)).any(axis=1)):
        count = np.bincount(first[d], minlength=n)
        weights[d] = (np.bincount(first[d], weights[d], n) / np.maximum(count, 1))[first[d]]
