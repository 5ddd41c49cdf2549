"""Risk table: contributions to risk, each measured on one sleeve and shared out among its items.

| measure | sleeve | items | what is shared |
|---|---|---|---|
| `realised` | every meta sleeve | its children, cash | variance of its stream before costs |
| `realised_asset` | root | assets, cash | the same |
| `ex_ante_asset` | root | assets | variance expected at a decision, looked through to assets |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metabt.analysis.realised_risk import realised_by_asset, realised_by_child
from metabt.analysis.risk_by_asset import exposures
from metabt.analysis.sleeve_history import SleeveHistory, looked_through
from metabt.build.plan import Plan
from metabt.build.ports import Cache
from metabt.values.tables import Cells, Coded, Codes, Table


@dataclass(frozen=True)
class _Shares:
    """Risk contributions by one measure, as rows of the table that has them all."""

    path: str
    """Sleeve whose risk is shared out."""
    measure: str
    """Measure of risk: realised, realised_asset or ex_ante_asset."""
    dates: np.ndarray
    """(n_rows,) datetime64[D]"""
    items: np.ndarray
    """(n_rows,) int32 codes of what the risk is shared among."""
    shares: np.ndarray
    """(n_rows,)"""


def risk_table(root: SleeveHistory, histories: Sequence[SleeveHistory], plan: Plan, cache: Cache) -> Table:
    """Return risk contributions: realised by child and by asset, and ex ante by asset."""
    items = Codes()
    parts = [*_realised(histories, items), _risk_by_asset(root, histories, items, plan, cache)]
    n_rows = [len(part.shares) for part in parts]
    path, measure = (Coded.of([getattr(part, name) for part in parts]) for name in ("path", "measure"))
    part_of = np.repeat(np.arange(len(parts)), n_rows)
    return {
        "path": path.take(part_of),
        "date": np.concatenate([part.dates for part in parts]),
        "measure": measure.take(part_of),
        "item": Coded(np.concatenate([part.items for part in parts]), items.values),
        "contribution": np.concatenate([part.shares for part in parts]),
    }


def _realised(histories: Sequence[SleeveHistory], items: Codes) -> list[_Shares]:
    """Return realised risk contributions: by child at every meta sleeve, by asset at the root."""

    def shares(history: SleeveHistory, measure: str, names: tuple[str, ...], found: np.ndarray) -> _Shares:
        codes = items.of((*names, "cash"))
        return _Shares(history.path, measure, np.full(len(codes), history.dates[-1]), codes, found)

    made = []
    for history in histories:
        if history.sleeve.sleeves and history.begin < history.size:
            made.append(shares(history, "realised", history.items, realised_by_child(history)))
    root = histories[0]
    return [*made, shares(root, "realised_asset", root.layout.symbols, realised_by_asset(root))]


def _risk_by_asset(
    root: SleeveHistory, histories: Sequence[SleeveHistory], items: Codes, plan: Plan, cache: Cache
) -> _Shares:
    """Return ex-ante risk contributions of physical assets at the root's decisions, on the root's common sessions."""
    beneath, layout = {history.path: history for history in histories}, root.layout
    decided = np.array([status not in ("warmup", "cash") for status in root.decisions.status], bool)
    rows = root.decisions.rows[decided]
    weights = layout.net(looked_through(root, beneath, root.dates[rows]))
    # a leaf's risk has been measured on the same returns when it decided
    shares = exposures(root, rows, weights, plan, cache) if root.sleeve.sleeves else root.decisions.risk[decided]
    cells = Cells(weights != 0)  # hedges, the last columns, are not decided: they have no weight
    shares = np.pad(shares, ((0, 0), (0, weights.shape[1] - shares.shape[1])))
    dates, codes = cells.lines(root.dates[rows]), cells.items(items.of(layout.symbols))
    return _Shares(root.path, "ex_ante_asset", dates, codes, cells.values(shares))
