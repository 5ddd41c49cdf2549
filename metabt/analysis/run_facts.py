"""Run facts: the little of a run's tables that a sweep's ranking, and what must be known of it, are made of.

They are taken where the tables are made, so that no table has to be read again, or sent from one process to another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metabt.analysis.decision_counts import DecisionCounts
from metabt.analysis.left_out import LeftOut
from metabt.analysis.run_notes import Circumstances, FellBack, fell_back, run_notes
from metabt.analysis.summary import metrics_by_path
from metabt.data.dataset import Dataset
from metabt.portfolio.sleeve import Sleeve
from metabt.values.tables import Table, texts


@dataclass(frozen=True)
class RunFacts:
    """What is told of one run of many."""

    metrics: Mapping[str, float]
    """The root's."""
    first: np.datetime64
    """First session of the root's stream."""
    last: np.datetime64
    """Last session of it."""
    fell_back: tuple[FellBack, ...]
    """The root, where decisions of it fell back."""
    left_out: tuple[LeftOut, ...] = ()
    """Assets that were ineligible at most decisions, where they were looked for."""


def run_facts(tree: Sleeve, tables: Mapping[str, Table], datasets: Mapping[str, Dataset] | None = None) -> RunFacts:
    """Return the facts of a run.

    Parameters
    ----------
    tree : its root
    tables : its tables; `metrics`, `sleeves`, `returns` and `decisions` are read
    datasets : those that it reads; None looks for no assets that were left out

    Raises
    ------
    StoreError
        If assets were ineligible, and their prices can no longer be read.
    """
    first, last = root_span(tree.name, tables["returns"])
    missing = () if datasets is None else run_notes("", tables, Circumstances(datasets)).left_out
    return RunFacts(
        metrics_by_path(tables["metrics"])[tree.name],
        first,
        last,
        root_fell_back(tree, tables["decisions"]),
        missing,
    )


def root_span(root: str, returns: Table) -> tuple[np.datetime64, np.datetime64]:
    """Return the first and last session of a root's stream; ValueError where it has none."""
    dates = np.asarray(returns["date"])[texts(returns["path"]) == root]
    return dates.min(), dates.max()


def root_fell_back(tree: Sleeve, decisions: Table) -> tuple[FellBack, ...]:
    """Return the root, where decisions of it fell back."""
    found = fell_back(DecisionCounts(decisions), {tree.name: tree.spec.plain()})
    return tuple(each for each in found if each.path == tree.name)
