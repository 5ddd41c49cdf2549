"""Estimators of the mean by name: `zero`, `sample`, `ewma`, `james_stein`.

An estimator's mean may be anything outside the support, and is NaN where a window has no row. `zero` says that the
returns tell nothing of the mean: what is left is the risk.
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
    """Return a mean of zero for every window and asset."""
    return np.zeros((len(windows), windows.returns.shape[1]))


def sample(windows: Windows, support: np.ndarray | None) -> np.ndarray:
    """Return the mean of the rows of every window, whatever the support."""
    return windows.mean


def _ewma(half_life: float = HALF_LIFE) -> Moment:
    check_half_life(half_life)
    return lambda windows, support: ewma_mean(windows.returns, windows.stops, windows.lengths, half_life)


MEANS = Family(
    "estimator of the mean",
    MappingProxyType(
        {"zero": lambda: zero, "sample": lambda: sample, "ewma": _ewma, "james_stein": lambda: james_stein}
    ),
    frozenset({"zero", "sample"}),
)
"""What `mean` of an optimizer may be."""

Mean = Annotated[Choice, MEANS.canonical]
"""The type of that parameter."""
