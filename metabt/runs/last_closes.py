"""Last closes: what one share of each symbol is worth, by the dataset that a run takes the symbol from.

1. A symbol that the run's leaves may hold is priced in their dataset, and in no other that has the symbol too.
2. One that no leaf takes is priced where exactly one of the run's datasets has it.
3. A price is the one that was observed: the steps of a dataset make returns, and no level.
4. Of an asset in another currency than the tree it has the rate of exchange of that session; without one there is none.
5. What is held is named by its ticker of today: where a table says whose that is, it is that asset.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from metabt.build.dated.currencies import currencies_in, exchange_of
from metabt.data.point_in_time.lives import Lives

if TYPE_CHECKING:
    from metabt.data.dataset import Dataset
    from metabt.lakehouse.price_source import Lakehouse


@dataclass(frozen=True)
class Close:
    """The newest price of a symbol."""

    price: float
    """In the asset's own currency."""
    date: datetime.date
    """The session it is of."""
    exchange: float = 1.0
    """What a unit of that currency is worth in the tree's on that session; 1 where that is the same."""

    @property
    def worth(self) -> float:
        """What a share is worth in the currency of NAV."""
        return self.price * self.exchange


def last_closes(
    source: Lakehouse, wanted: Mapping[str, tuple[str, ...]], others: Iterable[str], base: str | None = None
) -> dict[str, Close]:
    """Return symbol -> its newest close.

    Parameters
    ----------
    source : the lakehouse, read at its snapshot
    wanted : dataset -> symbols that the run's leaves may hold of it (Record.wanted)
    others : further symbols, such as those held; one that no dataset of `wanted` has, or several have, is left out
    base : currency of the run's tree; None takes all prices to be in it

    Raises
    ------
    ConfigError
        For an asset whose currency no rate of exchange converts.
    """
    home = {symbol: dataset for dataset, symbols in wanted.items() for symbol in symbols}
    known, asked = source.symbols(), {*home, *others}
    some = {name: tuple(sorted(asked.intersection(known.get(name, ())))) for name in wanted}
    datasets = source.wanted({name: symbols for name, symbols in some.items() if symbols}, levels=True)
    found: dict[str, dict[str, Close]] = {}
    rated: dict[str, Dataset] = {}  # with all tables, once an asset is in another currency
    for name, dataset in datasets.items():
        abroad = {} if base is None else currencies_in(dataset, base)
        for symbol, close in _newest(dataset):
            if base is not None and symbol in abroad:
                rated = rated or source.wanted({it: symbols for it, symbols in some.items() if symbols})
                exchange = exchange_of(f"asset '{symbol}' of dataset '{name}'", abroad[symbol], base, name, rated)
                close = replace(close, exchange=exchange.at(np.array([close.date], "datetime64[D]")).item())
            if not np.isnan(close.exchange):
                found.setdefault(symbol, {})[name] = close
    chosen = {symbol: _chosen(closes, home.get(symbol)) for symbol, closes in found.items()}
    return {symbol: close for symbol, close in chosen.items() if close is not None}


def assets_held(source: Lakehouse, names: Collection[str], held: Iterable[str]) -> dict[str, str]:
    """Return symbol -> asset of what is held, where they differ: the asset that had the symbol last.

    Parameters
    ----------
    source : the lakehouse, read at its snapshot
    names : the datasets of a run; where several have a symbol, they must agree in whose it is
    held : symbols as a broker names them, or assets
    """
    known, owners = source.symbols(), dict[str, set[str]]()
    for name in known.keys() & set(names):
        lives = Lives.of(known[name], source.dated([name])[name].tables.get("assets"))
        for symbol, asset in lives.newest_assets().items():
            owners.setdefault(symbol, set()).add(asset)
    return {it: asset for it in held if len(owners.get(it, ())) == 1 and (asset := next(iter(owners[it]))) != it}


def _newest(dataset: Dataset) -> Iterator[tuple[str, Close]]:
    """Yield each symbol of a dataset with its newest close, from the partition that this is in."""
    last: dict[str, str] = {}
    for symbol, partition, _ in dataset.facts.digests:
        last[symbol] = max(last.get(symbol, ""), partition)
    for partition in sorted(set(last.values())):
        symbols = tuple(sorted(symbol for symbol in last if last[symbol] == partition))
        prices = dataset.part(dataset.facts.partitions[partition], symbols, ("close",))()
        rows = len(prices.dates) - 1 - np.argmax(prices.priced[::-1], axis=0)
        for column, row in enumerate(rows.tolist()):
            if prices.priced[row, column]:
                yield symbols[column], Close(float(prices.close[row, column]), prices.dates[row].item())
            elif prices.entry is not None and prices.entered is not None and not np.isnan(prices.entry[column]):
                # the prices of its symbol in the partition are another asset's
                yield symbols[column], Close(float(prices.entry[column]), prices.entered[column].item())


def _chosen(closes: Mapping[str, Close], home: str | None) -> Close | None:
    if home is not None:
        return closes.get(home)
    return next(iter(closes.values())) if len(closes) == 1 else None
