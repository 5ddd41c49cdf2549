"""Dataset: what is known of prices without reading one, and how to read them.

1. A run whose every block is known needs the calendar and the digests: the facts.
2. `part` returns what reads some rows, symbols and fields. What is stored is read by what carries no digest and no
   price: it is small, and travels to the process that is to read.
3. Prices are read when the first block is missing, as far back as is asked for.
4. A dataset may be another one with something between its prices and its returns: lives of assets under the symbols of
   its prices (metabt.data.point_in_time.asset_prices), the events that actions make of them
   (metabt.data.point_in_time.with_events), or a step (metabt.data.panel.stepped).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import RLock

from metabt.data.facts import Facts
from metabt.data.point_in_time.tables import PointInTime
from metabt.data.prices import Prices
from metabt.data.step import Step

Names = tuple[str, ...]
FIELDS = ("close", "returns", "volume")
"""What may be wanted of prices: returns need the prices that assets enter a part with."""
FEW = 2
"""Times that a dataset has at least as many symbols as are asked for, where the others are not read with them: who asks
next may want those."""
Part = Callable[[], Prices]
"""Returns a part of a dataset's prices, in whichever process it is called."""
_READING = RLock()
"""Held while prices are read: of the module, since datasets travel between processes and locks do not."""


@dataclass(frozen=True)
class Dataset:
    """The prices of one dataset, unread."""

    facts: Facts
    """What is known of them: name, calendar, symbols, digests."""
    part: Callable[[slice, Names, Names], Part]
    """Returns what reads some rows of its calendar, whole partitions, of some symbols and FIELDS; it may read more
    fields than are wanted."""
    stored: bool = False
    """Its prices lie in a lakehouse: reading them costs something, and should be done once for many."""
    step: Step | None = None
    """What its returns are made by; None: they are those between its closes."""
    beneath: Dataset | None = None
    """The dataset that it is made of, where it has lives, events or a step of its own; None of prices alone."""
    made_of: Callable[[Dataset, Facts], Dataset] | None = None
    """Returns this dataset, given its facts, over another way to read what is beneath; None of prices alone."""
    _newest: list[Prices] = field(default_factory=list, init=False)

    @classmethod
    def of(cls, prices: Prices, point_in_time: PointInTime | None = None) -> Dataset:
        """Return the dataset of prices that are in memory, and of what is dated beside them."""
        return cls(Facts.of(prices, point_in_time), partial(_part, prices))

    @property
    def prices(self) -> Prices:
        """All its prices."""
        return self.since(0)

    def since(self, row: int, symbols: Names | None = None) -> Prices:
        """Return its prices from the partition of `row` of its calendar on, or from an earlier one.

        Row r of the calendar is row `r - (len(self.facts.dates) - len(prices.dates))` of what is returned. It has
        `symbols`, and perhaps others: what is stored is read without the others where these are most; None is all. One
        reading is kept, which serves whoever asks for no more; threads that ask at the same time wait for it.
        """
        dates, parts = self.facts.dates, self.facts.partitions.values()
        first = next((part.start for part in parts if part.start <= row < part.stop), 0)
        with _READING:
            known = self._newest[-1] if self._newest else None
            if known is None or len(known.dates) < len(dates) - first or not self._serves(known, symbols):
                few = self.stored and symbols is not None and len(symbols) * FEW <= len(self.facts.symbols)
                wanted = symbols if few and symbols else self.facts.symbols
                known = self.part(slice(first, len(dates)), wanted, FIELDS)()
                self._newest[:] = [known]
            return known

    def _serves(self, known: Prices, symbols: Names | None) -> bool:
        """Return whether a reading has some symbols; thousands of leaves ask, most of them for the same."""
        if len(known.symbols) == len(self.facts.symbols) or known.symbols is symbols:
            return True
        return symbols is not None and known.has(symbols)

    def whole(self, rows: slice) -> Part:
        """Return what reads all symbols and fields in some rows of its calendar, whole partitions."""
        return self.part(rows, self.facts.symbols, FIELDS)


def _part(prices: Prices, rows: slice, symbols: Names, fields: Names) -> Part:
    return partial(_taken, prices, rows, symbols)


def _taken(prices: Prices, rows: slice, symbols: Names) -> Prices:
    return prices.rows(rows).select(symbols)
