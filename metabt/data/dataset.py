"""Dataset: what is known of prices without reading one, and how to read them.

A run whose every block is known needs the calendar and the digests; prices are read when the first block is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from metabt.data.prices import Prices, partitions
from metabt.values.digests import array_digest, joint_digest

Digests = Mapping[tuple[str, str, str], str]
"""(symbol, partition, field) -> digest, for every partition in which the symbol has an observation."""


@dataclass(frozen=True)
class Dataset:
    """The prices of one dataset, unread."""

    name: str
    """The dataset's name."""
    dates: np.ndarray
    """(n_sessions,) datetime64[D], strictly increasing: its calendar, whichever symbols are wanted."""
    symbols: tuple[str, ...]
    """(n_assets,) sorted and unique."""
    closed: bool
    """True when no more data will ever come."""
    read_digests: Callable[[], Digests]
    """Returns the digests of its symbols."""
    read_prices: Callable[[slice], Prices]
    """Returns its prices in some rows of its calendar: whole partitions."""
    stored: bool = False
    """Its prices lie in a lakehouse: reading them costs something, and should be done once for many."""
    _newest: list[Prices] = field(default_factory=list, init=False)
    _calendars: dict[tuple[int, int], str] = field(default_factory=dict, init=False)
    _labels: dict[tuple[int, int], tuple[str, ...]] = field(default_factory=dict, init=False)
    _observed: dict[tuple[tuple[str, ...], tuple[str, ...]], dict[str, str]] = field(default_factory=dict, init=False)

    @classmethod
    def of(cls, panel: Prices) -> Dataset:
        """Return the dataset of prices that are in memory."""

        def digests() -> Digests:
            return {(symbol, label, name): text for symbol, label, name, text in panel.digests()}

        return cls(panel.name, panel.dates, panel.symbols, panel.closed, digests, panel.rows)

    @property
    def prices(self) -> Prices:
        """All its prices."""
        return self.since(0)

    def since(self, row: int) -> Prices:
        """Return its prices from the partition of `row` of its calendar on, or from an earlier one.

        Row r of the calendar is row `r - (len(self.dates) - len(prices.dates))` of what is returned. One reading, the
        longest so far, is kept; threads must not call this at the same time.
        """
        first = next((part.start for part in self.partitions.values() if part.start <= row < part.stop), 0)
        if not self._newest or len(self._newest[-1].dates) < len(self.dates) - first:
            self._newest[:] = [self.read_prices(slice(first, len(self.dates)))]
        return self._newest[-1]

    @cached_property
    def digests(self) -> Digests:
        """The digests of its symbols, read once."""
        return self.read_digests()

    @cached_property
    def _cells(self) -> dict[tuple[str, str], dict[str, str]]:
        """The digests by partition and field, then by symbol: a key takes many symbols of few partitions."""
        cells: dict[tuple[str, str], dict[str, str]] = {}
        for (symbol, label, name), text in self.digests.items():
            cells.setdefault((label, name), {})[symbol] = text
        return cells

    @cached_property
    def partitions(self) -> dict[str, slice]:
        """Rows of its calendar by partition, in time order."""
        return dict(partitions(self.dates))

    def calendar_digest(self, rows: slice) -> str:
        """Return one digest of the sessions `rows`."""
        span = rows.start, rows.stop
        if span not in self._calendars:
            self._calendars[span] = array_digest(self.dates[rows])
        return self._calendars[span]

    def digest_of(self, symbols: tuple[str, ...], rows: slice, fields: tuple[str, ...]) -> str:
        """Return one digest of what `symbols` observed in all partitions that `rows` of the calendar touch."""
        parts = self._digests_of(symbols, fields)
        return joint_digest([parts[label] for label in self._touched(rows)])

    def digest(self, symbols: tuple[str, ...]) -> str:
        """Return one digest of its calendar and of all that `symbols` observed."""
        fields = tuple(sorted({name for _, _, name in self.digests}))
        observed = self.digest_of(symbols, slice(0, len(self.dates)), fields)
        return joint_digest([self.calendar_digest(slice(0, len(self.dates))), str(self.closed), *fields, observed])

    def _touched(self, rows: slice) -> tuple[str, ...]:
        """Return the labels of the partitions that `rows` of the calendar touch: the same for many sleeves."""
        span = rows.start, rows.stop
        if span not in self._labels:
            parts = self.partitions.items()
            self._labels[span] = tuple(it for it, part in parts if part.stop > rows.start and part.start < rows.stop)
        return self._labels[span]

    def _digests_of(self, symbols: tuple[str, ...], fields: tuple[str, ...]) -> dict[str, str]:
        """Return one digest by partition of what `symbols` observed in it."""
        if (symbols, fields) not in self._observed:
            self._observed[symbols, fields] = {}
            for label in self.partitions:
                cells = [self._cells.get((label, name), {}) for name in fields]
                found = [cell.get(symbol, "") for cell in cells for symbol in symbols]
                self._observed[symbols, fields][label] = joint_digest([label, *symbols, *fields, *found])
        return self._observed[symbols, fields]
