"""Last closes: what one share of each symbol is worth, by the dataset that a run takes the symbol from.

1. A symbol that the run's leaves may hold is priced in their dataset, and in no other that has the symbol too.
2. One that no leaf takes is priced where exactly one of the run's datasets has it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metabt.lakehouse.price_source import Lakehouse

CLOSES = (
    "SELECT dataset, symbol, arg_max(close, date), max(date) FROM prices{at} "
    "WHERE list_contains($1::VARCHAR[], dataset) AND list_contains($2::VARCHAR[], symbol) GROUP BY dataset, symbol"
)


@dataclass(frozen=True)
class Close:
    """The newest price of a symbol."""

    price: float
    """In the currency of the dataset."""
    date: datetime.date
    """The session it is of."""


def last_closes(source: Lakehouse, wanted: Mapping[str, tuple[str, ...]], others: Iterable[str]) -> dict[str, Close]:
    """Return symbol -> its newest close.

    Parameters
    ----------
    source : the lakehouse, read at its snapshot
    wanted : dataset -> symbols that the run's leaves may hold of it (Record.wanted)
    others : further symbols, such as those held; one that no dataset of `wanted` has, or several have, is left out
    """
    from metabt.lakehouse.prices.snapshots import read_at

    home = {symbol: dataset for dataset, symbols in wanted.items() for symbol in symbols}
    asked = sorted({*home, *others})
    rows = read_at(source.connection, CLOSES, source.snapshot, list(wanted), asked).fetchall()
    found: dict[str, dict[str, Close]] = {}
    for dataset, symbol, price, date in rows:
        found.setdefault(symbol, {})[dataset] = Close(price, date)
    chosen = {symbol: _chosen(closes, home.get(symbol)) for symbol, closes in found.items()}
    return {symbol: close for symbol, close in chosen.items() if close is not None}


def _chosen(closes: Mapping[str, Close], home: str | None) -> Close | None:
    if home is not None:
        return closes.get(home)
    return next(iter(closes.values())) if len(closes) == 1 else None
