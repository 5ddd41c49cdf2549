"""A plug-in that goes wrong on a given session: it raises, ends its process, or takes more memory than there is."""

from __future__ import annotations

import os
import signal

import numpy as np


class Poison:
    """Weights all alike until a window's last return is as small as `below`."""

    def __init__(self, what: str, below: float) -> None:
        self.what, self.below = what, below

    def fit(self, X: np.ndarray) -> Poison:
        if X[-1].min() < self.below:
            if self.what == "raise":
                raise LookupError("poisoned")
            os.kill(os.getpid(), signal.SIGKILL)
        self.weights_ = np.full(X.shape[1], 1.0 / X.shape[1])
        return self
