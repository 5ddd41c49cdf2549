"""Facts: what is known of a dataset without reading one of its prices, and the digests that address it.

1. `digests` has a digest of what each symbol observed in each partition, by field.
2. `digest_of` joins those of some symbols over some rows of the calendar: the inputs of a block.
3. `digest` joins all of them with the calendar: the inputs of a run.

What many sleeves ask for is worked out once and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from metabt.data.point_in_time.currencies import currencies_of
from metabt.data.point_in_time.membership import member_mask
from metabt.data.point_in_time.signals import NO_SIGNALS, Signal
from metabt.data.point_in_time.tables import PointInTime
from metabt.data.prices import Prices, partitions
from metabt.values.digests import array_digest, joint_digest

Cell = tuple[str, str, str]
"""What a digest covers: symbol, partition, field."""
Digests = Mapping[Cell, str]
"""Cell -> digest, for every partition in which the symbol has an observation."""


@dataclass(frozen=True)
class Facts:
    """What is known of one dataset."""

    name: str
    """The dataset's name."""
    dates: np.ndarray
    """(n_sessions,) datetime64[D], strictly increasing: its own calendar, whichever symbols are wanted."""
    symbols: tuple[str, ...]
    """(n_assets,) the wanted symbols, sorted, each once."""
    closed: bool
    """True when no more data will ever come."""
    has_volume: bool
    """Whether volumes are known of the dataset."""
    read_digests: Callable[[], Digests]
    """Returns the digests of its symbols; called once, when one is first asked for."""
    panel: str | None = None
    """What was stated of its steps at ingestion, as JSON; None is none."""
    point_in_time: PointInTime = PointInTime()
    """What is dated beside its prices."""
    _calendars: dict[tuple[int, int], str] = field(default_factory=dict, init=False)
    _labels: dict[tuple[int, int], tuple[str, ...]] = field(default_factory=dict, init=False)
    _observed: dict[tuple[tuple[str, ...], tuple[str, ...]], dict[str, str]] = field(default_factory=dict, init=False)
    _joined: dict[tuple[tuple[str, ...], ...], str] = field(default_factory=dict, init=False)
    _members: dict[tuple[str, tuple[str, ...]], np.ndarray] = field(default_factory=dict, init=False)
    _signals: dict[tuple[str, tuple[str, ...], str | None], Signal] = field(default_factory=dict, init=False)

    @classmethod
    def of(cls, prices: Prices, point_in_time: PointInTime | None = None) -> Facts:
        """Return the facts of prices that are in memory, and of what is dated beside them."""
        has_volume, digests = prices.volume is not None, partial(digests_of, prices)
        known = point_in_time or PointInTime()
        return cls(prices.name, prices.dates, prices.symbols, prices.closed, has_volume, digests, None, known)

    @classmethod
    def stated(
        cls,
        name: str,
        dates: np.ndarray,
        symbols: tuple[str, ...],
        closed: bool,
        digests: Digests,
        panel: str | None = None,
        point_in_time: PointInTime | None = None,
    ) -> Facts:
        """Return facts whose digests are known already; where there are volumes, every symbol has digests of them."""
        has_volume = any(field == "volume" for _, _, field in digests)
        known = point_in_time or PointInTime()
        return cls(name, dates, symbols, closed, has_volume, partial(_itself, digests), panel, known)

    @cached_property
    def digests(self) -> Digests:
        """The digests of its symbols."""
        return self.read_digests()

    @cached_property
    def currencies(self) -> dict[str, str]:
        """Asset -> its currency, of those that the table `assets` states one of; many sleeves ask.

        Raises
        ------
        DataError
            For an asset with two.
        """
        return currencies_of(self.name, self.point_in_time.tables.get("assets"))

    @cached_property
    def partitions(self) -> dict[str, slice]:
        """Rows of its calendar by partition, in time order."""
        return dict(partitions(self.dates))

    def touched(self, rows: slice) -> tuple[str, ...]:
        """Return the labels of the partitions that `rows` of the calendar touch, in time order; many sleeves ask."""
        span = rows.start, rows.stop
        if span not in self._labels:
            parts = self.partitions.items()
            self._labels[span] = tuple(it for it, part in parts if part.stop > rows.start and part.start < rows.stop)
        return self._labels[span]

    def calendar_digest(self, rows: slice) -> str:
        """Return one digest of the sessions `rows`."""
        span = rows.start, rows.stop
        if span not in self._calendars:
            self._calendars[span] = array_digest(self.dates[rows])
        return self._calendars[span]

    def digest_of(self, symbols: tuple[str, ...], rows: slice, fields: tuple[str, ...]) -> str:
        """Return one digest of what `symbols` observed in all partitions that `rows` of the calendar touch."""
        asked = symbols, self.touched(rows), fields
        if asked not in self._joined:
            self._joined[asked] = joint_digest([self._digest_in(label, symbols, fields) for label in asked[1]])
        return self._joined[asked]

    def members(self, universe: str, symbols: tuple[str, ...]) -> np.ndarray:
        """Return which symbols belong to a universe, as it was known then, in each session of its calendar.

        (n_sessions, n_symbols) bool, read-only; many sleeves ask. A universe that it does not know has no members.
        """
        asked = universe, symbols
        if asked not in self._members:
            table = self.point_in_time.tables.get("members")
            nobody = np.zeros((len(self.dates), len(symbols)), bool)
            found = nobody if table is None else member_mask(table, universe, symbols, self.dates)
            found.flags.writeable = False
            self._members[asked] = found
        return self._members[asked]

    def signal(self, name: str, symbols: tuple[str, ...], start: str | None) -> Signal:
        """Return what a signal decides for a universe in the sessions of its calendar, from `start` on.

        A signal that it does not know decides nothing.
        """
        asked = name, symbols, start
        if asked not in self._signals:
            table = self.point_in_time.tables.get("signals", NO_SIGNALS)
            self._signals[asked] = Signal.of(table, name, symbols, self.dates, start)
        return self._signals[asked]

    def digest(self, symbols: tuple[str, ...]) -> str:
        """Return one digest of its calendar and of all that `symbols` observed."""
        observed = self.digest_of(symbols, slice(0, len(self.dates)), self._fields)
        calendar = self.calendar_digest(slice(0, len(self.dates)))
        return joint_digest([calendar, str(self.closed), *self._fields, observed])

    def first_observed(self, symbols: tuple[str, ...]) -> np.ndarray:
        """Return the first session of the first partition that says anything of each symbol, (n_symbols,); else NaT."""
        return np.array([self._first_observed.get(symbol, "NaT") for symbol in symbols], "datetime64[D]")

    @cached_property
    def _first_observed(self) -> dict[str, np.datetime64]:
        found: dict[str, np.datetime64] = {}
        for symbol, label, _ in self.digests:
            begin = self.dates[self.partitions[label].start]
            found[symbol] = min(found.get(symbol, begin), begin)
        return found

    @cached_property
    def _fields(self) -> tuple[str, ...]:
        return tuple(sorted({name for _, _, name in self.digests}))

    @cached_property
    def _cells(self) -> dict[tuple[str, str], dict[str, str]]:
        """The digests by partition and field, then by symbol: a key takes many symbols of few partitions."""
        cells: dict[tuple[str, str], dict[str, str]] = {}
        for (symbol, label, name), text in self.digests.items():
            cells.setdefault((label, name), {})[symbol] = text
        return cells

    def _digest_in(self, label: str, symbols: tuple[str, ...], fields: tuple[str, ...]) -> str:
        """Return one digest of what `symbols` observed in a partition; many windows touch it."""
        parts = self._observed.setdefault((symbols, fields), {})
        if label not in parts:
            cells = [self._cells.get((label, name), {}) for name in fields]
            found = [cell.get(symbol, "") for cell in cells for symbol in symbols]
            parts[label] = _partition_digest(label, symbols, fields, found)
        return parts[label]


def digests_of(prices: Prices) -> Digests:
    """Return the digests of prices that are in memory."""
    return {(symbol, label, name): text for symbol, label, name, text in prices.digests()}


def digest_of_prices(prices: Prices, fields: tuple[str, ...]) -> str:
    """Return what `Facts.of(prices).digest_of` does for all that they are, without a table of its cells."""
    parts = [
        _partition_digest(label, prices.symbols, fields, [text for name in fields for text in found[name]])
        for label, found in prices.digests_by_partition()
    ]
    return joint_digest(parts)


def _partition_digest(label: str, symbols: tuple[str, ...], fields: tuple[str, ...], found: list[str]) -> str:
    return joint_digest([label, str(len(symbols)), *symbols, *fields, *found])


def _itself(digests: Digests) -> Digests:
    return digests
