"""Asset prices: a dataset whose prices bear symbols, read by asset, as a dataset of its own.

1. An asset's prices are those that its symbols have within its lives (metabt.data.point_in_time.lives); the calendar
   stays that of the prices. Where there is no table `assets`, the dataset is the one beneath.
2. What an asset enters a part with is its last price, under whichever symbol: that with which its symbol enters, if it
   is of the life. Where another asset has had the symbol since, the partition in which the life ended is read for it.
3. Digests are `asset_digests`.
4. What is in memory is read by asset at once, what is stored when a part is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from metabt.data.dataset import Dataset, Names, Part
from metabt.data.facts import Facts
from metabt.data.point_in_time.asset_digests import asset_digests
from metabt.data.point_in_time.lives import Lives
from metabt.data.prices import Prices


def by_asset(beneath: Dataset, assets: Names) -> Dataset:
    """Return a dataset of assets over one of symbols; nothing is read.

    Parameters
    ----------
    beneath : Dataset
        The prices by symbol: of all the symbols under which the assets have lives, where there are such. Its facts have
        the tables.
    assets : tuple of str
        Assets of the new dataset, sorted.
    """
    known = beneath.facts
    if "assets" not in known.point_in_time.tables:
        return beneath
    facts = replace(known, symbols=assets, read_digests=partial(asset_digests, known, _lives(known), assets))
    return over_symbols(beneath, facts)


def over_symbols(beneath: Dataset, facts: Facts) -> Dataset:
    """Return the dataset that `by_asset` made, with its facts as they are, over another way to read its prices."""
    lives = _lives(beneath.facts)
    if beneath.stored:
        return Dataset(facts, partial(_part, beneath, lives), True, None, beneath, over_symbols)
    whole = _part(beneath, lives, slice(0, len(facts.dates)), facts.symbols, ("close", "returns", "volume"))()
    return Dataset(facts, Dataset.of(whole).part, False, None, beneath, over_symbols)


def _lives(known: Facts) -> Lives:
    return Lives.of(known.symbols, known.point_in_time.tables.get("assets"))


@dataclass(frozen=True)
class _Spell:
    """Some sessions of a part in which an asset has a symbol."""

    column: int
    """Position of the asset."""
    symbol: str
    rows: slice
    """Of the part."""


@dataclass(frozen=True)
class _Entry:
    """Where the last price of an asset before a part may be found; those of an asset are in order, the newest first."""

    column: int
    """Position of the asset."""
    symbol: str
    first: np.datetime64
    last: np.datetime64
    """The life, as far as it lies before the part."""
    ended: int | None
    """Position of what reads the partition in which the life ended, where its symbol may have a later price."""


@dataclass(frozen=True)
class _Reading:
    """How a part is read; it is small, and travels to the process that reads."""

    part: Part
    """Returns the prices by symbol."""
    assets: Names
    spells: tuple[_Spell, ...]
    entries: tuple[_Entry, ...]
    ended: tuple[Part, ...]
    """Each returns the closes of a partition in which lives ended, by symbol."""

    def __call__(self) -> Prices:
        """Return the prices by asset."""
        prices = self.part()
        place = {symbol: column for column, symbol in enumerate(prices.symbols)}
        shape = len(prices.dates), len(self.assets)
        close = np.full(shape, np.nan)
        volume = None if prices.volume is None else np.full(shape, np.nan)
        for spell in self.spells:
            column = place[spell.symbol]
            close[spell.rows, spell.column] = prices.close[spell.rows, column]
            if volume is not None and prices.volume is not None:
                volume[spell.rows, spell.column] = prices.volume[spell.rows, column]
        entry, entered = (None, None) if prices.entry is None else self._entered(prices, place)
        return Prices(prices.name, prices.dates, self.assets, close, volume, prices.closed, entry, entered=entered)

    def _entered(self, prices: Prices, place: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the last price of each asset before the part, and its date, (n_assets,); NaN, NaT without one."""
        entry = np.full(len(self.assets), np.nan)
        entered = np.full(len(self.assets), "NaT", "datetime64[D]")
        read: dict[int, Prices] = {}
        for it in self.entries:
            if np.isnan(entry[it.column]):
                price, day = _entry(prices, place[it.symbol])
                if it.ended is not None and day > it.last:
                    if it.ended not in read:
                        read[it.ended] = self.ended[it.ended]()
                    price, day = _last(read[it.ended], it.symbol, it.last)
                if it.first <= day <= it.last:
                    entry[it.column], entered[it.column] = price, day
        return entry, entered


def _entry(prices: Prices, column: int) -> tuple[float, np.datetime64]:
    if prices.entry is None or prices.entered is None:
        return np.nan, np.datetime64("NaT", "D")
    return float(prices.entry[column]), prices.entered[column]


def _last(prices: Prices, symbol: str, day: np.datetime64) -> tuple[float, np.datetime64]:
    """Return the last price of a symbol up to a day of some sessions, and its date."""
    (column,) = prices.columns([symbol])
    rows = np.flatnonzero(prices.priced[: np.searchsorted(prices.dates, day, side="right"), column])
    if not len(rows):
        return _entry(prices, column)
    return float(prices.close[rows[-1], column]), prices.dates[rows[-1]]


def _part(beneath: Dataset, lives: Lives, rows: slice, assets: Names, fields: Names) -> Part:
    known = beneath.facts
    first, stop, _ = rows.indices(len(known.dates))
    spells = tuple(_spells(known, lives, slice(first, stop), assets))
    history = _History(known, lives, first)
    entries: list[_Entry] = []
    ended: dict[int, set[str]] = {}  # partition -> symbols whose lives ended in it
    for column, asset in enumerate(assets):
        for life in history.candidates(asset):
            at = history.ended(life)
            if at is not None:
                ended.setdefault(at, set()).add(lives.symbol[life])
            last = min(lives.last[life], known.dates[first] - 1)
            entries.append(_Entry(column, lives.symbol[life], lives.first[life], last, at))
    number = {at: position for position, at in enumerate(ended)}
    parts = list(known.partitions.values())
    read = [beneath.part(parts[at], tuple(sorted(symbols)), ("close",)) for at, symbols in ended.items()]
    symbols = tuple(sorted({it.symbol for it in spells} | {it.symbol for it in entries})) or known.symbols[:1]
    numbered = (replace(it, ended=None if it.ended is None else number[it.ended]) for it in entries)
    return _Reading(beneath.part(slice(first, stop), symbols, fields), assets, spells, tuple(numbered), tuple(read))


def _spells(known: Facts, lives: Lives, rows: slice, assets: Names) -> Iterator[_Spell]:
    """Yield the spells of some assets in some rows of the calendar."""
    held, dates = frozenset(known.symbols), known.dates[rows]
    for column, asset in enumerate(assets):
        for life in lives.places(asset):
            begun = int(np.searchsorted(dates, lives.first[life]))
            stop = int(np.searchsorted(dates, lives.last[life], side="right"))
            if begun < stop and lives.symbol[life] in held:
                yield _Spell(column, lives.symbol[life], slice(begun, stop))


class _History:
    """What digests say of where the last prices before a row of the calendar are."""

    def __init__(self, known: Facts, lives: Lives, row: int) -> None:
        self._known, self._lives, self._row = known, lives, row
        self._parts = [part for part in known.partitions.values() if part.start < row]
        place = {label: at for at, label in enumerate(list(known.partitions)[: len(self._parts)])}
        self._seen: dict[str, list[int]] = {}  # symbol -> positions of the partitions before in which it has prices
        if row:
            for symbol, label, field in known.digests:
                if field == "close" and label in place:
                    self._seen.setdefault(symbol, []).append(place[label])

    def candidates(self, asset: str) -> Iterator[int]:
        """Yield the lives of an asset that may have its last price, the newest first, down to one that is sure to."""
        for life in reversed(self._lives.places(asset)):
            begun, stop = self._rows(life)
            touched = [it for it in self._of(life) if self._parts[it].start < stop and self._parts[it].stop > begun]
            if touched:
                yield life
            if any(self._parts[it].start >= begun and self._parts[it].stop <= stop for it in touched):
                return

    def ended(self, life: int) -> int | None:
        """Return the partition in which a life ended, if its symbol may have a price after that; else None."""
        _, stop = self._rows(life)
        if stop == self._row:
            return None
        at = next(it for it, part in enumerate(self._parts) if part.start < stop <= part.stop)
        return at if any(self._parts[it].stop > stop for it in self._of(life)) else None

    def _of(self, life: int) -> list[int]:
        return self._seen.get(self._lives.symbol[life], [])

    def _rows(self, life: int) -> tuple[int, int]:
        """Return the rows of the calendar that a life has before the part."""
        before = self._known.dates[: self._row]
        begun = np.searchsorted(before, self._lives.first[life])
        return int(begun), int(np.searchsorted(before, self._lives.last[life], side="right"))
