"""A plug-in that goes wrong on given sessions: it waits, warns, has no weights, raises, ends its process, hoards."""

from __future__ import annotations

import os
import signal
import time
import warnings

import numpy as np


class Poison:
    """Weights all alike until a window's last return is as small as `below`."""

    def __init__(self, what: str, below: float) -> None:
        self.what, self.below = what, below

    def fit(self, X: np.ndarray) -> Poison:
        if X[-1].min() < self.below:
            if self.what == "raise":
                raise LookupError("poisoned")
            if self.what == "hoard":
                self._hoard()
            if self.what == "wait":
                time.sleep(0.03)
            if self.what == "blink":
                time.sleep(0.01)
            if self.what == "fail":
                raise ValueError("no weights for this")
            if self.what not in ("warn", "wait", "blink"):
                os.kill(os.getpid(), signal.SIGKILL)
            if self.what == "warn":
                warnings.warn("a large fall", RuntimeWarning, stacklevel=2)
        self.weights_ = np.full(X.shape[1], 1.0 / X.shape[1])
        return self

    def _hoard(self) -> None:
        """Take memory, 100 MB at a time, until somebody intervenes; not more than 4 GB."""
        hoard = []
        for _ in range(40):
            hoard.append(np.ones(12_500_000))
            time.sleep(0.2)
        raise LookupError("nobody intervened")
