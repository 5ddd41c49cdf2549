"""Dataset: what is known of prices without reading one, and how to read them.

A run whose every block is known needs the calendar and the digests; prices are read when the first block is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from metabt.fingerprint import array_digest, joint_digest
from metabt.prices import Prices, partitions

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
    _parts: dict[tuple[object, ...], str] = field(default_factory=dict)
    _newest: list[Prices] = field(default_factory=list, init=False)

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
        """Return its prices from `row` of its calendar on or from earlier, as far back as anybody has asked for."""
        first = next((part.start for part in self.partitions.values() if part.start <= row < part.stop), 0)
        if not self._newest or len(self._newest[-1].dates) < len(self.dates) - first:
            self._newest[:] = [self.read_prices(slice(first, len(self.dates)))]
        return self._newest[-1]

    @cached_property
    def digests(self) -> Digests:
        """The digests of its symbols, read once."""
        return self.read_digests()

    @cached_property
    def partitions(self) -> dict[str, slice]:
        """Rows of its calendar by partition, in time order."""
        return dict(partitions(self.dates))

    def calendar_digest(self, rows: slice) -> str:
        """Return one digest of the sessions `rows`."""
        key = ("calendar", rows.start, rows.stop)
        if key not in self._parts:
            self._parts[key] = array_digest(self.dates[rows])
        return self._parts[key]

    def digest_of(self, symbols: tuple[str, ...], rows: slice, fields: tuple[str, ...]) -> str:
        """Return one digest of what `symbols` observed in all partitions that `rows` of the calendar touch."""
        return joint_digest(
            self._part(symbols, label, fields)
            for label, part in self.partitions.items()
            if part.stop > rows.start and part.start < rows.stop
        )

    def digest(self, symbols: tuple[str, ...]) -> str:
        """Return one digest of its calendar and of all that `symbols` observed."""
        fields = tuple(sorted({name for _, _, name in self.digests}))
        observed = self.digest_of(symbols, slice(0, len(self.dates)), fields)
        return joint_digest([self.calendar_digest(slice(0, len(self.dates))), str(self.closed), *fields, observed])

    def _part(self, symbols: tuple[str, ...], label: str, fields: tuple[str, ...]) -> str:
        key = (symbols, label, fields)
        if key not in self._parts:
            found = [self.digests.get((symbol, label, name), "") for name in fields for symbol in symbols]
            self._parts[key] = joint_digest([label, *symbols, *fields, *found])
        return self._parts[key]
