"""Split jumps: whether raw closes moved by what splits and stock dividends say.

1. f is the product of what splits and stock dividends of (s, t] make of a share; s and t are two observed sessions, one
   after the other, with the ex-date in (s, t].
2. Where |log f| is at least log 1.5, the jump is there if p_t f / p_s is nearer to 1 than half of f is, in logs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np

from metabt.data.point_in_time.lives import Lives
from metabt.data.point_in_time.tables import DatedTable
from metabt.lakehouse.catalog.statements import execute
from metabt.values.buffers import to_numpy
from metabt.values.tables import texts

PLAIN = np.log(1.5)
"""Size of a split, in logs, from which on its jump can be told from a day's return."""


@dataclass(frozen=True)
class SplitJump:
    """A split, and what the closes did."""

    asset: str
    """The asset."""
    symbol: str
    """What it was called then."""
    ex_date: date
    """The first day of the split."""
    session: date
    """The first session with a price from then on."""
    factor: float
    """New shares for an old one, of all splits between the two prices."""
    before: float
    """The last close before it."""
    after: float
    """The first close from then on."""

    @property
    def is_missing(self) -> bool:
        """Whether the closes did not jump."""
        return not jumped(self.before, self.after, self.factor)

    @property
    def is_there(self) -> bool:
        """Whether they did, and the split is so large that one can tell."""
        return abs(np.log(self.factor)) >= PLAIN and not self.is_missing


def jumped(before: float, after: float, factor: float) -> bool:
    """Return whether a close moved as a split of `factor` new shares for an old one says, or one cannot tell."""
    size = abs(np.log(factor))
    return bool(size < PLAIN or abs(np.log(after / before * factor)) <= size / 2)


def split_jumps(con: duckdb.DuckDBPyConnection, dataset: str, actions: DatedTable, lives: Lives) -> list[SplitJump]:
    """Return what the closes did at every split and stock dividend between two prices of its asset."""
    kind = texts(actions.texts("kind"))
    rows = np.flatnonzero((kind == "split") | (kind == "stock"))
    if not len(rows):
        return []
    assets, days = texts(actions.texts("asset"))[rows], actions.numbers("ex_date")[rows]
    factors = actions.numbers("ratio")[rows] + (kind[rows] == "stock")
    symbols = [lives.symbol_of(asset, day) for asset, day in zip(assets, days, strict=True)]
    closes = _closes(con, dataset, sorted(set(symbols)))
    found: dict[tuple[str, str, int], SplitJump] = {}
    for asset, symbol, day, factor in zip(assets, symbols, days, factors, strict=True):
        dates, prices = closes.get(symbol, (days[:0], factors[:0]))
        place = int(np.searchsorted(dates, day))
        if 0 < place < len(dates):
            before = found.get((asset, symbol, place))
            factor = float(factor) * (before.factor if before else 1.0)
            first = before.ex_date if before else day.item()
            prices_of = float(prices[place - 1]), float(prices[place])
            found[asset, symbol, place] = SplitJump(asset, symbol, first, dates[place].item(), factor, *prices_of)
    return list(found.values())


def _closes(
    con: duckdb.DuckDBPyConnection, dataset: str, symbols: list[str]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return symbol -> dates and closes, oldest first."""
    sql = (
        "SELECT code::INTEGER AS code, date, close FROM prices JOIN (SELECT unnest($2::VARCHAR[]) AS symbol, "
        "generate_subscripts($2::VARCHAR[], 1) - 1 AS code) USING (symbol) WHERE dataset = $1"
    )
    table = execute(con, sql, dataset, symbols).to_arrow_table()
    codes, days, close = (to_numpy(table[name]) for name in ("code", "date", "close"))
    order = np.lexsort((days, codes))
    codes, days, close = codes[order], days[order], close[order]
    starts = np.searchsorted(codes, np.arange(len(symbols) + 1))
    return {
        symbol: (days[start:stop], close[start:stop])
        for symbol, start, stop in zip(symbols, starts[:-1], starts[1:], strict=True)
    }
