"""Covariance estimators by name: `sample`, `ewma`, `ledoit_wolf`, `oas`, `denoised`.

`sample` is unbiased (ddof 1) and computed once for all that ask a stack of windows for it. An estimator's matrix may
be anything in the rows and columns outside the support, and is NaN where a window has fewer than two rows.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import numpy as np

from metabt.estimators.moments.denoising import denoised
from metabt.estimators.moments.ewma import HALF_LIFE, check_half_life, ewma_covariance
from metabt.estimators.moments.families import Choice, Family, Moment
from metabt.estimators.moments.shrinkage import ledoit_wolf, oas

if TYPE_CHECKING:
    from metabt.estimators.windows import Windows


def sample(windows: Windows, support: np.ndarray | None) -> np.ndarray:
    """Return the sample covariance (ddof 1) of every window.

    Parameters
    ----------
    windows : Windows
        Training windows of `n_decisions` decisions over `n_assets` columns.
    support : (n_decisions, n_assets) bool or None
        Not looked at: covariances are of all columns.

    Returns
    -------
    (n_decisions, n_assets, n_assets)
        The windows' own, not to be written to; NaN where a window has fewer than two rows.
    """
    return windows.covariance


def _ewma(half_life: float = HALF_LIFE) -> Moment:
    """Return the estimator of exponentially weighted covariances (metabt.estimators.moments.ewma).

    Parameters
    ----------
    half_life : float
        Sessions after which a row weighs half as much, above 0.

    Returns
    -------
    callable
        Takes windows and their support, and returns (n_decisions, n_assets, n_assets).

    Raises
    ------
    ConfigError
        For a half-life that is not above 0.
    """
    check_half_life(half_life)
    return lambda windows, support: ewma_covariance(windows.returns, windows.stops, windows.lengths, half_life)


COVARIANCES = Family(
    "covariance estimator",
    MappingProxyType(
        {
            "sample": lambda: sample,
            "ewma": _ewma,
            "ledoit_wolf": lambda: ledoit_wolf,
            "oas": lambda: oas,
            "denoised": lambda: denoised,
        }
    ),
    frozenset({"sample"}),
)
"""The estimators that the parameter `covariance` of an optimizer names."""

Covariance = Annotated[Choice, COVARIANCES.canonical]
"""The type of that parameter: a name, or a mapping with a name and parameters."""
