"""Dataset: what is known of prices without reading one, and how to read them.

A run whose every block is known needs the calendar and the digests; prices are read when the first block is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from metabt.data.facts import Facts
from metabt.data.prices import Prices


@dataclass(frozen=True)
class Dataset:
    """The prices of one dataset, unread."""

    facts: Facts
    """What is known of them: name, calendar, symbols, digests."""
    read_prices: Callable[[slice], Prices]
    """Returns its prices in some rows of its calendar: whole partitions."""
    stored: bool = False
    """Its prices lie in a lakehouse: reading them costs something, and should be done once for many."""
    _newest: list[Prices] = field(default_factory=list, init=False)

    @classmethod
    def of(cls, prices: Prices) -> Dataset:
        """Return the dataset of prices that are in memory."""
        return cls(Facts.of(prices), prices.rows)

    @property
    def prices(self) -> Prices:
        """All its prices."""
        return self.since(0)

    def since(self, row: int) -> Prices:
        """Return its prices from `row` of its calendar on or from earlier, as far back as anybody has asked for."""
        dates, parts = self.facts.dates, self.facts.partitions.values()
        first = next((part.start for part in parts if part.start <= row < part.stop), 0)
        if not self._newest or len(self._newest[-1].dates) < len(dates) - first:
            self._newest[:] = [self.read_prices(slice(first, len(dates)))]
        return self._newest[-1]
