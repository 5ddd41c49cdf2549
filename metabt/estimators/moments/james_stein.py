"""James-Stein mean: the sample means of the supported columns, drawn towards their grand mean.

`(1 - a) mu + a b 1`, with b the mean of mu and `a = (tr S - 2 lambda_1) / (T |mu - b 1|^2)` in [0, 1], where S is the
sample covariance (ddof 1) over T rows and lambda_1 its largest eigenvalue: James and Stein's intensity for means whose
errors are correlated and differ in size (Bock 1975), about the grand mean. Nothing is inverted, so there may be fewer
rows than assets. Where one factor carries half of all variance, nothing is shrunk: its errors move all means together,
and the grand mean with them.

References
----------
James and Stein (1961), "Estimation with quadratic loss".
Bock (1975), "Minimax estimators of the mean of a multivariate normal distribution", Annals of Statistics 3.
Jorion (1986), "Bayes-Stein estimation for portfolio analysis", Journal of Financial and Quantitative Analysis 21: why
the target is common to all assets.
Meucci (2005), "Risk and Asset Allocation", section 4.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from metabt.estimators.windows import Windows


def james_stein(windows: Windows, support: np.ndarray | None = None) -> np.ndarray:
    """Return the mean of every window, shrunk by James and Stein's intensity.

    Parameters
    ----------
    windows : Windows
        Training windows of `n_decisions` decisions over `n_assets` columns.
    support : (n_decisions, n_assets) bool, optional
        The columns of each decision. Default: all.

    Returns
    -------
    (n_decisions, n_assets)
        Mean simple return of a session; outside the support that of the sample; NaN where a window has no row.
    """
    mean = windows.mean.copy()
    for d in range(len(mean)):
        columns = np.arange(mean.shape[1]) if support is None else np.flatnonzero(support[d])
        S = windows.covariance[d][columns[:, None], columns]
        if len(columns) and np.isfinite(S).all():
            mean[d, columns] = _shrunk(mean[d, columns], S, int(windows.lengths[d]))
    return mean


def _shrunk(mean: np.ndarray, S: np.ndarray, rows: int) -> np.ndarray:
    grand = np.add.accumulate(mean)[-1] / len(mean)
    error = (S.trace() - 2.0 * np.linalg.eigvalsh(S)[-1]) / rows
    spread = np.add.accumulate((mean - grand) ** 2)[-1]
    intensity = min(error / spread, 1.0) if error > 0.0 < spread else 0.0
    return mean + intensity * (grand - mean)
