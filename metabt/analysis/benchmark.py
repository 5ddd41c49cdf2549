"""Benchmark: one symbol that every sleeve of a run is measured against.

1. It is named: `SYMBOL` is looked for in the datasets that the tree draws on and, if none has it, in all others;
   `DATASET:SYMBOL` says in which.
2. Its return between two sessions of a sleeve is what its last price changed by: it is held, and pays no costs.
3. Before its first price and after its last it has no return, and the sleeve is not compared there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

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
        return self.dataset.symbols[0]

    @property
    def name(self) -> str:
        """`DATASET:SYMBOL`, as configuration may state it."""
        return f"{self.dataset.name}:{self.symbol}"

    @property
    def path(self) -> str:
        """Path of its rows in `returns` and `metrics`."""
        return f"{PREFIX}{self.symbol}"

    @cached_property
    def digest(self) -> str:
        """Digest of its prices and its calendar."""
        return self.dataset.digest(self.dataset.symbols)

    @cached_property
    def span(self) -> tuple[np.datetime64, np.datetime64]:
        """Sessions of its first and its last price.

        Raises
        ------
        DataError
            If it never had one.
        """
        prices = self.dataset.prices
        observed = prices.dates[prices.priced[:, 0]]
        if not len(observed):
            raise DataError(f"benchmark '{self.name}' has no price at all; choose another symbol")
        return observed[0], observed[-1]

    def returns_between(self, sessions: np.ndarray) -> np.ndarray:
        """Return its simple returns from each of `sessions` to the next, (n_sessions - 1,); NaN beyond its prices."""
        first, last = self.span
        changed = self.dataset.prices.returns_between(sessions)[:, 0]
        return np.where((sessions[:-1] >= first) & (sessions[1:] <= last), changed, np.nan)

    def beside(self, stream: Stream) -> np.ndarray:
        """Return its returns over the sessions of a stream, (n_sessions,); NaN beyond its prices."""
        return self.returns_between(np.concatenate([[stream.inception], stream.dates]))

    def held_beside(self, stream: Stream) -> Stream:
        """Return the stream of holding it, on those sessions of a stream in which it has a return.

        Raises
        ------
        RunError
            If there is none.
        """
        sessions = np.concatenate([[stream.inception], stream.dates])
        returns = self.returns_between(sessions)
        (rows,) = np.nonzero(~np.isnan(returns))
        if not len(rows):
            first, last = self.span
            raise RunError(
                f"benchmark '{self.name}' has prices from {first} to {last}, the portfolio a stream from "
                f"{stream.inception} to {sessions[-1]}; choose one with prices in between, or leave benchmark unset"
            )
        net, nothing = returns[rows], np.zeros(len(rows))
        return Stream(sessions[rows[0]], sessions[rows + 1], net, nothing, net, nothing, nothing)


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
