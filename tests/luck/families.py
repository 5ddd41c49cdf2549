"""Families of trials for tests: noise with a common factor, with skill and gaps put in by hand."""

from __future__ import annotations

import numpy as np


def noise(seed: int, n_sessions: int, n_trials: int, correlation: float = 0.0) -> np.ndarray:
    """Return returns of no skill, (n_sessions, n_trials), 1 % a session, correlated in pairs."""
    random = np.random.default_rng(seed)
    own, common = random.standard_normal((n_sessions, n_trials)), random.standard_normal((n_sessions, 1))
    return 0.01 * (np.sqrt(1 - correlation) * own + np.sqrt(correlation) * common)


def late(returns: np.ndarray, trial: int, start: int) -> np.ndarray:
    """Return the family with one trial that has no stream before a session."""
    found = returns.copy()
    found[:start, trial] = np.nan
    return found
