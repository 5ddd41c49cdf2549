"""Accrual: what every item of a sleeve contributed to its return up to each session, linked over all of them.

Linked by Carino's factors of the whole view (metabt.analysis.attribution.linking), the amounts of single sessions can
be added up from the beginning: at the last session they make the total return. In between they tell when it was earned;
their sum there is no return of anybody's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.analysis.attribution.effects import cost_of
from metabt.analysis.attribution.labels import COSTS
from metabt.analysis.attribution.linking import factors
from metabt.analysis.attribution.look_through import earned
from metabt.analysis.sleeve_history import SleeveHistory


@dataclass(frozen=True)
class Accrual:
    """What has been contributed so far."""

    dates: np.ndarray
    """(n_sessions,) of the stream."""
    items: tuple[str, ...]
    """Children or assets, and costs last."""
    values: np.ndarray
    """(n_sessions, n_items) sums up to each session; the last row adds up to the total return."""


def accrued(sleeve: SleeveHistory) -> Accrual:
    """Return what the items of a sleeve contributed to its own return."""
    net = sleeve.rows("net")
    amounts = np.column_stack([earned(sleeve), cost_of(sleeve.rows("cost"), sleeve.rows("gross"))])
    values = np.cumsum(factors(net)[:, None] * amounts, axis=0)
    return Accrual(sleeve.dates[sleeve.begin :], (*sleeve.items, COSTS), values[sleeve.begin :])
