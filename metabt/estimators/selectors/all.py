"""All: every eligible asset."""

from __future__ import annotations

import numpy as np

from metabt.estimators.selectors.base import Selector
from metabt.estimators.windows import Windows


class All(Selector):
    """Every eligible asset is selected: the choice is the optimizer's."""

    needs_variance = False

    def select(self, windows: Windows, eligible: np.ndarray) -> np.ndarray:
        """Return `eligible`."""
        return np.array(eligible, dtype=np.bool_)

    def most(self, n_assets: int) -> int:
        """Return `n_assets`."""
        return n_assets
