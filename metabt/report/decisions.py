"""Decisions: those of one sleeve as matrices, a row per date and a column per item; and what is read of all others.

Of the sleeves beneath the root a page counts decisions and says what was left out of them; weights it shows of the root
alone. `told` keeps the rows that this takes, a few in a hundred where there are many leaves.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from metabt.report.reading import numbers, where
from metabt.values.tables import Coded, Table


@dataclass(frozen=True)
class DecisionMatrix:
    """The decisions of one sleeve."""

    dates: np.ndarray
    """(n_decisions,) sessions that were decided on."""
    items: list[str]
    """Names of children, or symbols."""
    weights: np.ndarray
    """(n_decisions, n_items), 0 where an item is not part of a decision."""
    risk: np.ndarray
    """(n_decisions, n_items) ex-ante shares of variance; a row of NaN in warm-up and cash."""


def decided(decisions: Table, path: str) -> DecisionMatrix:
    """Return the decisions of the sleeve at `path`, from the table `decisions`."""
    own = where(decisions, "path", path)
    column = own["item"]
    assert isinstance(column, Coded)
    dates, row = np.unique(numbers(own, "date"), return_inverse=True)
    used, place = np.unique(column.codes, return_inverse=True)
    weights, risk = (np.zeros((len(dates), len(used))) for _ in range(2))
    weights[row, place] = np.nan_to_num(numbers(own, "weight"))
    risk[row, place] = numbers(own, "risk_contribution")
    silent = np.isnan(risk).all(axis=1, keepdims=True)
    risk = np.where(silent, np.nan, np.nan_to_num(risk))
    return DecisionMatrix(dates, [column.values[code] for code in used.tolist()], weights, risk)


def told(decisions: Table, root: str, drawn: Collection[str] = ()) -> Table:
    """Return the rows of the table `decisions` that a page and the notes beneath it read, in their order.

    They are all rows of the root, of leaves whose universes are `drawn` and of decisions that are not ok, the first row
    of every other decision, and those of items that were left out.
    """
    path, status, reason = decisions["path"], decisions["status"], decisions["reason"]
    assert isinstance(path, Coded) and isinstance(status, Coded) and isinstance(reason, Coded)
    date = numbers(decisions, "date")
    kept = np.ones(len(path), bool)
    kept[1:] = (path.codes[1:] != path.codes[:-1]) | (date[1:] != date[:-1])
    for each in (root, *drawn):
        kept |= _rows(path, each, same=True)
    for column, usual in ((status, "ok"), (reason, "")):
        kept |= _rows(column, usual, same=False)
    rows = np.flatnonzero(kept)
    return {
        name: column.take(rows) if isinstance(column, Coded) else column[rows] for name, column in decisions.items()
    }


def _rows(column: Coded, text: str, same: bool) -> np.ndarray:
    """Return in which rows a column has a text, or with `same` False another one or none, (n_rows,) bool."""
    chosen = np.array([(value == text) == same for value in column.values] + [not same])
    return chosen[column.codes]  # NULL, code -1, is the last of them


def largest(values: np.ndarray, count: int) -> np.ndarray:
    """Return the columns with the largest sums of magnitudes, largest first, ties in their order."""
    return np.argsort(-np.abs(np.nan_to_num(values)).sum(axis=0), kind="stable")[:count]
