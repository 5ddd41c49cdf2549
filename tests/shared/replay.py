"""Replay flattened weights against prices: the arithmetic of one flat book, which any tree must come out as."""

from __future__ import annotations

import numpy as np
import pandas as pd


def asset_returns(prices: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return simple returns of every asset on the union of all calendars, 0 between observations."""
    union = pd.DatetimeIndex(sorted(set().union(*(frame.dropna(how="all").index for frame in prices.values()))))
    wide = pd.concat([frame.reindex(union) for frame in prices.values()], axis=1).ffill()
    return (wide / wide.shift(1) - 1).fillna(0.0)


def replay(
    table: pd.DataFrame,
    returns: pd.DataFrame,
    rate: float = 0.0,
    borrow_bp: float = 0.0,
    idle: pd.Series | None = None,
) -> pd.DataFrame:
    """Return gross, net and the drifted book's largest distance from `before`, by session.

    `table` holds the stored (date, symbol, before, target); `returns` has a row for every session of the book, and so
    has `idle`, what cash earned in each of them: nothing if it is None.
    """
    symbols = sorted(set(table["symbol"]))
    before = table.pivot(index="date", columns="symbol", values="before").reindex(columns=symbols).fillna(0.0)
    target = table.pivot(index="date", columns="symbol", values="target").reindex(columns=symbols).fillna(0.0)
    earned = returns.reindex(columns=symbols).to_numpy()
    h, owed, found = np.zeros(len(symbols)), 0.0, []
    for i, t in enumerate(returns.index):
        gross = float(h @ earned[i]) + (0.0 if idle is None else (1.0 - h.sum()) * idle.iloc[i])
        h = h * (1 + earned[i]) / (1 + gross)
        distance, trade = 0.0, 0.0
        net = (1 - owed) * (1 + gross) - 1
        if t in target.index:
            distance = np.abs(h - before.loc[t].to_numpy()).max()
            trade = np.abs(target.loc[t].to_numpy() - h).sum()
            h = target.loc[t].to_numpy()
        days = (returns.index[i + 1] - t).days if i + 1 < len(returns) else 0
        owed = rate * trade + borrow_bp * 1e-4 / 365 * days * -h[h < 0].sum()
        found.append((gross, net, distance))
    return pd.DataFrame(found, index=returns.index, columns=["gross", "net", "distance"])
