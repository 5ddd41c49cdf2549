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
from metabt.values.tables import Coded


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
    found: list[tuple[np.ndarray, ...]] = []
    for symbol in sorted(named & place.keys()):
        asset = _Asset(name, symbol, place[symbol], seen)
        gone = [] if delistings is None else list(_delistings(delistings, symbol))
        found += asset.events(None if actions is None else _Actions.of(actions, symbol), gone, place)
    return Events.of(*(np.concatenate(each) for each in zip(*found, strict=True))) if found else Events.none()


SPLITS = ("split", "stock")
"""Kinds of actions that change how many shares there are."""


@dataclass(frozen=True, slots=True)
class _Actions:
    """Actions of one asset by date, those of a day that change shares first; (n_actions,) each."""

    names: tuple[str, ...]
    """Code -> the asset that is received."""
    date: np.ndarray
    """datetime64[D]"""
    growth: np.ndarray
    """Shares that one share becomes."""
    ratio: np.ndarray
    """What is received of another asset, per share."""
    cash: np.ndarray
    """What is paid per share, 0 where nothing is."""
    into: np.ndarray
    """Code of the asset that is received, -1 for none."""
    merges: np.ndarray
    """bool: the asset ends with it."""

    @classmethod
    def of(cls, table: DatedTable, symbol: str) -> _Actions:
        """Return the actions of an asset."""
        rows, kinds, into = table.rows_of(symbol), table.texts("kind"), table.texts("into")
        codes, dates = kinds.codes[rows], table.numbers("ex_date")[rows]
        split, stock, merges = (codes == _code(kinds, kind) for kind in (*SPLITS, "merger"))
        ratio, cash = table.numbers("ratio")[rows], table.numbers("cash")[rows]
        growth = np.where(split, ratio, np.where(stock, 1.0 + ratio, 1.0))
        paid = np.where(np.isnan(cash), 0.0, cash)
        order = np.lexsort([merges, ~(split | stock), dates])
        columns = (dates, growth, ratio, paid, into.codes[rows], merges)
        return cls(into.values, *(column[order] for column in columns))

    def __len__(self) -> int:
        """Return the number of actions."""
        return len(self.date)

    def take(self, chosen: np.ndarray) -> _Actions:
        """Return some of them, a mask or positions."""
        columns = (self.date, self.growth, self.ratio, self.cash, self.into, self.merges)
        return _Actions(self.names, *(column[chosen] for column in columns))


def _code(column: Coded, text: str) -> int:
    """Return the code of a text, -2 where no row has it: -1 says that there is none."""
    return column.values.index(text) if text in column.values else -2


@dataclass(frozen=True)
class _Delisting:
    date: np.datetime64
    stated: float
    kind: str
    included: bool


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
        self, actions: _Actions | None, delistings: list[_Delisting], place: Mapping[str, int]
    ) -> list[tuple[np.ndarray, ...]]:
        """Return the events of the asset as columns of `Events`: sessions, assets, returns, ends, what is missing."""
        mergers = None if actions is None else actions.take(actions.merges)
        end = self._end(mergers, delistings)
        found, at_end = [], None
        if actions is not None:
            others = actions.take(~actions.merges)
            rows = self._rows_of(others, end)
            at_end = others.take(rows == end)
            before = (rows >= 0) & (rows != end)
            found += self._passing(others.take(before), rows[before], place)
        if end is not None and not isnan(self._previous(end)):
            value, missing = self._ending(end, at_end, mergers, delistings, place)
            found.append(self._columns(np.array([end]), np.array([value]), ends=True, missing=missing))
        return found

    def _columns(
        self, rows: np.ndarray, returns: np.ndarray, *, ends: bool = False, missing: int = STATED
    ) -> tuple[np.ndarray, ...]:
        n = len(rows)
        return rows, np.full(n, self.column), returns, np.full(n, ends), np.full(n, missing)

    def _passing(self, due: _Actions, rows: np.ndarray, place: Mapping[str, int]) -> list[tuple[np.ndarray, ...]]:
        """Return the events of sessions in which the asset goes on; (n_actions,) `rows` never decrease."""
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        counts = np.diff([*first, len(rows)])
        # most sessions have one action, and most of these pay cash or change shares: those are worked out together
        plain = (counts == 1) & (due.into[first] < 0)
        one, at = due.take(first[plain]), rows[first[plain]]
        values = self.seen.close[at, self.column] * one.growth + one.growth * one.cash
        found = [self._columns(at, values / self._previous_of(at) - 1.0)] if len(at) else []
        for begin, count in zip(first[~plain].tolist(), counts[~plain].tolist(), strict=True):
            row = int(rows[begin])
            own = due.take(np.arange(begin, begin + count))
            value = self._worth(row, own, place, float(self.seen.close[row, self.column]))
            found.append(self._columns(np.array([row]), np.array([value / self._previous(row) - 1.0])))
        return found

    def _session(self, date: np.datetime64) -> int | None:
        """Return the first session on or after a date, if it is one of these."""
        if not np.isnat(self.seen.since) and date <= self.seen.since:
            return None
        row = int(np.searchsorted(self.seen.dates, date))
        return row if row < len(self.seen.dates) else None

    def _end(self, mergers: _Actions | None, delistings: list[_Delisting]) -> int | None:
        """Return the session in which the asset ends, if it is one of these.

        Raises
        ------
        DataError
            If it has a price after that.
        """
        dates = [] if mergers is None else list(mergers.date)
        dates += [it.date for it in delistings]
        end = self._session(min(dates)) if dates else None
        gone = min(dates) if dates else None
        later = self.days[self.days > (self.seen.dates[end] if end is not None else gone)] if dates else self.days[:0]
        if len(later):
            raise DataError(
                f"dataset '{self.name}': {self.symbol} has a price on {later[0]}, after it ended on {gone} "
                f"({len(later)} such prices); correct its delisting or its merger, or drop those prices"
            )
        return end

    def _rows_of(self, actions: _Actions, end: int | None) -> np.ndarray:
        """Return the session in which each action takes effect, (n_actions,) int64; -1 where it is none of these."""
        entered = self.seen.entered[self.column]
        places = np.searchsorted(self.days, actions.date)
        is_new = (places > 0) | bool(np.isnat(entered)) | (actions.date > entered)
        priced = places < len(self.days)
        rows = np.full(len(actions), -1, np.int64)
        rows[priced] = self.rows[places[priced]]
        if end is not None:
            # no price comes any more: what was distributed is paid with the end
            rows[~priced & (actions.date <= self.seen.dates[end])] = end
        began = rows >= 0
        began[began] = ~np.isnan(self._previous_of(rows[began]))
        return np.where(is_new & began, rows, -1)

    def _previous(self, row: int) -> float:
        """Return the last price before a session, NaN where there is none."""
        return float(self._previous_of(np.array([row]))[0])

    def _previous_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the last price before each of some sessions, (n_rows,), NaN where there is none."""
        return np.where(rows > 0, self.seen.last[rows - 1, self.column], self.seen.entry[self.column])

    def _worth(self, row: int, due: _Actions, place: Mapping[str, int], price: float) -> float:
        """Return what one share of the session before has become in a session, in which a share is worth `price`."""
        shares, received = 1.0, 0.0
        for k in range(len(due)):
            shares *= float(due.growth[k])
            received += shares * self._received(row, due, k, place)
        return price * shares + received

    def _received(self, row: int, actions: _Actions, k: int, place: Mapping[str, int]) -> float:
        """Return what a share receives by the action `k`, beside shares of its own."""
        cash, code = float(actions.cash[k]), int(actions.into[k])
        if code < 0:
            return cash
        into, kind = actions.names[code], "merger" if actions.merges[k] else "spinoff"
        close = float(self.seen.last[row, place[into]]) if into in place else np.nan
        if np.isnan(close):
            raise DataError(
                f"dataset '{self.name}': {self.symbol} turned into {into} on {actions.date[k]} ({kind}), "
                f"which has no price by {self.seen.dates[row]}; ingest its prices, or state the value as cash"
            )
        return cash + float(actions.ratio[k]) * close

    def _ending(
        self,
        row: int,
        due: _Actions | None,
        mergers: _Actions | None,
        delistings: list[_Delisting],
        place: Mapping[str, int],
    ) -> tuple[float, int]:
        """Return the return of the session in which the asset ends, and what of it is missing."""
        before = self._previous(row)

        def grown(price: float) -> float:
            return (price if due is None else self._worth(row, due, place, price)) / before

        if mergers is not None and len(mergers) and self._session(mergers.date[0]) == row:
            return grown(self._received(row, mergers, 0, place)) - 1.0, STATED
        gone, price = delistings[0], float(self.seen.close[row, self.column])
        if np.isnan(price):  # its last price stands for one share of then
            price = before / (1.0 if due is None else float(np.prod(due.growth)))
        became = grown(price)
        if gone.included:
            return became - 1.0, STATED
        if np.isnan(gone.stated):
            return became - 1.0, ENDS.index(gone.kind)
        return became * (1.0 + gone.stated) - 1.0, STATED
