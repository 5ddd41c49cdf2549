"""Decisions of one sleeve as matrices, a row per date and a column per item."""

from __future__ import annotations

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


def largest(values: np.ndarray, count: int) -> np.ndarray:
    """Return the columns with the largest sums of magnitudes, largest first, ties in their order."""
    return np.argsort(-np.abs(np.nan_to_num(values)).sum(axis=0), kind="stable")[:count]
