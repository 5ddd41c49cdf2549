"""Benchmark: one symbol that every sleeve of a run is measured against.

1. It is named: `SYMBOL` is looked for in the datasets that the tree draws on and, if none has it, in all others;
   `DATASET:SYMBOL` says in which.
2. It has a return in every session in which it has a price: what that changed by since the price before, or what the
   step of its dataset says (0 where that gives none). It is held, and pays no costs.
3. A sleeve is compared with it on the sessions that both have (metabt.analysis.common_sessions); its own rows are those
   that it has in common with the root.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metabt.analysis.common_sessions import Series, compounded, on_common_sessions
from metabt.analysis.metrics.stream import Stream
from metabt.data.dataset import Dataset
from metabt.errors import ConfigError, DataError, RunError, nearest
from metabt.portfolio.sleeve import Sleeve

PREFIX = "benchmark:"
"""Begins the path of a benchmark's rows in `returns` and `metrics`, where it stands beside the sleeves."""

Symbols = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Benchmark:
    """One symbol of one dataset."""

    dataset: Dataset
    """Its dataset with no other symbol."""

    @property
    def symbol(self) -> str:
        """Its symbol."""
        return self.dataset.facts.symbols[0]

    @property
    def name(self) -> str:
        """`DATASET:SYMBOL`, as configuration may state it."""
        return f"{self.dataset.facts.name}:{self.symbol}"

    @property
    def path(self) -> str:
        """Path of its rows in `returns` and `metrics`."""
        return f"{PREFIX}{self.symbol}"

    @cached_property
    def digest(self) -> str:
        """Digest of its prices and its calendar."""
        return self.dataset.facts.digest(self.dataset.facts.symbols)

    @cached_property
    def series(self) -> Series:
        """Its returns, on the sessions in which it has a price.

        Raises
        ------
        DataError
            If it never had one.
        """
        prices = self.dataset.prices
        observed = prices.priced[:, 0]
        if not observed.any():
            raise DataError(f"benchmark '{self.name}' has no price at all; choose another symbol")
        return Series(prices.dates[observed], np.append(np.nan, prices.returns[observed, 0][1:]))

    def held_beside(self, stream: Stream) -> Stream:
        """Return the stream of holding it, on the sessions that it has in common with a stream, beside the same cash.

        Raises
        ------
        RunError
            If there is no return between two of them.
        """
        shared = on_common_sessions(stream.series, self.series)
        if not len(shared.returns):
            first, last = self.series.dates[[0, -1]]
            raise RunError(
                f"benchmark '{self.name}' has prices from {first} to {last}, the portfolio a stream from "
                f"{stream.inception} to {stream.dates[-1]}; choose one with prices in between, or leave benchmark unset"
            )
        net, nothing = shared.returns[:, 1], np.zeros(len(shared.returns))
        idle = None if stream.idle is None else compounded(stream.idle, shared.bounds[0])
        return Stream(shared.since, shared.ends, net, nothing, net, nothing, nothing, idle)


def find_benchmark(text: object, symbols: Symbols, tree: Sleeve) -> tuple[str, str]:
    """Return the dataset and the symbol that `text` names, of the `symbols` that each dataset holds.

    Raises
    ------
    ConfigError
        If no dataset has it, or several do and it is not said which.
    """
    if not isinstance(text, str) or not text:
        raise ConfigError(f"benchmark is {text!r}, wanted a symbol such as SPY, or DATASET:SYMBOL; quote it")
    for dataset in symbols:
        symbol = text.removeprefix(f"{dataset}:")
        if symbol != text and symbol in symbols[dataset]:
            return dataset, symbol
    own = {leaf.dataset for _, leaf in tree.leaves()}
    found = _having(text, symbols, own) or _having(text, symbols, symbols)
    if len(found) > 1:
        choices = " or ".join(f"{name}:{text}" for name in found)
        raise ConfigError(f"benchmark '{text}' is a symbol of datasets {', '.join(found)}; say which: {choices}")
    if not found:
        raise ConfigError(_unknown(text, symbols, own))
    return found[0], text


def _having(symbol: str, symbols: Symbols, datasets: Iterable[str]) -> list[str]:
    return sorted(name for name in datasets if symbol in symbols.get(name, ()))


def _unknown(text: str, symbols: Symbols, own: set[str]) -> str:
    dataset, colon, symbol = text.partition(":")
    if colon and dataset in symbols:
        return f"benchmark '{text}': dataset '{dataset}' has no symbol '{symbol}'{nearest(symbol, symbols[dataset])}"
    known = {symbol for name in own for symbol in symbols.get(name, ())}
    cure = nearest(text, known) if not colon else f"{nearest(dataset, symbols)}, and a symbol of it"
    return f"benchmark '{text}' is no symbol of dataset {', '.join(sorted(own))}, nor of any other{cure}"
