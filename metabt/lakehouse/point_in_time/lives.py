"""Lives: when an asset has which symbol, and when its prices begin and end.

1. An asset that the table `assets` does not name is the symbol of the same name, for ever.
2. Of the others the newest row known of each (asset, first_date) counts: a life of that asset under that symbol.
3. The prices of an asset are those of its symbols within its lives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import duckdb
import numpy as np
import pyarrow as pa

from metabt.data.point_in_time.tables import DatedTable
from metabt.lakehouse.catalog.schema import lend
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.point_in_time.incoming import taken
from metabt.lakehouse.point_in_time.merging import newest
from metabt.values.buffers import from_numpy, from_texts
from metabt.values.tables import Coded, texts

EVER = np.array(["0001-01-01", "9999-12-31"], "datetime64[D]")
"""First and last date of what has neither."""
SPANS = (
    "SELECT asset, min(p.date) AS first, max(p.date) AS last FROM lives JOIN "
    "(SELECT symbol, date FROM prices WHERE dataset = $1) p "
    "ON p.symbol = lives.symbol AND p.date BETWEEN lives.first_date AND lives.last_date GROUP BY asset"
)
"""What asks for the first and the last price of every asset that `lives` names."""
OF_SYMBOLS = "SELECT symbol, min(date), max(date) FROM prices WHERE dataset = $1 GROUP BY symbol"
"""The same, where every asset is the symbol of its name."""


@dataclass(frozen=True)
class Lives:
    """The assets of a dataset: what they are called when."""

    asset: tuple[str, ...]
    """(n_lives,) the asset of each life."""
    symbol: tuple[str, ...]
    """(n_lives,) its symbol then."""
    first: np.ndarray
    """(n_lives,) datetime64[D]."""
    last: np.ndarray
    """(n_lives,) datetime64[D], EVER[1] where it has not ended."""

    @classmethod
    def of(cls, symbols: tuple[str, ...], assets: DatedTable | None) -> Lives:
        """Return the lives of the symbols of a dataset's prices, and of what `assets` names."""
        if assets is None:
            n = len(symbols)
            return cls(symbols, symbols, np.repeat(EVER[:1], n), np.repeat(EVER[1:], n))
        rows = taken(assets.columns, newest(assets.columns, "assets"))
        names, tickers = rows["asset"], rows["symbol"]
        first, last = rows["first_date"], rows["last_date"]
        assert isinstance(names, Coded) and isinstance(tickers, Coded)
        assert isinstance(first, np.ndarray) and isinstance(last, np.ndarray)
        named = frozenset(names.values)
        others = tuple(symbol for symbol in symbols if symbol not in named)
        return cls(
            (*texts(names).tolist(), *others),
            (*texts(tickers).tolist(), *others),
            np.concatenate([first, np.repeat(EVER[:1], len(others))]),
            np.concatenate([np.where(np.isnat(last), EVER[1], last), np.repeat(EVER[1:], len(others))]),
        )

    def symbol_of(self, asset: str, day: np.datetime64) -> str:
        """Return the symbol of an asset on a day: of the life that holds it, else of its last one before, or its own.

        A day before the first life is given the first one's symbol.
        """
        own = self._by_asset.get(asset)
        if own is None:
            return asset
        begun = [place for place in own if self.first[place] <= day]
        return self.symbol[begun[-1] if begun else own[0]]

    @cached_property
    def _by_asset(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for place in np.argsort(self.first, kind="stable").tolist():
            found.setdefault(self.asset[place], []).append(place)
        return found

    def spans(self, con: duckdb.DuckDBPyConnection, dataset: str) -> dict[str, tuple[np.datetime64, np.datetime64]]:
        """Return asset -> the dates of its first and its last price, of those that have any."""
        if self.asset == self.symbol and not (self.last < EVER[1]).any():
            return _as_spans(execute(con, OF_SYMBOLS, dataset).fetchall())
        columns = {
            "asset": from_texts(self.asset),
            "symbol": from_texts(self.symbol),
            "first_date": from_numpy(self.first),
            "last_date": from_numpy(self.last),
        }
        lend(con, "lives", pa.table(columns))
        rows = execute(con, SPANS, dataset).fetchall()
        con.unregister("lives")
        return _as_spans(rows)

    def changes(self) -> Iterator[tuple[str, str]]:
        """Yield asset and symbol of every life."""
        yield from zip(self.asset, self.symbol, strict=True)


def _as_spans(rows: list[tuple[str, date, date]]) -> dict[str, tuple[np.datetime64, np.datetime64]]:
    return {asset: (np.datetime64(first, "D"), np.datetime64(last, "D")) for asset, first, last in rows}
