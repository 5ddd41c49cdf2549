"""Step checks: before a walk, every step of its datasets is known not to look ahead.

A step is checked once for its code, its parameters and the data that it reads, which the digest of a dataset's facts
covers. That it passed is remembered with the blocks, under a key of that digest, and in this process; so a run that is
known reads no price for it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from metabt.build.ports import Cache
from metabt.data.dataset import Dataset
from metabt.data.panel.step_causality import check_step
from metabt.data.panel.stepped import layers
from metabt.data.step import Step
from metabt.values.digests import digest
from metabt.values.reached_code import reached

CAUSAL = "causal"
"""Kind of what is remembered."""
CHECKERS = ("metabt.data.panel.step_causality",)
"""Modules that, with all they reach, check steps."""
_PASSED: set[str] = set()


def check_steps(datasets: Iterable[Dataset], cache: Cache, other: Cache | None = None) -> None:
    """Check the steps of some datasets that are not known to have passed; `other` is read and not written.

    Raises
    ------
    DataError
        For a step that looks ahead or further back than it says, or answers what cannot be meant; with the first
        session and asset.
    """
    for dataset in (layer for each in datasets for layer in layers(each)):
        key = _key(dataset)
        if key in _PASSED:
            continue
        if all(it is None or it.get(key, CAUSAL) is None for it in (cache, other)):
            check_step(dataset)
            cache.put(key, CAUSAL, {CAUSAL: np.array([True])})
        _PASSED.add(key)


def steps_of(dataset: Dataset) -> tuple[Step, ...]:
    """Return the steps between a dataset's prices and its returns, in the order in which they are applied."""
    return tuple(layer.step for layer in layers(dataset) if layer.step is not None)


def _key(dataset: Dataset) -> str:
    return digest([CAUSAL, reached(CHECKERS).digest, dataset.facts.digest(dataset.facts.symbols)])
