"""Costs: what a book's netted trades and short positions cost, charged to the session after.

1. Trading `d` at the close of t costs `c_t = sum_a k_a |d_a|`; shorts pay borrow per calendar day they are held.
   A sleeve has one rate of each, unless assets have their own: then they are those of the session that trades, and of
   the session that a short is held over from.
2. Both are charged to the next session: `net_{t+1} = (1 - c_t)(1 + R_{t+1}) - 1`. Weights do not change.
3. Netting saves what the children would have paid for trades that cancelled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.portfolio.sleeve import Costs

ROUNDING = 1e-12
"""Part of what is traded by which sums of the same trades in another order may differ."""


@dataclass(frozen=True)
class AssetCosts:
    """What assets cost by rows of their own, basis points: (n_stretches, n_assets) each, a row for a session or more.

    NaN is where the sleeve's own rate counts, whatever that is: sleeves with unlike rates share it.
    """

    commission_bp: np.ndarray
    """Commission, bp of traded notional."""
    slippage_bp: np.ndarray
    """Half spread and impact, bp of traded notional."""
    borrow_bp: np.ndarray
    """Annual borrow fee on short positions, bp, actual/365."""
    row_of: np.ndarray | None = None
    """(n_sessions,) int64 the row that counts in each session; None where each session has its own."""

    def of(self, assets: np.ndarray) -> AssetCosts:
        """Return the costs of some of the assets, (n_assets,) bool."""
        commission, slippage, borrow = self.commission_bp, self.slippage_bp, self.borrow_bp
        return AssetCosts(commission[:, assets], slippage[:, assets], borrow[:, assets], self.row_of)

    @property
    def distinct(self) -> tuple[np.ndarray, ...]:
        """The three costs and the row of each session, without rows that repeat the one before: equal costs are equal.

        A row of the table about another asset begins a stretch in which nothing of these assets changes.
        """
        stated = np.stack([self.commission_bp, self.slippage_bp, self.borrow_bp], axis=1)
        stated = np.where(np.isnan(stated), np.nan, stated)  # NaN is NaN, whichever it is
        rows = np.arange(len(stated)) if self.row_of is None else self.row_of
        same = (stated[1:] == stated[:-1]) | (np.isnan(stated[1:]) & np.isnan(stated[:-1]))
        begins = np.concatenate([[True], ~same.all(axis=(1, 2))])[: len(stated)]
        kept = np.ascontiguousarray(stated[begins])
        return kept, (np.cumsum(begins) - 1)[rows]

    def at(self, costs: Costs) -> CostRates:
        """Return the rates of a sleeve whose own are `costs`."""
        own = costs.commission_bp, costs.slippage_bp, costs.borrow_bp
        stated = self.commission_bp, self.slippage_bp, self.borrow_bp
        commission, slippage, borrow = (np.where(np.isnan(it), mine, it) for it, mine in zip(stated, own, strict=True))
        return CostRates((commission + slippage) * 1e-4, borrow * 1e-4 / 365.0, self.row_of)


@dataclass(frozen=True)
class CostRates:
    """What trading and borrowing an asset costs a sleeve: (n_stretches, n_assets) each, as of `AssetCosts`."""

    trade: np.ndarray
    """Commission and slippage per unit of traded notional, a fraction: 10 bp are 0.001."""
    borrow: np.ndarray
    """Borrow fee on a short position per calendar day, a fraction: 365 bp a year are 0.0001."""
    row_of: np.ndarray | None = None
    """(n_sessions,) int64 the row that counts in each session; None where each session has its own."""

    def trade_in(self, sessions: np.ndarray) -> np.ndarray:
        """Return what trading costs in some sessions, a mask or positions, (n_rows, n_assets)."""
        return self.trade[sessions if self.row_of is None else self.row_of[sessions]]

    def borrow_in(self, sessions: np.ndarray) -> np.ndarray:
        """Return what borrowing costs a day from some sessions on, a mask or positions, (n_rows, n_assets)."""
        return self.borrow[sessions if self.row_of is None else self.row_of[sessions]]


@dataclass(frozen=True)
class Unpaid:
    """What the last session of a partition leaves to be charged in the next."""

    traded: float = 0.0
    """Sum of absolute trades at its close."""
    short: float = 0.0
    """Short positions held over from it."""
    saved: float = 0.0
    """Cost that netting saved there."""
    owed: float = 0.0
    """Cost of its trades, where assets have rates of their own; then `traded` and `short` are not charged again."""
    fee: float = 0.0
    """Borrow fee per calendar day on what is short over it, the same."""


@dataclass(frozen=True)
class Trades:
    """What a book trades and is short of, netted over whatever holds the same asset."""

    traded: np.ndarray
    """(n_sessions,) sum of absolute trades, fraction of NAV."""
    short: np.ndarray
    """(n_sessions,) sum of short positions held over to the next session, positive."""
    owed: np.ndarray | None = None
    """(n_sessions,) what the trades cost, fraction of NAV, where assets have rates of their own; else None."""
    fee: np.ndarray | None = None
    """(n_sessions,) borrow fee per calendar day, fraction of NAV, there."""

    def unpaid(self, row: int) -> Unpaid:
        """Return what the session of a row leaves to be charged to the next."""
        if self.owed is None or self.fee is None:
            return Unpaid(float(self.traded[row]), float(self.short[row]))
        return Unpaid(float(self.traded[row]), owed=float(self.owed[row]), fee=float(self.fee[row]))


def charge(
    gross: np.ndarray, trades: Trades, days: np.ndarray, costs: Costs, unpaid: Unpaid
) -> tuple[np.ndarray, np.ndarray, Unpaid]:
    """Charge each session with the trades of the session before it and the borrow since then.

    Parameters
    ----------
    gross : (n_sessions,) returns before costs
    trades : what is traded and short, with what it costs where assets have rates of their own
    days : (n_sessions,) calendar days since the session before
    costs : the sleeve's rates, where assets have none of their own
    unpaid : what the partition before has left

    Returns
    -------
    cost : (n_sessions,) what the session is charged, a fraction of NAV
    net : (n_sessions,) `(1 - cost)(1 + gross) - 1`
    unpaid : what the next partition's first session will be charged
    """
    if trades.owed is None or trades.fee is None:
        traded = _shifted(unpaid.traded, trades.traded)
        short = _shifted(unpaid.short, trades.short)
        cost = costs.rate * traded + costs.borrow_bp * 1e-4 / 365.0 * days * short
    else:
        cost = _shifted(unpaid.owed, trades.owed) + days * _shifted(unpaid.fee, trades.fee)
    net = np.where(cost == 0.0, gross, (1.0 - cost) * (1.0 + gross) - 1.0)
    return cost, net, trades.unpaid(-1)


def saved_by_netting(apart: Trades, netted: Trades, costs: Costs, unpaid: Unpaid) -> tuple[np.ndarray, float]:
    """Return what netting saves each session in costs, where it would have been charged, and what is left for the next.

    `apart` are the trades if each child traded for itself, `netted` those of the book; (n_sessions,), fraction of NAV.
    """
    if apart.owed is None or netted.owed is None:
        cancelled = apart.traded - netted.traded  # never negative but for rounding: |a + b| <= |a| + |b|
        saved = costs.rate * np.where(cancelled > ROUNDING * apart.traded, cancelled, 0.0)
    else:
        cancelled = apart.owed - netted.owed
        saved = np.where(cancelled > ROUNDING * apart.owed, cancelled, 0.0)
    return _shifted(unpaid.saved, saved), float(saved[-1])


def _shifted(first: float, values: np.ndarray) -> np.ndarray:
    """Return the values one session later, (n_sessions,), behind what the partition before left."""
    later = np.empty_like(values)
    later[0], later[1:] = first, values[:-1]
    return later
