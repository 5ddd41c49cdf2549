"""Universes: who could be chosen by leaves whose universes are drawn, decision by decision.

A decision's items are all that the leaf ever asks about. One with the reason `not a member` was outside; one that is
`ineligible` or `constant` was inside and could not be held; all others could.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metabt.report.reading import numbers
from metabt.values.tables import Coded, Table

OUTSIDE = "not a member"
"""Reason of what was not in the universe, or not known to be."""
UNFIT = ("ineligible", "constant")
"""Reasons of members that could not be held."""


@dataclass(frozen=True)
class History:
    """A drawn universe at the decisions of its leaf."""

    path: str
    """The leaf's path."""
    dates: np.ndarray
    """(n_decisions,) datetime64"""
    items: Sequence[str]
    """(n_items,) whoever was asked about at any of them."""
    member: np.ndarray
    """(n_decisions, n_items) bool, drawn."""
    eligible: np.ndarray
    """(n_decisions, n_items) bool, a member with enough history, that moves where that is needed."""
    weight: np.ndarray
    """(n_decisions, n_items) what was decided, a fraction of the leaf's NAV."""

    @classmethod
    def of(cls, decisions: Table, path: str) -> History:
        """Return it of a run's table `decisions`."""
        of_path, item, reason = (coded(decisions, name) for name in ("path", "item", "reason"))
        rows = np.flatnonzero(of_path.codes == place_of(of_path, path))
        dates, place = np.unique(numbers(decisions, "date")[rows], return_inverse=True)
        codes, column = np.unique(item.codes[rows], return_inverse=True)
        member, eligible = np.zeros((2, len(dates), len(codes)), bool)
        weight = np.zeros(member.shape)
        said = reason.codes[rows]
        member[place, column] = said != place_of(reason, OUTSIDE)
        eligible[place, column] = ~np.isin(said, [place_of(reason, it) for it in (OUTSIDE, *UNFIT)])
        weight[place, column] = numbers(decisions, "weight")[rows]
        return cls(path, dates, [item.values[code] for code in codes.tolist()], member, eligible, weight)

    @property
    def held(self) -> np.ndarray:
        """(n_decisions, n_items) bool, decided to be held."""
        return self.weight != 0

    @property
    def dropped(self) -> np.ndarray:
        """(n_decisions - 1, n_items) weights at a decision of what is no member at the next; 0 elsewhere."""
        return np.where(self.member[1:], 0.0, self.weight[:-1])


def place_of(column: Coded, text: str) -> int:
    """Return the code of a text; of one that is not there -2, which no row has."""
    return column.values.index(text) if text in column.values else -2


def coded(table: Table, name: str) -> Coded:
    """Return a column of texts."""
    column = table[name]
    assert isinstance(column, Coded)
    return column
