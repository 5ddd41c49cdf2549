"""Labels: path, date, kind and item of an attribution's rows; costs and cash are kinds beside children or assets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.analysis.sleeve_history import SleeveHistory
from metabt.values.tables import Coded, Table

COSTS = "costs"
"""Kind and item of the rows of a sleeve's costs."""
CASH = "cash"
"""Kind and item of the rows of what a sleeve's cash earned, where it has a rate."""


@dataclass(frozen=True)
class Labels:
    """The items of a sleeve, its cash, or its costs, by period."""

    path: str
    """The sleeve."""
    ends: np.ndarray
    """(n_periods,) last session of each period."""
    kind: str
    """child, asset, cash or costs."""
    items: tuple[str, ...]
    """(n_items,) names."""

    @classmethod
    def of_items(cls, history: SleeveHistory, ends: np.ndarray) -> Labels:
        """Return the labels of what a sleeve weights."""
        return cls(history.path, ends, "child" if history.sleeve.sleeves else "asset", history.held)

    @classmethod
    def of_costs(cls, history: SleeveHistory, ends: np.ndarray) -> Labels:
        """Return the label of its costs."""
        return cls(history.path, ends, COSTS, (COSTS,))

    @classmethod
    def of_cash(cls, history: SleeveHistory, ends: np.ndarray) -> Labels:
        """Return the label of its cash."""
        return cls(history.path, ends, CASH, (CASH,))

    def rows(self, own: np.ndarray, root: np.ndarray, effect: str | None = None) -> Table:
        """Return a table with a row per item and period; `own` and `root` are (n_periods, n_items)."""
        codes = np.tile(np.arange(len(self.items), dtype=np.int32), len(self.ends))
        return {
            "path": Coded.constant(self.path, len(codes)),
            "date": np.repeat(self.ends, len(self.items)),
            "kind": Coded.constant(self.kind, len(codes)),
            "item": Coded(codes, self.items),
            **({} if effect is None else {"effect": Coded.constant(effect, len(codes))}),
            "own": own.ravel(),
            "root": root.ravel(),
        }
