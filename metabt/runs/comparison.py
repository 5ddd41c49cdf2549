"""Compare two runs: which inputs differ, and what that did to the root.

The effect is the root's Sharpe ratio and growth on both sides, and the first date on which its net returns differ to
the bit while both have them: where both begin together, no input that differs can have mattered before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metabt.analysis.summary import with_growth
from metabt.runs.input_differences import Difference, differences
from metabt.runs.record import Record, read_record
from metabt.values.tables import texts

if TYPE_CHECKING:
    import duckdb

Stream = tuple[np.ndarray, np.ndarray]
"""Dates, and the net return of each."""


@dataclass(frozen=True)
class Comparison:
    """Two runs, compared."""

    one: Record
    """The run that was named first."""
    other: Record
    """The run that it is compared with."""
    differences: tuple[Difference, ...]
    """Inputs that differ, from `one` to `other`."""
    metrics: dict[str, tuple[float, float]]
    """Metric -> the root's value on both sides."""
    parted: str | None
    """First date on which the roots' net returns differ while both have them; None where they never do."""
    spans: tuple[tuple[str, str], tuple[str, str]]
    """First and last date of each root's returns."""

    @property
    def is_one_run(self) -> bool:
        """Whether both are the same run."""
        return self.one.run_id == self.other.run_id


def compare(con: duckdb.DuckDBPyConnection, one_id: str, other_id: str) -> Comparison:
    """Return the inputs in which two runs differ, and the effect on their roots.

    Raises
    ------
    StoreError
        For a run that is not there, or that failed.
    """
    from metabt.lakehouse import root_metrics

    one, other = read_record(con, one_id), read_record(con, other_id)
    found = root_metrics(con, [one_id, other_id])
    names = with_growth(("sharpe", "total_return", "cagr"), found.values())
    metrics = {name: (found[one_id].get(name, np.nan), found[other_id].get(name, np.nan)) for name in names}
    first, second = (_stream(con, record) for record in (one, other))
    spans = ((str(first[0][0]), str(first[0][-1])), (str(second[0][0]), str(second[0][-1])))
    found_inputs = tuple(differences(con, one, other))
    return Comparison(one, other, found_inputs, metrics, first_session_apart(first, second), spans)


def _stream(con: duckdb.DuckDBPyConnection, record: Record) -> Stream:
    from metabt.lakehouse import load_table

    found = load_table(con, record.run_id, "returns")
    own = texts(found["path"]) == record.portfolio
    dates, net = np.asarray(found["date"])[own], np.asarray(found["net"])[own]
    order = np.argsort(dates, kind="stable")
    return dates[order], net[order]


def first_session_apart(one: Stream, other: Stream) -> str | None:
    """Return the first date with another net return, or that only one has, from where both began to where one ends."""
    first, last = max(one[0][0], other[0][0]), min(one[0][-1], other[0][-1])
    rows = [{date: net for date, net in zip(*stream, strict=True) if first <= date <= last} for stream in (one, other)]
    dates = [d for d in sorted({*rows[0], *rows[1]}) if rows[0].get(d, np.inf) != rows[1].get(d, np.inf)]
    return str(dates[0]) if dates else None
