"""Estimators of the mean by name: `zero`, `sample`, `ewma`, `james_stein`.

An estimator's mean may be anything outside the support, and is NaN where a window has no row. `zero` takes
nothing from the returns, so that risk alone decides.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import numpy as np

from metabt.estimators.moments.ewma import HALF_LIFE, check_half_life, ewma_mean
from metabt.estimators.moments.families import Choice, Family, Moment
from metabt.estimators.moments.james_stein import james_stein

if TYPE_CHECKING:
    from metabt.estimators.windows import Windows


def zero(windows: Windows, support: np.ndarray | None) -> np.ndarray:
    """Return a mean of zero.

    Parameters
    ----------
    windows : Windows
        Training windows of `n_decisions` decisions over `n_assets` columns.
    support : (n_decisions, n_assets) bool or None
        Not looked at.

    Returns
    -------
    (n_decisions, n_assets)
        Zeros.
    """
    return np.zeros((len(windows), windows.returns.shape[1]))


def sample(windows: Windows, support: np.ndarray | None) -> np.ndarray:
    """Return the sample mean of every window.

    Parameters
    ----------
    windows : Windows
        Training windows of `n_decisions` decisions over `n_assets` columns.
    support : (n_decisions, n_assets) bool or None
        Not looked at: means are of all columns.

    Returns
    -------
    (n_decisions, n_assets)
        Mean simple return of a session; the windows' own, not to be written to; NaN where a window has no row.
    """
    return windows.mean


def _ewma(half_life: float = HALF_LIFE) -> Moment:
    """Return the estimator of exponentially weighted means (metabt.estimators.moments.ewma).

    Parameters
    ----------
    half_life : float
        Sessions after which a row weighs half as much, above 0.

    Returns
    -------
    callable
        Takes windows and their support, and returns (n_decisions, n_assets).

    Raises
    ------
    ConfigError
        For a half-life that is not above 0.
    """
    check_half_life(half_life)
    return lambda windows, support: ewma_mean(windows.returns, windows.stops, windows.lengths, half_life)


MEANS = Family(
    "estimator of the mean",
    MappingProxyType(
        {"zero": lambda: zero, "sample": lambda: sample, "ewma": _ewma, "james_stein": lambda: james_stein}
    ),
    frozenset({"zero", "sample"}),
)
"""The estimators that the parameter `mean` of an optimizer names."""

Mean = Annotated[Choice, MEANS.canonical]
"""The type of that parameter: a name, or a mapping with a name and parameters."""
