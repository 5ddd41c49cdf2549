"""Last closes: what one share of each symbol is worth, by the dataset that a run takes the symbol from.

1. A symbol that the run's leaves may hold is priced in their dataset, and in no other that has the symbol too.
2. One that no leaf takes is priced where exactly one of the run's datasets has it.
3. A price is the one that was observed: the steps of a dataset make returns, and no level.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from metabt.data.dataset import Dataset
    from metabt.lakehouse.price_source import Lakehouse


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
    home = {symbol: dataset for dataset, symbols in wanted.items() for symbol in symbols}
    known, asked = source.symbols(), {*home, *others}
    some = {name: tuple(sorted(asked.intersection(known.get(name, ())))) for name in wanted}
    datasets = source.wanted({name: symbols for name, symbols in some.items() if symbols}, levels=True)
    found: dict[str, dict[str, Close]] = {}
    for name, dataset in datasets.items():
        for symbol, close in _newest(dataset):
            found.setdefault(symbol, {})[name] = close
    chosen = {symbol: _chosen(closes, home.get(symbol)) for symbol, closes in found.items()}
    return {symbol: close for symbol, close in chosen.items() if close is not None}


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
            yield symbols[column], Close(float(prices.close[row, column]), prices.dates[row].item())


def _chosen(closes: Mapping[str, Close], home: str | None) -> Close | None:
    if home is not None:
        return closes.get(home)
    return next(iter(closes.values())) if len(closes) == 1 else None
