"""Currencies: which one an asset is priced in, and what a unit of one is worth in another.

1. An asset's currency is that of its rows in the table `assets`, of each life the newest known; all of them agree. An
   asset of which nothing is said is in the currency of whoever holds it.
2. A currency is worth, in a session, the value of the newest row of its rate of exchange at or before the session, and
   nothing that is known before the first row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.data.point_in_time.accrual import Rate
from metabt.data.point_in_time.lives import newest_known
from metabt.data.point_in_time.tables import DatedTable
from metabt.errors import DataError
from metabt.values.tables import texts


def currencies_of(dataset: str, assets: DatedTable | None) -> dict[str, str]:
    """Return asset -> its currency, of the assets that a dataset's table `assets` states one of.

    Raises
    ------
    DataError
        For an asset with two.
    """
    if assets is None:
        return {}
    rows = assets.take(newest_known(assets))
    found: dict[str, str] = {}
    for asset, currency in zip(
        texts(rows.texts("asset")).tolist(), texts(rows.texts("currency")).tolist(), strict=True
    ):
        if currency and found.setdefault(asset, currency) != currency:
            raise DataError(
                f"dataset '{dataset}', table assets: {asset} is in {found[asset]} and in {currency}, and an asset has "
                "one currency; correct its rows, or make two assets of it"
            )
    return found


def exchange_name(currency: str, base: str) -> str:
    """Return what the rate is called that says what a unit of `currency` is worth in `base`: fx:EURUSD."""
    return f"fx:{currency}{base}"


@dataclass(frozen=True)
class Exchange:
    """What a unit of one currency is worth in another, through time."""

    dates: np.ndarray
    """(n_rows,) datetime64[D], ascending: each value holds from its date until the next."""
    values: np.ndarray
    """(n_rows,) units of the other currency."""

    @classmethod
    def of(cls, rate: Rate, *, inverted: bool) -> Exchange:
        """Return the exchange that the rows of a rate state; `inverted` where they state it the other way round."""
        return cls(rate.dates, 1.0 / rate.values if inverted else rate.values)

    def at(self, dates: np.ndarray) -> np.ndarray:
        """Return what a unit is worth on some dates (NaT is none), of the same shape; NaN before the first row."""
        found = np.append(self.values, np.nan)[self._newest(dates)]  # -1, no row yet, is the NaN at the end
        return np.where(np.isnat(dates), np.nan, found)

    def age(self, dates: np.ndarray) -> np.ndarray:
        """Return how many of some sessions have begun since the newest row at or before each, (n_sessions,) int64.

        0 is a row of the session itself, or one since the session before it; -1 is before the first row. `dates` are
        the sessions, strictly increasing.
        """
        newest = self._newest(dates)
        dated = np.append(self.dates, dates[:1])[newest]
        first = np.searchsorted(dates, dated)  # the session from which on the row is there
        return np.where(newest < 0, -1, np.arange(len(dates)) - first)

    def _newest(self, dates: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.dates, dates, side="right") - 1
