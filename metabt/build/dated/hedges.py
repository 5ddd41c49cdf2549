"""Hedges of a leaf: what its forwards earned, from rates of exchange and of cash of the datasets of a forest.

The tree's own rate of cash is that of `cash`; that of another currency is named by `hedged`, and looked for as any
named rate is (metabt.build.dated.named_rates).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metabt.build.dated.currencies import currencies_in, exchange_of, rate_abroad
from metabt.build.dated.dated_inputs import idle_of
from metabt.build.plan import Node
from metabt.data.dataset import Dataset
from metabt.data.point_in_time.accrual import idle_returns
from metabt.data.point_in_time.hedging import Hedges, forward_returns, month_opens
from metabt.portfolio.sleeve import Leaf


def hedges_of(node: Node, datasets: Mapping[str, Dataset], rows: slice) -> Hedges | None:
    """Return the hedges of a leaf in some sessions of its calendar; None where it has none.

    Raises
    ------
    ConfigError
        For a rate that no dataset has, or that several have with unlike rows.
    """
    leaf = node.spec
    if not node.hedges:
        return None
    assert isinstance(leaf, Leaf) and leaf.currency is not None  # only these have any
    own, sessions = currencies_in(datasets[leaf.dataset], leaf.currency), node.calendar.sessions.astype("datetime64[D]")
    place = {currency: column for column, currency in enumerate(node.hedges)}
    idle = idle_of(node, datasets, rows)
    assert idle is not None  # a tree that hedges states a rate
    before = sessions[rows.start - 1] if rows.start else np.datetime64("NaT", "D")
    earned = []
    for currency in node.hedges:
        who = f"sleeve '{node.label}'"
        exchange = exchange_of(who, currency, leaf.currency, leaf.dataset, datasets)
        abroad = rate_abroad(who, leaf, currency, datasets)
        paid = idle_returns(sessions[rows], before if rows.start else None, abroad).returns
        earned.append(forward_returns(exchange.at(sessions[rows]), exchange.at(np.array([before])).item(), idle, paid))
    return Hedges(
        np.stack(earned, axis=1),
        np.array([place.get(own.get(symbol, ""), -1) for symbol in leaf.universe], np.int64),
        month_opens(sessions, rows),
    )
