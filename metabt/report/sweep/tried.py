"""Tried: the configurations of a sweep, with what they were set to and what came of them, as its page reads them.

1. A configuration is a row; what it was set to in a key that differs is a text, empty where it states none.
2. They are ranked by their Sharpe ratio (metabt.analysis.rank).
3. Values of a key stand in their natural order, numbers by size: what is next to a value there is its neighbour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from metabt.analysis.rank import rank
from metabt.lakehouse.evidence import Evidence
from metabt.luck.verdict import Luck
from metabt.values.overrides import are_numbers, differing, in_order, short_names, stated

RANKED_BY = "sharpe"
"""Metric by which configurations are ranked."""
METRICS = ("sharpe", "total_return", "cagr", "volatility", "max_drawdown", "turnover")
"""Metrics of a configuration that its page shows."""

MANY = 12
"""Numbers up to which each is a group of its own."""
LONG = 9
"""Characters of a number that are shown."""
STRETCHES = 8
"""Groups of more of them."""

Curve = tuple[np.ndarray, np.ndarray]
"""Sessions, (n_sessions,) of datetime64[D], and the net asset value at each close."""


@dataclass(frozen=True)
class Tried:
    """A sweep, as its page reads it."""

    sweep_id: str
    """Its identity."""
    portfolios: tuple[str, ...]
    """Names of the portfolios that were run."""
    asked_at: str
    """When it was asked for last, UTC."""
    run_ids: tuple[str, ...]
    """Identity of each configuration's run, (n,)."""
    overrides: tuple[tuple[str, ...], ...]
    """Overrides of each, (n,)."""
    errors: tuple[str | None, ...]
    """Message of the error that ended it, (n,); None where it is ok."""
    metrics: Mapping[str, np.ndarray]
    """Metric -> value of each root, (n,), NaN where there is none; at least METRICS."""
    curves: Callable[[Sequence[str]], Mapping[str, Curve]] = field(repr=False, default=lambda wanted: {})
    """Returns run_id -> curve of the root of some runs."""

    evidence: Evidence | None = None
    """What they are worth beside everything that was tried; None where it is not known."""

    @cached_property
    def settings(self) -> list[dict[str, str]]:
        """Key -> value of each configuration, (n,)."""
        return [stated(own) for own in self.overrides]

    @cached_property
    def keys(self) -> dict[str, str]:
        """Key in which configurations differ -> its short name."""
        return short_names(differing(self.settings), {"rank", "run", *METRICS})

    @cached_property
    def values(self) -> dict[str, list[str]]:
        """Key in which configurations differ -> its distinct values, in their natural order."""
        return {key: in_order(own.get(key, "") for own in self.settings) for key in self.keys}

    @cached_property
    def places(self) -> dict[str, np.ndarray]:
        """Key in which configurations differ -> the place of each one's value among `values`, (n,)."""
        found = {}
        for key, values in self.values.items():
            place = {value: number for number, value in enumerate(values)}
            found[key] = np.array([place[own.get(key, "")] for own in self.settings], np.int64)
        return found

    @cached_property
    def grouped(self) -> dict[str, tuple[list[str], np.ndarray]]:
        """Key in which configurations differ -> labels of groups of its values, and the group of each one, (n,).

        A group is a value; of more than MANY numbers it is a stretch of them, each with as many configurations.
        """
        return {key: self._groups(key) for key in self.keys}

    def _groups(self, key: str) -> tuple[list[str], np.ndarray]:
        values, places = self.values[key], self.places[key]
        if len(values) <= MANY or not are_numbers(values):
            return values, places
        # ties stay together: a value is in the group of its first configuration by size
        starts = np.searchsorted(np.sort(places), np.arange(len(values)))
        group = np.minimum(starts * STRETCHES // len(places), STRETCHES - 1)
        kept, group = np.unique(group, return_inverse=True)
        ends = [np.flatnonzero(group == number)[[0, -1]] for number in range(len(kept))]
        return [_stretch(values[first], values[last]) for first, last in ends], group[places]

    @cached_property
    def ranked(self) -> np.ndarray:
        """Places of the configurations, the best first, (n,)."""
        failed = np.array([error is not None for error in self.errors], bool)
        return rank(self.score, self.metrics["total_return"], failed)

    @cached_property
    def done(self) -> np.ndarray:
        """Places of the configurations that have a Sharpe ratio, the best first, (n_done,)."""
        return self.ranked[np.isfinite(self.score[self.ranked])]

    @property
    def score(self) -> np.ndarray:
        """Sharpe ratio of each configuration, per year, (n,)."""
        return self.metrics[RANKED_BY]

    @property
    def luck(self) -> Luck | None:
        """What is said of the family that they are of; None where nothing is."""
        found = None if self.evidence is None else self.evidence.luck
        return None if found is None or found.reason is not None else found

    def p_luck(self, place: int) -> float:
        """Return how likely a configuration is luck, NaN where that is not known."""
        return np.nan if self.evidence is None else self.evidence.of(self.run_ids[place])["p_luck"]

    def label(self, place: int, keys: Sequence[str] | None = None) -> str:
        """Return what tells a configuration from the others: `lookback 63, optimizer erc`."""
        own = self.settings[place]
        return ", ".join(f"{self.keys[key]} {told(own.get(key))}" for key in keys or self.keys) or "as it is"


def told(value: str | None) -> str:
    """Return a value of a key as the page shows it: long numbers with six digits, none as what it is without."""
    if not value:
        return "as it is"
    return value if len(value) <= LONG or not are_numbers([value]) else f"{float(value):.6g}"


def _stretch(first: str, last: str) -> str:
    return told(first) if first == last else f"{told(first)} to {told(last)}"
