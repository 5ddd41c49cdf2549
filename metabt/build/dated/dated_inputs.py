"""Dated inputs: what cash earned and what trading an asset cost, as the tables beside prices have them.

1. A rate that a tree names is looked for by name (metabt.build.dated.named_rates).
2. A sleeve's costs are those of each asset's own dataset, from its table `costs`; what that does not say is the
   sleeve's own. Without such a table there is nothing to look up.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metabt.build.dated.named_rates import cash_rate
from metabt.build.plan import Node
from metabt.data.dataset import Dataset
from metabt.data.point_in_time.accrual import idle_returns
from metabt.data.point_in_time.cost_rates import COLUMNS, cost_rates
from metabt.data.point_in_time.tables import DatedTable
from metabt.portfolio.sleeve import Leaf, Meta
from metabt.walk.costs import AssetCosts

COSTS, SIGNALS = "costs", "signals"
"""Names of the tables."""


def idle_of(node: Node, datasets: Mapping[str, Dataset], rows: slice) -> np.ndarray | None:
    """Return what cash earns in some sessions of a sleeve's calendar, (n_rows,); None where its tree states no rate.

    Raises
    ------
    ConfigError
        For a rate that no dataset has, or that several have with unlike values.
    """
    stated = node.spec.cash.rate
    if stated is None:
        return None
    rate = float(stated) if not isinstance(stated, str) else cash_rate(stated, homes(node.spec), datasets)
    sessions = node.calendar.sessions
    previous = sessions[rows.start - 1] if rows.start else None
    return idle_returns(sessions[rows].astype("datetime64[D]"), previous, rate).returns


def homes(spec: Leaf | Meta) -> frozenset[str]:
    """Return the datasets that a sleeve and all beneath it read."""
    if isinstance(spec, Leaf):
        return frozenset({spec.dataset})
    return frozenset().union(*(homes(child) for child in spec.children))


def costs_of(node: Node, datasets: Mapping[str, Dataset], rows: slice) -> AssetCosts | None:
    """Return what the assets of a sleeve cost by rows of their own in some sessions; None where no dataset has any.

    Its assets are those of its layout: of a leaf its universe and the hedges after it, of a meta sleeve the physical
    assets. A hedge costs what rows of it say (`fx:EUR`), else what those of all assets do, else what the sleeve states;
    nobody lends it, so that it pays a fee of borrowing by rows of its own alone.
    """
    tables = {it: datasets[it].facts.point_in_time.tables.get(COSTS) for it in homes(node.spec)}
    symbols, home = node.layout.symbols, _home(node.spec)
    hedges = [place for place, symbol in enumerate(symbols) if symbol not in home]
    if all(table is None for table in tables.values()) and not hedges:
        return None
    home |= {symbols[place]: _home_of_hedge(symbols[place], tables) for place in hedges}
    dates = node.calendar.sessions[rows].astype("datetime64[D]")
    # the sessions in which some row begins to count: between two of them nothing changes
    dated = [it.numbers("first_date") for it in tables.values() if it is not None]
    begins = np.unique(np.concatenate([np.empty(0, "datetime64[D]"), *dated]))
    first = np.unique(np.concatenate([[0], np.searchsorted(dates, begins)]))
    first = first[first < len(dates)]
    found = {name: np.full((len(first), len(symbols)), np.nan) for name in COLUMNS}
    for dataset, table in tables.items():
        columns = [place for place, symbol in enumerate(symbols) if home[symbol] == dataset]
        if table is not None and columns:
            own = cost_rates(table, tuple(symbols[place] for place in columns), dates[first])
            for name, values in own.items():
                found[name][:, columns] = values
    for place in hedges:
        table = tables[home[symbols[place]]]
        if table is None or symbols[place] not in table.first_texts:
            found["borrow_bp"][:, place] = 0.0
    row_of = np.repeat(np.arange(len(first)), np.diff([*first, len(dates)]))
    return AssetCosts(**found, row_of=row_of)


def _home_of_hedge(name: str, tables: Mapping[str, DatedTable | None]) -> str:
    """Return the dataset whose costs a hedge has: the first that has rows of it, else the first with any."""
    own = [it for it, table in tables.items() if table is not None and name in table.first_texts]
    return min(own) if own else min((it for it, table in tables.items() if table is not None), default=min(tables))


def _home(spec: Leaf | Meta) -> dict[str, str]:
    """Return symbol -> the dataset that it comes from; a tree takes none from two."""
    if isinstance(spec, Leaf):
        return dict.fromkeys(spec.universe, spec.dataset)
    return {symbol: dataset for child in spec.children for symbol, dataset in _home(child).items()}
