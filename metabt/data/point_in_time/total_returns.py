"""Total returns: what actions and delistings make of the returns between raw prices.

1. An action takes effect with the asset's first price on or after its ex-date: `r_t = (p_t f + d) / p_s - 1`, with s
   the asset's previous observed session, f the splits of (s, t] and d what was distributed in (s, t], both by one share
   of s. Of one day, splits come before distributions: a dividend is paid on what a share has become.
2. What is received in other assets is valued at their last close up to t.
3. A merger takes effect in the first session on or after its ex-date, whether there is a price in it or not: the share
   has become what is paid for it, and the asset ends.
4. A delisting takes effect in the first session on or after its date: its return is compounded with that of the
   session, unless prices end with it already, and the asset ends. After a merger there is nothing left to delist.

References
----------
CRSP, *Data Descriptions Guide*: holding-period returns with factors to adjust prices; Shumway, "The Delisting Bias in
CRSP Data", Journal of Finance 52 (1997).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isnan

import numpy as np

from metabt.data.point_in_time.events import ENDS, STATED, Events
from metabt.data.point_in_time.tables import DatedTable, PointInTime
from metabt.errors import DataError


@dataclass(frozen=True)
class Observed:
    """What actions are applied to: the prices of some consecutive sessions, and what lies ahead of them."""

    dates: np.ndarray
    """(n_sessions,) datetime64[D]"""
    symbols: tuple[str, ...]
    """(n_assets,)"""
    close: np.ndarray
    """(n_sessions, n_assets) raw closes, NaN where there was none."""
    last: np.ndarray
    """(n_sessions, n_assets) the last close up to and including the session, NaN before the first."""
    entry: np.ndarray
    """(n_assets,) last close before the first session, NaN where there was none."""
    entered: np.ndarray
    """(n_assets,) datetime64[D] of it, NaT where there was none."""
    since: np.datetime64
    """The session before the first; NaT where there is none."""


def events_of(name: str, seen: Observed, known: PointInTime) -> Events:
    """Return the returns that actions and delistings make of a dataset's prices, and where assets end.

    Parameters
    ----------
    name : str
        The dataset's name, for messages.
    seen : Observed
        Prices of whole partitions, of all assets that are to have events and of all that these turn into.
    known : PointInTime
        The dataset's tables.

    Raises
    ------
    DataError
        For a price after an asset has ended, and for something received that has no price by then.
    """
    place = {symbol: column for column, symbol in enumerate(seen.symbols)}
    actions, delistings = (known.tables.get(table) for table in ("actions", "delistings"))
    named = {it for table in (actions, delistings) if table is not None for it in table.first_texts}
    found: list[tuple[int, int, float, bool, int]] = []
    for symbol in sorted(named & place.keys()):
        asset = _Asset(name, symbol, place[symbol], seen)
        ahead = [] if actions is None else list(_actions(actions, symbol))
        gone = [] if delistings is None else list(_delistings(delistings, symbol))
        found += asset.events(ahead, gone, place)
    return Events.of(*zip(*found, strict=True)) if found else Events.none()


SPLITS = ("split", "stock")
"""Kinds of actions that change how many shares there are."""


@dataclass(frozen=True, slots=True)
class _Action:
    date: np.datetime64
    kind: str
    ratio: float
    cash: float
    into: str | None

    @property
    def growth(self) -> float:
        """Shares that one share becomes."""
        if self.kind not in SPLITS:
            return 1.0
        return self.ratio if self.kind == "split" else 1.0 + self.ratio


@dataclass(frozen=True)
class _Delisting:
    date: np.datetime64
    stated: float
    kind: str
    included: bool


def _actions(table: DatedTable, symbol: str) -> Iterator[_Action]:
    """Yield an asset's actions by date, those of a day that change shares first."""
    rows = table.rows_of(symbol)
    kinds, into = table.texts("kind"), table.texts("into")
    names, received = (*kinds.values, ""), (*into.values, None)
    columns = (
        table.numbers("ex_date")[rows],
        [names[code] for code in kinds.codes[rows].tolist()],
        table.numbers("ratio")[rows].tolist(),
        np.where(np.isnan(table.numbers("cash")[rows]), 0.0, table.numbers("cash")[rows]).tolist(),
        [received[code] for code in into.codes[rows].tolist()],  # -1 is the last of them
    )
    own = [_Action(*values) for values in zip(*columns, strict=True)]
    yield from sorted(own, key=lambda it: (it.date, it.kind not in SPLITS, it.kind == "merger"))


def _delistings(table: DatedTable, symbol: str) -> Iterator[_Delisting]:
    rows, kinds = table.rows_of(symbol), table.texts("kind")
    for row in range(rows.start, rows.stop):
        stated, included = float(table.numbers("return")[row]), bool(table.numbers("included")[row])
        yield _Delisting(table.numbers("date")[row], stated, kinds.values[kinds.codes[row]], included)


class _Asset:
    """One asset's sessions, in which its actions take effect."""

    def __init__(self, name: str, symbol: str, column: int, seen: Observed) -> None:
        self.name, self.symbol, self.column, self.seen = name, symbol, column, seen
        self.rows = np.flatnonzero(~np.isnan(seen.close[:, column]))  # sessions with a price
        self.days = seen.dates[self.rows]

    def events(
        self, actions: list[_Action], delistings: list[_Delisting], place: Mapping[str, int]
    ) -> list[tuple[int, int, float, bool, int]]:
        """Return the events of the asset: session, asset, return, whether it ends, and what of it is missing."""
        end = self._end(actions, delistings)
        found, by_row = [], self._by_row([it for it in actions if it.kind != "merger"], end)
        for row, due in by_row.items():
            if end is None or row != end:
                value, previous = self._worth(row, due, place, self.seen.close[row, self.column]), self._previous(row)
                found.append((row, self.column, value / previous - 1.0, False, STATED))
        if end is not None and not isnan(self._previous(end)):
            found.append(self._ending(end, by_row.get(end, []), actions, delistings, place))
        return found

    def _session(self, date: np.datetime64) -> int | None:
        """Return the first session on or after a date, if it is one of these."""
        if not np.isnat(self.seen.since) and date <= self.seen.since:
            return None
        row = int(np.searchsorted(self.seen.dates, date))
        return row if row < len(self.seen.dates) else None

    def _end(self, actions: list[_Action], delistings: list[_Delisting]) -> int | None:
        """Return the session in which the asset ends, if it is one of these.

        Raises
        ------
        DataError
            If it has a price after that.
        """
        dates = [it.date for it in actions if it.kind == "merger"] + [it.date for it in delistings]
        end = self._session(min(dates)) if dates else None
        gone = min(dates) if dates else None
        later = self.days[self.days > (self.seen.dates[end] if end is not None else gone)] if dates else self.days[:0]
        if len(later):
            raise DataError(
                f"dataset '{self.name}': {self.symbol} has a price on {later[0]}, after it ended on {gone} "
                f"({len(later)} such prices); correct its delisting or its merger, or drop those prices"
            )
        return end

    def _by_row(self, actions: list[_Action], end: int | None) -> dict[int, list[_Action]]:
        """Return the actions by the session in which they take effect, of those that take it in these sessions."""
        found: dict[int, list[_Action]] = {}
        if not actions:
            return found
        entered, dates = self.seen.entered[self.column], np.array([it.date for it in actions])
        places = np.searchsorted(self.days, dates)
        is_new = (places > 0) | bool(np.isnat(entered)) | (dates > entered)
        # no price comes any more: what was distributed is paid with the end
        at_end = np.zeros(len(actions), bool) if end is None else dates <= self.seen.dates[end]
        for action, k, new, ends in zip(actions, places.tolist(), is_new.tolist(), at_end.tolist(), strict=True):
            row = int(self.rows[k]) if k < len(self.days) else end if ends else None
            if new and row is not None and not isnan(self._previous(row)):
                found.setdefault(row, []).append(action)
        return found

    def _previous(self, row: int) -> float:
        """Return the last price before a session, NaN where there is none."""
        return float(self.seen.last[row - 1, self.column] if row else self.seen.entry[self.column])

    def _worth(self, row: int, due: list[_Action], place: Mapping[str, int], price: float) -> float:
        """Return what one share of the session before has become in a session, in which a share is worth `price`."""
        shares, received = 1.0, 0.0
        for action in due:
            shares *= action.growth
            received += shares * self._received(row, action, place)
        return price * shares + received

    def _received(self, row: int, action: _Action, place: Mapping[str, int]) -> float:
        """Return what a share receives by an action, beside shares of its own."""
        if action.into is None:
            return action.cash
        close = float(self.seen.last[row, place[action.into]]) if action.into in place else np.nan
        if np.isnan(close):
            raise DataError(
                f"dataset '{self.name}': {self.symbol} turned into {action.into} on {action.date} ({action.kind}), "
                f"which has no price by {self.seen.dates[row]}; ingest its prices, or state the value as cash"
            )
        return action.cash + action.ratio * close

    def _ending(
        self,
        row: int,
        due: list[_Action],
        actions: list[_Action],
        delistings: list[_Delisting],
        place: Mapping[str, int],
    ) -> tuple[int, int, float, bool, int]:
        """Return the event of the session in which the asset ends."""
        before = self._previous(row)
        mergers = [it for it in actions if it.kind == "merger"]
        if mergers and self._session(mergers[0].date) == row:
            paid = self._received(row, mergers[0], place)
            return row, self.column, self._worth(row, due, place, paid) / before - 1.0, True, STATED
        gone, price = delistings[0], float(self.seen.close[row, self.column])
        if np.isnan(price):  # its last price stands for one share of then
            shares = float(np.prod([it.growth for it in due]))
            price = before / shares
        grown = self._worth(row, due, place, price) / before
        if gone.included:
            return row, self.column, grown - 1.0, True, STATED
        if np.isnan(gone.stated):
            return row, self.column, grown - 1.0, True, ENDS.index(gone.kind)
        return row, self.column, grown * (1.0 + gone.stated) - 1.0, True, STATED
