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
    """Return the sample covariance of every window, whatever the support."""
    return windows.covariance


def _ewma(half_life: float = HALF_LIFE) -> Moment:
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
"""What `covariance` of an optimizer may be."""

Covariance = Annotated[Choice, COVARIANCES.canonical]
"""The type of that parameter."""
