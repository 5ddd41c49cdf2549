"""Taken decisions: those that a run recorded, as the walks of its sleeves took them, to be walked from once more.

The table `decisions` of a run has the weights of every decision to the bit, and who verified it knows that they are
those of the run. A sleeve is taken over from it where the table says all that it decided:

1. Its rows stand together, in the order of its sessions, and name its items.
2. Nothing was cut off: the view goes up to the last session of its plan, as that of a run without an `end` does.

What a decision left no row of, an item that was not live, has no weight. Other sleeves decide again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from metabt.build.plan import Node, Plan
from metabt.portfolio.sleeve import Leaf, Sleeve
from metabt.values.tables import Coded, Table
from metabt.walk.block import NOT_LIVE, REASONS, Decisions


def taken(table: Table, tree: Sleeve, plan: Plan) -> dict[str, Decisions]:
    """Return spec digest -> the decisions of each sleeve of a tree that its run's table `decisions` knows in full."""
    rows, found = dict(_stretches(table["path"])), {}
    for path, sleeve in tree.walk():
        node = plan.nodes[sleeve.spec.digest]
        if path in rows and sleeve.spec.digest not in found:
            decisions = _decisions(table, rows[path], node, _items(sleeve), measured=sleeve is tree)
            if decisions is not None:
                found[sleeve.spec.digest] = decisions
    return found


def _items(sleeve: Sleeve) -> tuple[str, ...]:
    spec = sleeve.spec
    return spec.universe if isinstance(spec, Leaf) else tuple(child.name for child in sleeve.ordered)


def _stretches(column: object) -> Iterator[tuple[str, slice]]:
    """Yield each text of a column with its rows, if they stand together."""
    assert isinstance(column, Coded)
    codes = column.codes
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]]) if len(codes) else np.zeros(0, np.int64)
    stops, of = np.append(starts[1:], len(codes)), codes[starts]
    alone = np.bincount(of, minlength=len(column.values)) == 1 if len(of) and of.min() >= 0 else np.zeros(0, bool)
    for code, start, stop in zip(of.tolist(), starts.tolist(), stops.tolist(), strict=True):
        if code < len(alone) and alone[code]:
            yield column.values[code], slice(start, stop)


def _decisions(table: Table, rows: slice, node: Node, items: tuple[str, ...], measured: bool) -> Decisions | None:
    """Return the decisions in some rows of the table; None where they are not those of this sleeve.

    Shares of risk are NaN unless they are `measured`; weights may be a view of the table's.
    """
    dates, sessions = np.asarray(table["date"])[rows], node.calendar.sessions
    starts = np.flatnonzero(np.r_[True, dates[1:] != dates[:-1]])
    at = np.searchsorted(sessions, dates[starts])
    column, known = _column(table, "item", rows, items), len(set(items)) == len(items)
    if not known or column is None or at[-1] >= len(sessions) or (sessions[at] != dates[starts]).any():
        return None
    if (np.diff(at) <= 0).any():
        return None
    why, status = _column(table, "reason", rows, REASONS), table["status"]
    assert isinstance(status, Coded)
    if why is None:
        return None
    cells = _Cells.of(starts, column, len(items))
    weights = cells.filled(np.asarray(table["weight"])[rows], 0.0)
    risk = np.broadcast_to(np.nan, cells.shape)
    if measured:
        risk = cells.filled(np.asarray(table["risk_contribution"])[rows].copy(), np.nan)
    said = tuple(status.values[code] for code in status.codes[rows][starts].tolist())
    return Decisions(at, weights, risk, said, cells.filled(why.astype(np.int8), NOT_LIVE))


@dataclass(frozen=True)
class _Cells:
    """Where rows stand in a matrix of decisions and items."""

    shape: tuple[int, int]
    """Decisions and items."""
    at: np.ndarray | None
    """(n_rows,) positions in the matrix; None where the rows are all of it, one after another."""

    @classmethod
    def of(cls, starts: np.ndarray, column: np.ndarray, n_items: int) -> _Cells:
        """Return them of rows whose decisions begin at `starts`, (n_decisions,), and whose items are `column`."""
        shape = len(starts), n_items
        if len(column) == shape[0] * n_items and (column.reshape(shape) == np.arange(n_items)).all():
            return cls(shape, None)
        line = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(column))))
        return cls(shape, line * n_items + column)

    def filled(self, values: np.ndarray, missing: float) -> np.ndarray:
        """Return the matrix of values of the rows, and `missing` elsewhere; a view where the rows are all of it."""
        if self.at is None:
            return values.reshape(self.shape)
        matrix = np.full(self.shape, missing, values.dtype)
        matrix.reshape(-1)[self.at] = values
        return matrix


def _column(table: Table, name: str, rows: slice, texts: tuple[str, ...]) -> np.ndarray | None:
    """Return where the texts of some rows stand among `texts`, (n_rows,); None where one does not."""
    column = table[name]
    assert isinstance(column, Coded)
    codes = column.codes[rows]
    used = np.unique(codes).tolist()
    places = {text: place for place, text in enumerate(texts)}
    if any(code < 0 or column.values[code] not in places for code in used):
        return None
    lookup = np.zeros(used[-1] + 1, np.int64)
    lookup[used] = [places[column.values[code]] for code in used]
    return lookup[codes]
