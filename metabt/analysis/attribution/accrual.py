"""Accrual: what every item of a sleeve contributed to its return up to each session, linked over all of them.

Linked by Carino's factors of the whole view (metabt.analysis.attribution.linking), the amounts of single sessions can
be added up from the beginning: at the last session they make the total return. In between they show when it was
earned; their sum there is not the return up to then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.analysis.attribution.effects import cost_of
from metabt.analysis.attribution.labels import CASH, COSTS
from metabt.analysis.attribution.linking import factors
from metabt.analysis.sleeve_history import SleeveHistory


@dataclass(frozen=True)
class Accrual:
    """Contributions of items up to each session."""

    dates: np.ndarray
    """(n_sessions,) datetime64[D] sessions of the stream."""
    items: tuple[str, ...]
    """Children or assets, cash where it has a rate, and costs last."""
    values: np.ndarray
    """(n_sessions, n_items) sums up to each session; the last row adds up to the total return."""


def accrued(sleeve: SleeveHistory) -> Accrual:
    """Return the contributions of a sleeve's items to its own net return, up to each session."""
    net = sleeve.rows("net")
    cash = [] if sleeve.cash is None else [sleeve.cash]
    amounts = np.column_stack([sleeve.earned, *cash, cost_of(sleeve.rows("cost"), sleeve.rows("gross"))])
    values = np.cumsum(factors(net, sleeve.begin)[:, None] * amounts, axis=0)
    return Accrual(sleeve.dates[sleeve.begin :], (*sleeve.held, *[CASH] * len(cash), COSTS), values[sleeve.begin :])
