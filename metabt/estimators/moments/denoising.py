"""Denoised covariance: eigenvalues of the correlations that chance alone would give are replaced by their mean.

1. Correlations C of the p supported columns over T rows, those without variance left out.
2. Of independent columns, the eigenvalues would lie below `(1 + sqrt(p / T))^2` (Marchenko and Pastur 1967).
3. Those that do are replaced by their mean: the trace stays, what is above the edge stays, and no direction is left
   without risk because of too few rows.
4. The diagonal is scaled back to ones, and the variances are those of the sample (ddof 1).

Columns that are identical keep no correlation of exactly one: part of it counts as chance.

LAPACK finds the eigenvalues, one window after another, each matrix a copy of its own: the bits depend on the supported
columns of the window alone, in their order, given that LAPACK keeps to one thread, as it does in a run.

References
----------
Laloux, Cizeau, Bouchaud and Potters (1999), "Noise dressing of financial correlation matrices", Physical Review
Letters 83.
Lopez de Prado (2018), "Advances in Financial Machine Learning", and (2020), "Machine Learning for Asset Managers",
chapter 2: the constant residual eigenvalue method; here with the edge of unit variance, which needs no fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from metabt.estimators.windows import Windows


def denoised(windows: Windows, support: np.ndarray | None = None) -> np.ndarray:
    """Return the denoised covariance of every window.

    Parameters
    ----------
    windows : Windows
        Training windows of `n_decisions` decisions over `n_assets` columns.
    support : (n_decisions, n_assets) bool, optional
        The columns of each decision. Default: all.

    Returns
    -------
    (n_decisions, n_assets, n_assets)
        The sample covariance where a window is not finite or has fewer than two rows, and outside the support.
    """
    S = windows.covariance.copy()
    variance = np.diagonal(S, axis1=1, axis2=2)
    varies = variance > 0.0 if support is None else support & (variance > 0.0)
    for d in range(len(S)):
        columns = np.flatnonzero(varies[d])
        part = S[d][columns[:, None], columns]
        if len(columns) and np.isfinite(part).all():
            sigma = np.sqrt(part.diagonal())
            scale = sigma[:, None] * sigma
            quiet = scale * without_noise(part / scale, int(windows.lengths[d]))
            np.fill_diagonal(quiet, part.diagonal())
            S[d, columns[:, None], columns] = quiet
    return S


def without_noise(correlation: np.ndarray, rows: int) -> np.ndarray:
    """Return correlations (p, p) of `rows` rows with the mean of the eigenvalues below the edge in place of each."""
    values, vectors = np.linalg.eigh(correlation)
    n_noise = int((values <= edge(len(values), rows)).sum())  # ascending, and the smallest is at most 1
    level = np.add.accumulate(values[:n_noise])[-1] / n_noise
    signal = vectors[:, n_noise:]
    cleaned = (signal * (values[n_noise:] - level)) @ signal.T
    np.fill_diagonal(cleaned, cleaned.diagonal() + level)
    scale = np.sqrt(cleaned.diagonal())
    cleaned = cleaned / (scale[:, None] * scale)
    return 0.5 * (cleaned + cleaned.T)


def edge(p: int, rows: int) -> float:
    """Return the largest eigenvalue that p independent columns would have over so many rows: Marchenko and Pastur's."""
    return float((1.0 + np.sqrt(p / rows)) ** 2)
