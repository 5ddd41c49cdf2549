"""Asset digests: what the prices of an asset in a partition are made of, where it has lives.

A *stretch* is what a partition has of one life: some of its sessions, in which the symbol of the life has prices. Where
it is all of them, the asset is sure to have a price in the partition.

1. The digest of a cell (asset, partition) joins those of the symbols in its stretches, each with its first and last
   session where it is cut, and the code that puts them together.
2. That of closes covers the price that the asset enters with, too: where its symbol may enter with another asset's, or
   with none of the life, the stretches before are joined, back to one that is sure to have a price.
3. One whole stretch whose symbol enters with the asset's own price keeps the symbol's digest: a rename changes nothing
   of the years before it, and nothing of the years after the next.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from metabt.data.facts import Cell, Digests, Facts
from metabt.data.point_in_time.lives import Lives
from metabt.values.digests import joint_digest
from metabt.values.reached_code import reached

MAKERS = ("metabt.data.point_in_time.asset_prices",)
"""Modules that, with all they reach, make an asset's prices of several stretches."""
Fields = Mapping[int, Mapping[str, str]]
"""Position of a partition -> field -> digest, of one symbol."""


@dataclass(frozen=True)
class _Stretch:
    at: int
    """Position of the partition."""
    life: int
    symbol: str
    whole: bool
    """It is all sessions of the partition."""
    cut: tuple[str, str]
    """Its first and last session; empty where that is the partition's."""


def asset_digests(known: Facts, lives: Lives, assets: tuple[str, ...]) -> Digests:
    """Return the digests of some assets, by cell; no price is read.

    Parameters
    ----------
    known : what is known of the symbols of their lives
    lives : which symbol has which asset when
    assets : which assets
    """
    labels = list(known.partitions)
    place = {label: at for at, label in enumerate(labels)}
    by_symbol: dict[str, dict[int, dict[str, str]]] = {}
    for (symbol, label, field), text in known.digests.items():
        by_symbol.setdefault(symbol, {}).setdefault(place[label], {})[field] = text
    found: dict[Cell, str] = {}
    for asset in assets:
        stretches = list(_stretches(known, lives, asset, by_symbol))
        first = 0
        while first < len(stretches):
            stop = first
            while stop < len(stretches) and stretches[stop].at == stretches[first].at:
                stop += 1
            label = labels[stretches[first].at]
            for field, text in _cell(stretches, first, stop, by_symbol).items():
                found[asset, label, field] = text
            first = stop
    return found


def may_be_empty(known: Facts, lives: Lives, asset: str, at: int) -> bool:
    """Return whether an asset that has a cell in a partition, by position, may have no price in it.

    It is so only where it has lives, and none of them is as long as the partition.
    """
    own = lives.places(asset)
    if not own:
        return False
    part = list(known.partitions.values())[at]
    begun, ended = known.dates[part.start], known.dates[part.stop - 1]
    return not any(lives.first[it] <= begun and lives.last[it] >= ended for it in own)


def _stretches(known: Facts, lives: Lives, asset: str, by_symbol: Mapping[str, Fields]) -> Iterator[_Stretch]:
    """Yield the stretches of an asset's lives, in time order."""
    parts = list(known.partitions.values())
    for life in lives.places(asset):
        symbol = lives.symbol[life]
        begun = int(np.searchsorted(known.dates, lives.first[life]))
        ended = int(np.searchsorted(known.dates, lives.last[life], side="right"))
        for at in sorted(by_symbol.get(symbol, {})):
            part = parts[at]
            first, stop = max(begun, part.start), min(ended, part.stop)
            if first < stop:
                cut_first = "" if first == part.start else str(known.dates[first])
                cut_last = "" if stop == part.stop else str(known.dates[stop - 1])
                yield _Stretch(at, life, symbol, not (cut_first or cut_last), (cut_first, cut_last))


def _cell(stretches: list[_Stretch], first: int, stop: int, by_symbol: Mapping[str, Fields]) -> dict[str, str]:
    """Return field -> digest of the cell that the stretches first .. stop - 1 are of."""
    own = stretches[first:stop]
    found: dict[str, str] = {}
    for field in sorted({name for it in own for name in by_symbol[it.symbol][it.at]}):
        before = list(_before(stretches, first, by_symbol)) if field == "close" else []
        if len(own) == 1 and own[0].whole and not before:
            found[field] = by_symbol[own[0].symbol][own[0].at][field]
        else:
            texts = [text for it in own for text in (by_symbol[it.symbol][it.at].get(field, ""), *it.cut)]
            found[field] = joint_digest([reached(MAKERS).digest, "life", *texts, *before])
    return found


def _before(stretches: list[_Stretch], first: int, by_symbol: Mapping[str, Fields]) -> Iterator[str]:
    """Yield what the price that a cell enters with depends on, beside the price that its symbol enters with."""
    own = stretches[first]
    previous = stretches[first - 1] if first else None
    if previous is not None and previous.life == own.life and previous.whole:
        return  # the symbol's own last price is the asset's
    seen = sorted(by_symbol[own.symbol])
    earlier = bisect_left(seen, own.at) - 1
    if earlier >= 0 and (previous is None or (previous.life, previous.at) != (own.life, seen[earlier])):
        yield "entered as another"  # the symbol has a price from before this life
    for it in reversed(stretches[:first]):
        yield from (by_symbol[it.symbol][it.at].get("close", ""), *it.cut)
        if it.whole:
            return
