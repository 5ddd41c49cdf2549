"""Slices of a sweep: trials that are alike but for one level of choices, and how each differs from its slice.

A trial's difference in a session is its return less the mean of its slice's, of those that have one in that session.
What all choices of a slice earn alike is gone from it; so is most of its risk, where they hold much the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from metabt.luck.trial_returns import TrialReturns

ABSENT = "absent"
"""What stands for a key that a trial's settings do not have."""


def differing(values: Sequence[Mapping[str, Hashable]]) -> list[str]:
    """Return the keys that do not have one value in all trials, sorted; a missing key is a value of its own."""
    keys = sorted({key for each in values for key in each})
    return [key for key in keys if len({each.get(key, ABSENT) for each in values}) > 1]


def slices(values: Sequence[Mapping[str, Hashable]], keys: Sequence[str]) -> list[np.ndarray]:
    """Return the slices of a level: trials alike but for the level's keys, two at least in each.

    Parameters
    ----------
    values : of each trial, key -> a value that can be compared
    keys : the level's
    """
    alike: dict[frozenset[tuple[str, Hashable]], list[int]] = {}
    for trial, each in enumerate(values):
        alike.setdefault(frozenset((key, value) for key, value in each.items() if key not in keys), []).append(trial)
    return [np.array(trials) for trials in alike.values() if len(trials) > 1]


def differences(returns: TrialReturns, parts: Sequence[np.ndarray]) -> TrialReturns:
    """Return each trial's returns less the mean of its slice, slice by slice.

    Parameters
    ----------
    returns : of all trials
    parts : the trials of each slice

    Returns
    -------
    of the trials in the order of `parts` end to end; NaN in sessions without two trials of the slice
    """
    order, lengths = np.concatenate(parts), np.array([len(part) for part in parts])
    starts = np.cumsum(lengths) - lengths
    slice_of = np.repeat(np.arange(len(parts)), lengths)

    def columns(start: int, stop: int) -> np.ndarray:
        first, last = slice_of[start], slice_of[stop - 1]
        begin, end = starts[first], starts[last] + lengths[last]
        X = np.hstack([returns.columns(k, k + 1) for k in order[begin:end].tolist()], dtype=np.float64)
        observed = ~np.isnan(X)
        n = np.add.reduceat(observed, starts[first : last + 1] - begin, axis=1, dtype=np.float64)
        total = np.add.reduceat(np.where(observed, X, 0.0), starts[first : last + 1] - begin, axis=1)
        X -= np.repeat(total / np.where(n > 1, n, np.nan), lengths[first : last + 1], axis=1)
        return X[:, start - begin : stop - begin]

    return TrialReturns(returns.n_sessions, len(order), columns)
