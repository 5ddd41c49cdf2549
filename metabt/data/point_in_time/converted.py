"""Converted: a dataset whose returns are in another currency than some of its assets, as a dataset of its own.

1. `r = (1 + r_local)(1 + x) - 1`, x what the asset's currency gained between the session of the asset's last price and
   this one. Between prices an asset is valued at its last price and the exchange of that session: its return is 0.
2. It stands above events and steps: their returns are local ones, and so is what a delisting pays. Calendar, closes and
   volumes stay as they are: levels are in the asset's own currency.
3. A return between two sessions of which one has no rate of exchange yet is not observed.
4. The digest of a cell (asset, partition) of a foreign asset is joined with the worth of its currency in the sessions
   of the partition, and back to the asset's last price before it, whose date counts. That of any other stays as it was.

A dataset without foreign assets has no such layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from metabt.data.dataset import Dataset, Names, Part
from metabt.data.facts import Cell, Digests, Facts
from metabt.data.point_in_time.asset_digests import may_be_empty
from metabt.data.point_in_time.currencies import Exchange
from metabt.data.point_in_time.lives import Lives
from metabt.data.prices import Prices
from metabt.values.digests import array_digest, joint_digest
from metabt.values.reached_code import reached

MAKERS = ("metabt.data.point_in_time.converted",)
"""Modules that, with all they reach, make returns of prices and of rates of exchange."""


@dataclass(frozen=True)
class Foreign:
    """The foreign assets of a dataset; it travels to whoever reads."""

    currency: Mapping[str, str]
    """Asset -> its currency, of those alone that have another one than the returns are to be in."""
    exchange: Mapping[str, Exchange]
    """Currency -> what a unit of it is worth in that one."""

    def among(self, symbols: Names) -> Iterator[tuple[Exchange, np.ndarray]]:
        """Yield each exchange with the positions of the assets among `symbols` that are in its currency."""
        of = np.array([self.currency.get(symbol, "") for symbol in symbols])
        for currency in sorted(self.exchange):
            columns = np.flatnonzero(of == currency)
            if len(columns):
                yield self.exchange[currency], columns


def converted(beneath: Dataset, foreign: Foreign, symbols: Names) -> Dataset:
    """Return a dataset with the returns of some symbols, of which some are foreign, converted; nothing is read."""
    known = beneath.facts
    return _over(
        foreign, beneath, replace(known, symbols=symbols, read_digests=partial(_digests, known, foreign, symbols))
    )


def _over(foreign: Foreign, beneath: Dataset, facts: Facts) -> Dataset:
    """Return the dataset that `converted` made, with its facts as they are, over another way to read its prices."""
    return Dataset(facts, partial(_part, beneath, foreign), beneath.stored, None, beneath, partial(_over, foreign))


def _part(beneath: Dataset, foreign: Foreign, rows: slice, symbols: Names, fields: Names) -> Part:
    if "returns" not in fields:  # closes and volumes are those beneath
        return beneath.part(rows, symbols, fields)
    return partial(_read, beneath.part(rows, symbols, fields), foreign)


def _read(read: Part, foreign: Foreign) -> Prices:
    prices = read()
    return replace(prices, stated=converted_returns(prices, foreign))


def converted_returns(prices: Prices, foreign: Foreign) -> np.ndarray:
    """Return the returns of prices, those of foreign assets converted, (n_sessions, n_assets); NaN where there is none.

    Raises
    ------
    ValueError
        For prices of which nobody knows when their assets had a price before the first session.
    """
    found = np.where(prices.observed, prices.returns, np.nan)
    nowhere = np.full(len(prices.symbols), "NaT", "datetime64[D]")
    if prices.entered is None and prices.entry is not None:
        raise ValueError(f"dataset '{prices.name}': nothing says of which sessions its entries are")
    entered = nowhere if prices.entered is None else prices.entered
    for exchange, columns in foreign.among(prices.symbols):
        worth = exchange.at(prices.dates)[:, None]
        there = np.where(prices.priced[:, columns], np.arange(len(prices.dates))[:, None], -1)
        last = np.maximum.accumulate(there, axis=0)
        before = np.concatenate([np.full((1, len(columns)), -1), last[:-1]])  # the session of the last price before
        since = np.where(before < 0, exchange.at(entered[columns]), worth[:, 0][before])
        found[:, columns] = (1.0 + found[:, columns]) * (worth / since) - 1.0
    return found


def _digests(known: Facts, foreign: Foreign, symbols: Names) -> Digests:
    """Return the digests of some symbols' converted returns and other fields, by cell; no price is read."""
    wanted = frozenset(symbols)
    found = {cell: text for cell, text in known.digests.items() if cell[0] in wanted}
    lives = Lives.of((), known.point_in_time.tables.get("assets"))
    for exchange, columns in foreign.among(symbols):
        worth = exchange.at(known.dates)
        for column in columns.tolist():
            found |= _cells(known, lives, symbols[column], worth, found)
    return found


def _cells(known: Facts, lives: Lives, symbol: str, worth: np.ndarray, digests: Mapping[Cell, str]) -> dict[Cell, str]:
    """Return the cells of a foreign asset; `worth` (n_sessions,) is that of a unit of its currency."""
    found: dict[Cell, str] = {}
    parts = list(known.partitions.items())
    seen: int | None = None  # the newest partition in which it is sure to have a price
    for at, (label, rows) in enumerate(parts):
        own = digests.get((symbol, label, "close"))
        if own is None:
            continue
        first = at if seen is None else seen
        before = [digests.get((symbol, earlier, "close"), "") for earlier, _ in parts[first:at]]
        read = array_digest(worth[parts[first][1].start : rows.stop])
        found[symbol, label, "close"] = joint_digest([reached(MAKERS).digest, own, *before, read])
        if seen is None or not may_be_empty(known, lives, symbol, at):
            seen = at
    return found
