"""Flattening: a meta sleeve's shares looked through to physical assets.

1. A book has one column per (leaf beneath, asset), so that what each leaf contributes stays visible.
2. `H = s_c h_c`, with h_c the child's holdings as of that session, plus what could not be traded.
3. An asset held by two sleeves is one position: trades and shorts are netted by symbol before anything is charged.
4. Netting benefit: `sum_c sum_a k |d(s_c h_ca)| - sum_a k |d(sum_c s_c h_ca)|`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metabt.numerics.kernels import FAST, kernel
from metabt.values.lazy_property import lazy_property


@dataclass(frozen=True)
class Layout:
    """Child, leaf and asset of each column of a sleeve's book."""

    symbols: tuple[str, ...]
    """(n_assets,) physical assets beneath the sleeve, sorted."""
    asset_of: np.ndarray
    """(n_columns,) int64 position of each column's asset in `symbols`."""
    child_of: np.ndarray
    """(n_columns,) int64 child each column belongs to; for a leaf, the asset."""
    child_asset_of: np.ndarray
    """(n_columns,) int64 number of each column's (child, asset), as netted within the child."""
    leaf_of: np.ndarray
    """(n_columns,) int64 number of each column's leaf, depth first."""
    assets_of_child: tuple[np.ndarray, ...] = ()
    """(n_children,) of positions in `symbols` of each child's assets."""

    @lazy_property
    def asset_of_apart(self) -> np.ndarray:
        """(n_apart,) int64 position in `symbols` of each (child, asset)."""
        assets = np.empty(self.n_apart, np.int64)
        assets[self.child_asset_of] = self.asset_of
        return assets

    @property
    def n_columns(self) -> int:
        """Number of columns of the book."""
        return len(self.asset_of)

    @lazy_property
    def n_apart(self) -> int:
        """Number of (child, asset) pairs."""
        return int(self.child_asset_of.max()) + 1

    @classmethod
    def leaf(cls, universe: tuple[str, ...]) -> Layout:
        """Return the layout of a leaf: a column per asset."""
        columns = np.arange(len(universe), dtype=np.int64)
        return cls(universe, columns, columns, columns, np.zeros_like(columns))

    @classmethod
    def meta(cls, children: Sequence[Layout]) -> Layout:
        """Return the layout of a meta sleeve: the children's columns side by side."""
        symbols = tuple(sorted({symbol for child in children for symbol in child.symbols}))
        position = {symbol: i for i, symbol in enumerate(symbols)}
        places = tuple(np.array([position[s] for s in child.symbols], np.int64) for child in children)
        n_assets = np.cumsum([0, *(len(child.symbols) for child in children)])
        n_leaves = np.cumsum([0, *(int(child.leaf_of[-1]) + 1 for child in children)])
        return cls(
            symbols,
            np.concatenate([place[child.asset_of] for place, child in zip(places, children, strict=True)]),
            np.repeat(np.arange(len(children)), [child.n_columns for child in children]),
            np.concatenate([child.asset_of + first for child, first in zip(children, n_assets, strict=False)]),
            np.concatenate([child.leaf_of + first for child, first in zip(children, n_leaves, strict=False)]),
            places,
        )

    def net(self, book: np.ndarray) -> np.ndarray:
        """Return a book by physical asset, (n_rows, n_assets), from one by column, (n_rows, n_columns)."""
        return net_by(book, self.asset_of, len(self.symbols))


def net_by(book: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the columns of `book` added up by group, (n_rows, n_groups), one after another in every row.

    `group` (n_columns,) has every one of the groups.
    """
    if n_groups == book.shape[1]:  # a column for each group: nothing to add up but 0, which leaves no -0.0
        return np.take(book, np.argsort(group), axis=1) + 0.0
    netted = np.zeros((book.shape[0], n_groups))
    for column, place in enumerate(group.tolist()):
        netted[:, place] += book[:, column]
    return netted


def net_trades(
    before: np.ndarray, after: np.ndarray, group: np.ndarray, n_groups: int, *, ordered: bool = False
) -> np.ndarray:
    """Return the sum of absolute trades, (n_rows,), of a book (n_rows, n_columns) netted by group.

    With `ordered` they are added up one after another: what is not traded, and could be, changes no bit.
    """
    if ordered:
        return added_across(np.abs(net_by(after - before, group, n_groups)))
    traded = np.zeros(len(before))
    _trades(before, after, group, np.zeros(n_groups), traded)
    return traded


def net_shorts(book: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the sum of short positions, (n_rows,) positive, of a book after netting its columns by group."""
    return added_across(np.maximum(-net_by(book, group, n_groups), 0.0))


def net_charges(before: np.ndarray, after: np.ndarray, group: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Return what the trades of a book (n_rows, n_columns) cost once netted by group, (n_rows,): `sum_g k_g |d_g|`.

    `rates` (n_rows, n_groups) are costs per unit of traded notional.
    """
    return added_across(np.abs(net_by(after - before, group, rates.shape[1])) * rates)


def net_fees(book: np.ndarray, group: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Return what the short positions of a book cost per calendar day after netting, (n_rows,).

    `rates` (n_rows, n_groups) are borrow fees per calendar day.
    """
    return added_across(np.maximum(-net_by(book, group, rates.shape[1]), 0.0) * rates)


def invested_in(shares: np.ndarray, invested: np.ndarray, carried: np.ndarray) -> np.ndarray:
    """Return the sums of flattened holdings, (n_rows,): `sum_c s_c inv_c` and what is carried beside the shares.

    Parameters
    ----------
    shares : (n_rows, n_children) of the children
    invested : (n_rows, n_children) sums of what the children hold
    carried : (n_rows,) sums of the positions beside the shares
    """
    return added_across(shares * invested) + carried


def added_across(amounts: np.ndarray) -> np.ndarray:
    """Return the sums of rows, (n_rows,), in the order of their columns, however many rows there are."""
    return net_by(amounts, np.zeros(amounts.shape[1], np.int64), 1)[:, 0]


@kernel(fastmath=FAST)
def _trades(before, after, group, trade, traded):
    """Add up absolute trades of every row; `trade` is scratch, zeros."""
    for t in range(before.shape[0]):
        total = 0.0
        if trade.shape[0] == before.shape[1]:  # a column for each group: nothing to net
            for j in range(before.shape[1]):
                total += abs(after[t, j] - before[t, j])
        else:
            for j in range(before.shape[1]):
                trade[group[j]] += after[t, j] - before[t, j]
            for g in range(trade.shape[0]):
                total += abs(trade[g])
                trade[g] = 0.0
        traded[t] = total
