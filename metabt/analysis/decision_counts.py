"""Decision counts: how many decisions of which sleeve had which status, from the table `decisions` of a run."""

from __future__ import annotations

from collections import Counter
from functools import cached_property

import numpy as np

from metabt.values.tables import Coded, Table

FALLBACK = "fallback:"
"""Beginning of the status of a decision that a fallback made; its name follows."""


class DecisionCounts:
    """The decisions of a run's sleeves: a decision is a run of rows with one path and one date."""

    def __init__(self, table: Table) -> None:
        """Take the table `decisions`, its rows in the order in which they were stored."""
        self.path, self.status, self.item, self.reason = map(coded, [table] * 4, ("path", "status", "item", "reason"))
        date = np.asarray(table["date"])
        begins = np.ones(len(date), bool)
        begins[1:] = (self.path.codes[1:] != self.path.codes[:-1]) | (date[1:] != date[:-1])
        self.starts = np.flatnonzero(begins)
        self.dates = date[self.starts]
        """(n_decisions,) datetime64[D]"""
        self.paths = np.asarray(self.path.codes)[self.starts]
        """(n_decisions,) codes of the sleeves that took them"""

    def of(self, path: str) -> np.ndarray:
        """Return the positions of a sleeve's decisions, (n,) int64."""
        return np.flatnonzero(self.paths == code_of(self.path, path))

    @cached_property
    def fallen(self) -> np.ndarray:
        """(n_decisions,) bool: a fallback made it."""
        codes = [code for code, text in enumerate(self.status.values) if text.startswith(FALLBACK)]
        return np.isin(np.asarray(self.status.codes)[self.starts], codes)

    @cached_property
    def given(self) -> np.ndarray:
        """(n_decisions,) int64 items that the optimizer was given: those without a reason to be left out."""
        codes = np.asarray(self.reason.codes)
        given = (codes < 0) | (codes == code_of(self.reason, ""))
        return np.add.reduceat(given.astype(np.int64), self.starts) if len(self.starts) else np.zeros(0, np.int64)

    def fallbacks(self, decisions: np.ndarray) -> tuple[str, ...]:
        """Return the names of the fallbacks that made some decisions, the most frequent first."""
        codes = Counter(np.asarray(self.status.codes)[self.starts[decisions]].tolist())
        return tuple(self.status.values[code].removeprefix(FALLBACK) for code, _ in codes.most_common())

    def fallen_paths(self) -> tuple[str, ...]:
        """Return the paths of sleeves with decisions that fell back."""
        return tuple(self.path.values[code] for code in np.unique(self.paths[self.fallen]).tolist())

    def ineligible(self) -> dict[str, dict[str, int]]:
        """Return path -> item -> decisions at which it was ineligible."""
        rows = np.flatnonzero(np.asarray(self.reason.codes) == code_of(self.reason, "ineligible"))
        n_items = len(self.item.values)
        pairs = np.asarray(self.path.codes)[rows].astype(np.int64) * n_items + np.asarray(self.item.codes)[rows]
        found: dict[str, dict[str, int]] = {}
        for pair, times in zip(*(array.tolist() for array in np.unique(pairs, return_counts=True)), strict=True):
            found.setdefault(self.path.values[pair // n_items], {})[self.item.values[pair % n_items]] = times
        return found


def coded(table: Table, name: str) -> Coded:
    """Return a text column of a table."""
    column = table[name]
    assert isinstance(column, Coded)
    return column


def code_of(column: Coded, text: str) -> int:
    """Return the code of a text in a column, or one that no row has."""
    return column.values.index(text) if text in column.values else -2
