"""Lives: which symbol an asset has when.

1. A symbol that the table `assets` does not name is an asset of its own name, for ever.
2. Of the others the newest row known of each (asset, first_date) counts: a life of that asset under that symbol. Rows
   say what is what, which is no signal: a rename that was written down late counts from its own date.
3. The prices of an asset are those of its symbols within its lives. What a symbol has outside of all its lives is of no
   asset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metabt.data.point_in_time.tables import DatedTable
from metabt.values.tables import texts

EVER = np.array(["0001-01-01", "9999-12-31"], "datetime64[D]")
"""First and last date of what has neither."""


@dataclass(frozen=True)
class Lives:
    """The assets of a dataset: what they are called when. No two lives of one asset, or of one symbol, overlap."""

    asset: tuple[str, ...]
    """(n_lives,) the asset of each life."""
    symbol: tuple[str, ...]
    """(n_lives,) its symbol then."""
    first: np.ndarray
    """(n_lives,) datetime64[D], EVER[0] where it has no beginning."""
    last: np.ndarray
    """(n_lives,) datetime64[D], EVER[1] where it has not ended."""

    @classmethod
    def of(cls, symbols: tuple[str, ...], assets: DatedTable | None) -> Lives:
        """Return the lives of what `assets` names, and of the other symbols of a dataset's prices."""
        if assets is None:
            n = len(symbols)
            return cls(symbols, symbols, np.repeat(EVER[:1], n), np.repeat(EVER[1:], n))
        rows = assets.take(newest_known(assets))
        names, tickers = texts(rows.texts("asset")).tolist(), texts(rows.texts("symbol")).tolist()
        named = {*names, *tickers}
        others = tuple(symbol for symbol in symbols if symbol not in named)
        last = rows.numbers("last_date")
        return cls(
            (*names, *others),
            (*tickers, *others),
            np.concatenate([rows.numbers("first_date"), np.repeat(EVER[:1], len(others))]),
            np.concatenate([np.where(np.isnat(last), EVER[1], last), np.repeat(EVER[1:], len(others))]),
        )

    @property
    def are_plain(self) -> bool:
        """Whether every asset is the symbol of its name, for ever."""
        return self.asset == self.symbol and bool((self.first == EVER[0]).all() and (self.last == EVER[1]).all())

    def places(self, asset: str) -> list[int]:
        """Return the positions of an asset's lives, the earliest first."""
        return self._by_asset.get(asset, [])

    def assets_of(self, symbols: Iterable[str]) -> tuple[str, ...]:
        """Return the assets that have a life under one of some symbols, sorted, each once."""
        held = frozenset(symbols)
        return tuple(sorted({asset for asset, symbol in self.changes() if symbol in held}))

    def symbols_of(self, assets: Iterable[str]) -> tuple[str, ...]:
        """Return the symbols under which some assets have lives, sorted, each once."""
        return tuple(sorted({self.symbol[place] for asset in assets for place in self.places(asset)}))

    def symbol_of(self, asset: str, day: np.datetime64) -> str:
        """Return the symbol of an asset on a day: of the life that holds it, else of its last one before, or its own.

        A day before the first life is given the first one's symbol.
        """
        own = self.places(asset)
        if not own:
            return asset
        begun = [place for place in own if self.first[place] <= day]
        return self.symbol[begun[-1] if begun else own[0]]

    def newest_assets(self) -> dict[str, str]:
        """Return symbol -> the asset that had it last."""
        order = np.argsort(self.first, kind="stable").tolist()
        return {self.symbol[place]: self.asset[place] for place in order}

    def changes(self) -> Iterator[tuple[str, str]]:
        """Yield asset and symbol of every life."""
        yield from zip(self.asset, self.symbol, strict=True)

    @cached_property
    def _by_asset(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for place in np.argsort(self.first, kind="stable").tolist():
            found.setdefault(self.asset[place], []).append(place)
        return found


def newest_known(assets: DatedTable) -> np.ndarray:
    """Return which rows were known last of their asset and first date, (n_rows,) bool: a table is in that order."""
    codes, first = assets.texts("asset").codes, assets.numbers("first_date")
    return np.append((codes[1:] != codes[:-1]) | (first[1:] != first[:-1]), np.ones(min(len(codes), 1), bool))
