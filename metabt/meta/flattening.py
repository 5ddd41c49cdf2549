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

from metabt.holdings import Trades
from metabt.kernels import kernel


@dataclass(frozen=True)
class Layout:
    """What the columns of a sleeve's book stand for."""

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

    @property
    def n_columns(self) -> int:
        """Columns of the book."""
        return len(self.asset_of)

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
        return net_by(np.ascontiguousarray(book), self.asset_of, len(self.symbols))


def net_by(book: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the columns of `book` added up by group, (n_rows, n_groups)."""
    netted = np.zeros((book.shape[0], n_groups))
    _add(book, group, netted)
    return netted


@kernel()
def _add(book, group, netted):
    for t in range(book.shape[0]):
        for j in range(book.shape[1]):
            netted[t, group[j]] += book[t, j]


@kernel()
def _net(before, after, rows, group, position, trade, traded, short):
    """Add up absolute trades and short positions of every session; `position` and `trade` are scratch, zeros."""
    for t in range(before.shape[0]):
        for j in range(before.shape[1]):
            position[group[j]] += after[t, j]
            trade[group[j]] += after[t, j] - before[t, j]
        for g in range(position.shape[0]):
            if rows[t]:
                traded[t] += abs(trade[g])
            if position[g] < 0.0:
                short[t] -= position[g]
            position[g] = 0.0
            trade[g] = 0.0


def net_trades(before: np.ndarray, after: np.ndarray, rows: np.ndarray, group: np.ndarray, n_groups: int) -> Trades:
    """Return what a book trades in the sessions `rows`, and is short of, after netting its columns by group.

    Parameters
    ----------
    before, after : (n_sessions, n_columns)
    rows : (n_sessions,) bool, the sessions in which anything trades
    group : (n_columns,) int64
    """
    traded, short = np.zeros(len(before)), np.zeros(len(before))
    _net(before, after, rows, group, np.zeros(n_groups), np.zeros(n_groups), traded, short)
    return Trades(traded, short)
