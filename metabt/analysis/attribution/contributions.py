"""Contributions: what every child and asset of a tree contributed to returns, as rows of a table.

Each row has two amounts of an item of a sleeve, linked by Carino's factors (metabt.analysis.attribution.linking):

- `own`: what it contributed to the net return of the sleeve itself. With the sleeve's costs, a sleeve's rows add up to
  its total return.
- `root`: what it contributed to the net return of the portfolio, asset within sleeve within parent. A sleeve's rows add
  up to the row of the sleeve in its parent; those of the root, its costs among them, to the portfolio's total return.

Costs are a row of their own. A sleeve pays for the trades of its own book; the portfolio for those that are left once
its sleeves' trades are netted, which is why the `root` of costs beneath the root is 0. Cash earns nothing and has
no row.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from metabt.analysis.attribution.effects import cost_of
from metabt.analysis.attribution.labels import Labels
from metabt.analysis.attribution.linking import factors
from metabt.analysis.attribution.look_through import looked_through
from metabt.analysis.attribution.periods import by_period
from metabt.analysis.sleeve_history import SleeveHistory
from metabt.values.tables import Table, concat


def contributions(histories: list[SleeveHistory], every: str | None = None) -> Table:
    """Return path, date, kind (child, asset or costs), item, own and root, a row per item of every sleeve and period.

    `histories` are the sleeves of a tree, the root first; `every` is year, month, or None for one period, and `date`
    the last session of the period.
    """
    root, beneath = histories[0], {history.path: history for history in histories}
    _, linking = by_period(root.dates, factors(root.rows("net"), root.begin), every)
    columns = looked_through(root, beneath, linking)
    looked = dict(_by_item(root, beneath, columns))
    return concat([_rows(history, looked[history.path], history is root, root.dates, every) for history in histories])


def _by_item(
    history: SleeveHistory, beneath: dict[str, SleeveHistory], columns: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (path, (n_periods, n_items)) of a sleeve and of all beneath it, from what its columns contributed."""
    if not history.sleeve.sleeves:
        yield history.path, columns
        return
    children = [beneath[f"{history.path}/{child.name}"] for child in history.sleeve.ordered]
    parts = np.split(columns, np.cumsum([child.layout.n_columns for child in children])[:-1], axis=1)
    yield history.path, np.stack([part.sum(axis=1) for part in parts], axis=1)
    for child, part in zip(children, parts, strict=True):
        yield from _by_item(child, beneath, part)


def _rows(history: SleeveHistory, root: np.ndarray, is_root: bool, view: np.ndarray, every: str | None) -> Table:
    ends, _ = by_period(view, np.zeros(len(view)), every)
    linking = on_periods(view, history.dates, factors(history.rows("net"), history.begin), every)
    cost = (linking @ cost_of(history.rows("cost"), history.rows("gross")))[:, None]
    items = Labels.of_items(history, ends).rows(linking @ history.earned, root)
    return concat([items, Labels.of_costs(history, ends).rows(cost, cost if is_root else np.zeros_like(cost))])


def on_periods(view: np.ndarray, dates: np.ndarray, linking: np.ndarray, every: str | None) -> np.ndarray:
    """Return the factors of a sleeve's sessions by period of the root's, (n_periods, n_sessions).

    `view` (n_view,) are the root's sessions, which those of every sleeve, `dates`, are among.
    """
    spread = np.zeros(len(view))
    at = np.searchsorted(view, dates)
    spread[at] = linking
    return by_period(view, spread, every)[1][:, at]
