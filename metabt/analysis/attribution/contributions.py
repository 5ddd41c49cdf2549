"""Contributions: what every child and asset of a tree contributed to returns, as rows of a table.

Each row has two amounts of an item of a sleeve, linked by Carino's factors (metabt.analysis.attribution.linking):

- `own`: what it contributed to the net return of the sleeve itself. With the sleeve's costs, a sleeve's rows add up to
  its total return.
- `root`: what it contributed to the net return of the portfolio, asset within sleeve within parent. A sleeve's rows add
  up to the row of the sleeve in its parent; those of the root, its costs among them, to the portfolio's total return.

Costs are a row of their own. A sleeve pays for the trades of its own book; the portfolio for those that are left once
its sleeves' trades are netted, which is why the `root` of costs beneath the root is 0. What cash earned is a row of its
own at every sleeve, where the tree states a rate: that of a sleeve is what its own items leave over. The `root` of it
is by sessions of the portfolio, in which all its cash earns; `own` is by those of the sleeve.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from metabt.analysis.attribution.effects import cost_of
from metabt.analysis.attribution.labels import Labels
from metabt.analysis.attribution.linking import factors
from metabt.analysis.attribution.look_through import Seen, among, cash_seen, looked_through
from metabt.analysis.attribution.periods import by_period
from metabt.analysis.sleeve_history import SleeveHistory
from metabt.values.tables import Table, concat


def contributions(
    histories: list[SleeveHistory], every: str | None = None, seen: Seen = lambda leaf, amounts: None
) -> Table:
    """Return path, date, kind (child, asset, cash, costs), item, own and root, a row per item of a sleeve and a period.

    `histories` are the sleeves of a tree, the root first; `every` is year, month, or None for one period, and `date`
    the last session of the period. Every leaf is `seen` with what its assets earned, for others who want to know.
    """
    root, beneath = histories[0], {history.path: history for history in histories}
    ends, linking = by_period(root.dates, factors(root.rows("net"), root.begin), every)
    own: dict[str, _Own] = {}

    def note(leaf: SleeveHistory, amounts: np.ndarray) -> None:
        own[leaf.path] = _Own.of(leaf, amounts, root.dates, every)
        seen(leaf, amounts)

    columns = looked_through(root, beneath, linking, note)
    cash = cash_seen(root, beneath, linking)
    looked = dict(_by_item(root, beneath, columns, _with_beneath(cash)))
    own |= {it.path: _Own.of(it, it.earned, root.dates, every) for it in histories if it.sleeve.sleeves}
    return concat([_rows(it, own[it.path], looked[it.path], it is root, ends, cash.get(it.path)) for it in histories])


@dataclass(frozen=True)
class _Own:
    """What contributed to a sleeve's own net return, linked, by period."""

    items: np.ndarray
    """(n_periods, n_items)"""
    cost: np.ndarray
    """(n_periods,)"""
    cash: np.ndarray | None
    """(n_periods,); None where cash earns nothing."""

    @classmethod
    def of(cls, history: SleeveHistory, amounts: np.ndarray, view: np.ndarray, every: str | None) -> _Own:
        """Return it, given what its items earned in every session, (n_sessions, n_items)."""
        linking = on_periods(view, history.dates, factors(history.rows("net"), history.begin), every)
        cost, cash = cost_of(history.rows("cost"), history.rows("gross")), history.cash
        return cls(linking @ amounts, linking @ cost, None if cash is None else linking @ cash)


def _with_beneath(cash: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return path -> what the cash of a sleeve and of all beneath it contributed, (n_periods,), given that of each."""
    total: dict[str, np.ndarray] = {}
    for path, amounts in cash.items():
        parts = path.split("/")
        for depth in range(len(parts)):
            above = "/".join(parts[: depth + 1])
            total[above] = total.get(above, 0.0) + amounts
    return total


def _by_item(
    history: SleeveHistory, beneath: dict[str, SleeveHistory], columns: np.ndarray, cash: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (path, (n_periods, n_items)) of a sleeve and of all beneath it, from what its columns contributed.

    `cash` is what the cash of each and of all beneath it did, by path, where it earns anything.
    """
    if not history.sleeve.sleeves:
        yield history.path, columns
        return
    children = [beneath[f"{history.path}/{child.name}"] for child in history.sleeve.ordered]
    parts = np.split(columns, np.cumsum([child.layout.n_columns for child in children])[:-1], axis=1)
    sums = [part.sum(axis=1) for part in parts]
    if cash:
        sums = [whole + cash[child.path] for whole, child in zip(sums, children, strict=True)]
    yield history.path, np.stack(sums, axis=1)
    for child, part in zip(children, parts, strict=True):
        yield from _by_item(child, beneath, part, cash)


def _rows(
    history: SleeveHistory, own: _Own, root: np.ndarray, is_root: bool, ends: np.ndarray, cash: np.ndarray | None
) -> Table:
    cost = own.cost[:, None]
    items = [Labels.of_items(history, ends).rows(own.items, root)]
    if own.cash is not None and cash is not None:
        items.append(Labels.of_cash(history, ends).rows(own.cash[:, None], cash[:, None]))
    return concat([*items, Labels.of_costs(history, ends).rows(cost, cost if is_root else np.zeros_like(cost))])


def on_periods(view: np.ndarray, dates: np.ndarray, linking: np.ndarray, every: str | None) -> np.ndarray:
    """Return the factors of a sleeve's sessions by period of the root's, (n_periods, n_sessions).

    `view` (n_view,) are the root's sessions, which those of every sleeve, `dates`, are among.
    """
    spread, at = np.zeros(len(view)), among(view, dates)
    spread[at] = linking
    return by_period(view, spread, every)[1][:, at]
