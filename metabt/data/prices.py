"""Prices: the prices of one dataset as sessions x assets, and the simple returns between them.

1. A dataset's calendar is every date on which at least one of its symbols has a price.
2. `r_t = p_t / p_s - 1`, with s the asset's previous observed session; between observations an asset is
   valued at its last price, so its return is 0 and `priced` is False.
3. They are cut into partitions (calendar years). A partition's digest covers its own observations and the price each
   asset entered it with, so the returns inside it are a function of what the digest covers.
4. Some rows alone, with the price that each asset enters them with, have the returns that they have in the whole.
5. A session in which more happened to an asset than its price says, such as a split, is an event with a return of its
   own (metabt.data.point_in_time.events): prices stay as they were observed.
6. Where a dataset has a step (metabt.data.panel.stepped), its returns are stated beside the prices, which stay as they
   are: returns over longer steps than sessions compound those.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from metabt.data.point_in_time.events import Events, join_events
from metabt.errors import DataError
from metabt.values.arguments import shown, word


@dataclass(frozen=True, repr=False)
class Prices:
    """Prices of one dataset, sessions x assets.

    An array that owns its memory becomes read-only; of a view, whose base could still be written to, a copy is kept.
    """

    name: str
    """The dataset's name."""
    dates: np.ndarray
    """(n_sessions,) datetime64[D], strictly increasing."""
    symbols: tuple[str, ...]
    """(n_assets,) sorted and unique."""
    close: np.ndarray
    """(n_sessions, n_assets) float64 closes, NaN where there was no price."""
    volume: np.ndarray | None = None
    """(n_sessions, n_assets) float64 shares traded, NaN where unknown; None where the dataset has none."""
    closed: bool = False
    """True when no more data will ever come, so the dataset does not hold a tree at its last date."""
    entry: np.ndarray | None = None
    """(n_assets,) last price before the first session, NaN where there was none; None where there was none at all."""
    stated: np.ndarray | None = None
    """(n_sessions, n_assets) returns that a step has made, NaN where it gives none; None: those between the prices."""
    events: Events | None = None
    """Returns that are more than a ratio of prices, and where assets end; None: nothing is known of any."""
    entered: np.ndarray | None = None
    """(n_assets,) datetime64[D] of the prices in `entry`, NaT where there is none; None where nobody knows."""

    def __post_init__(self) -> None:
        """Check the shape, the order and every price.

        Raises
        ------
        DataError
            For arrays of another kind or shape, unsorted dates or symbols, or a price that is zero, negative or
            infinite.
        """
        self._check_kinds()
        if self.close.shape != (len(self.dates), len(self.symbols)):
            raise DataError(
                f"dataset '{self.name}': closes have shape {self.close.shape}, "
                f"wanted (sessions, symbols) = {(len(self.dates), len(self.symbols))}"
            )
        if (np.diff(self.dates) <= np.timedelta64(0)).any():
            raise DataError(f"dataset '{self.name}': dates must be strictly increasing; sort them and drop repeats")
        if list(self.symbols) != sorted(set(self.symbols)):
            raise DataError(f"dataset '{self.name}': symbols must be sorted and unique")
        check_prices(self.name, self.dates, self.symbols, self.close)
        for name in ("dates", "close", "volume", "entry", "stated", "entered"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _frozen(_own(getattr(self, name))))

    def _check_kinds(self) -> None:
        word("dataset", self.name, needed=True)
        who = f"dataset '{self.name}'"
        if not isinstance(self.dates, np.ndarray) or self.dates.dtype.kind != "M":
            raise DataError(f"{who}: dates are {shown(self.dates)}, wanted an array: np.array(dates, 'datetime64[D]')")
        if not isinstance(self.symbols, list | tuple) or not all(isinstance(it, str) for it in self.symbols):
            raise DataError(f"{who}: symbols are {shown(self.symbols)}, wanted a tuple of texts: tuple(symbols)")
        for name, array in (
            *(("close", self.close), ("volume", self.volume)),
            *(("entry", self.entry), ("stated", self.stated)),
        ):
            if array is not None and (not isinstance(array, np.ndarray) or array.dtype != np.float64):
                raise DataError(f"{who}: {name} is {shown(array)}, wanted an array: np.array({name}, float)")
        if self.volume is not None and self.volume.shape != self.close.shape:
            raise DataError(f"{who}: volumes have shape {self.volume.shape}, wanted {self.close.shape}, as closes have")
        if self.stated is not None and self.stated.shape != self.close.shape:
            raise DataError(f"{who}: returns have shape {self.stated.shape}, wanted {self.close.shape}, as closes have")

    def __repr__(self) -> str:
        dates = self.dates.astype("datetime64[D]")
        period = f"{dates[0]} .. {dates[-1]}: " if len(dates) else ""
        fields = "close" + ", volume" * (self.volume is not None)
        ended = "; closed" * self.closed
        return (
            f"Prices({self.name!r}, {period}{len(dates):,} sessions; symbols: {len(self.symbols):,}; "
            f"fields: {fields}{ended})"
        )

    @cached_property
    def priced(self) -> np.ndarray:
        """(n_sessions, n_assets) bool: the asset has a price in the session."""
        return _frozen(~np.isnan(self.close))

    @cached_property
    def complete(self) -> bool:
        """True if every asset has a price in every session, and its returns are those between them."""
        return self.stated is None and bool(self.priced.all())

    @cached_property
    def _place(self) -> dict[str, int]:
        return {symbol: column for column, symbol in enumerate(self.symbols)}

    @cached_property
    def _entered(self) -> np.ndarray:
        """(n_assets,) last price before the first session, NaN where there was none."""
        return np.full(len(self.symbols), np.nan) if self.entry is None else self.entry

    @cached_property
    def last(self) -> np.ndarray:
        """(n_sessions, n_assets) the last observed price up to and including the session, NaN before the first."""
        if self.complete:
            return self.close
        rows = np.where(self.priced, np.arange(len(self.dates))[:, None], -1)
        rows = np.maximum.accumulate(rows, axis=0)
        filled = np.take_along_axis(self.close, np.maximum(rows, 0), axis=0)
        return _frozen(np.where(rows < 0, self._entered, filled))

    @cached_property
    def _previous(self) -> np.ndarray:
        """(n_sessions, n_assets) the last observed price before the session, NaN before the first."""
        return _frozen(np.concatenate([self._entered[None], self.last[:-1]]))

    @cached_property
    def returns(self) -> np.ndarray:
        """(n_sessions, n_assets) simple returns; 0 where `observed` is False."""
        if self.stated is not None:
            return _frozen(np.nan_to_num(self.stated, nan=0.0))
        returns = self._ratios()
        if self.events is not None:
            returns[self.events.rows, self.events.columns] = self.events.returns
        return _frozen(returns)

    def _ratios(self) -> np.ndarray:
        """Return what prices changed by since the last one, (n_sessions, n_assets), 0 where either is missing."""
        if self.complete:
            returns = np.empty_like(self.close)
            np.divide(self.close[1:], self.close[:-1], out=returns[1:])
            returns[:1] = self.close[:1] / self._entered
            returns -= 1.0
            returns[:1][np.isnan(returns[:1])] = 0.0
            return returns
        between = self.priced & ~np.isnan(self._previous)
        returns = np.zeros_like(self.close)
        np.divide(self.close, self._previous, out=returns, where=between)
        returns[between] -= 1.0
        return returns

    @cached_property
    def returns_by_asset(self) -> np.ndarray:
        """(n_assets, n_sessions) the same returns, those of an asset beside each other.

        Some assets' whole histories are cut out of it many times faster.
        """
        return _frozen(np.ascontiguousarray(self.returns.T))

    @cached_property
    def observed(self) -> np.ndarray:
        """(n_sessions, n_assets) bool: the asset has a price in the session and had one before it, or an event.

        Where returns are stated: the asset has one in the session.
        """
        if self.stated is not None:
            return _frozen(~np.isnan(self.stated))
        if self.complete:
            observed = np.ones(self.close.shape, bool)
            observed[:1] = ~np.isnan(self._entered)
            return _frozen(observed)
        observed = self.priced & ~np.isnan(self._previous)
        if self.events is not None:
            observed[self.events.rows, self.events.columns] = True
        return _frozen(observed)

    @cached_property
    def dollar_volume(self) -> np.ndarray | None:
        """(n_sessions, n_assets) close x volume, NaN where either is missing; None without volume."""
        return None if self.volume is None else _frozen(self.close * self.volume)

    def returns_between(self, sessions: np.ndarray) -> np.ndarray:
        """Return simple returns over longer steps than sessions: from each of some dates to the next.

        Parameters
        ----------
        sessions : (n_dates,) datetime64[D]
            Strictly increasing, at least one; they need not be sessions of this dataset.

        Returns
        -------
        (n_dates - 1, n_assets) float64
            What the last price at or before a date changed by until the next date; 0 before an asset's first price.
        """
        rows = np.searchsorted(self.dates, sessions, side="right") - 1
        if rows[0] >= 0 and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
            return self.returns[rows[0] + 1 : rows[-1] + 1]
        if self.stated is not None:
            return _compounded(self.returns, rows)
        last = np.where((rows >= 0)[:, None], self.last[np.maximum(rows, 0)], self._entered)
        found = np.nan_to_num(last[1:] / last[:-1] - 1.0, nan=0.0)
        if self.events is not None:  # what has none in a step keeps its bits
            step = np.searchsorted(rows, self.events.rows) - 1
            inside = (step >= 0) & (step < len(found))
            cells = zip(step[inside].tolist(), self.events.columns[inside].tolist(), strict=True)
            for place, column in sorted(it for it in set(cells) if not np.isnan(last[it])):
                moves = self.returns[rows[place] + 1 : rows[place + 1] + 1, column]
                found[place, column] = np.multiply.accumulate(1.0 + moves)[-1] - 1.0  # one after another
        return found

    def has(self, symbols: Sequence[str]) -> bool:
        """Return whether it has all of some symbols.

        Parameters
        ----------
        symbols : sequence of str
            Any texts.

        Returns
        -------
        bool
        """
        return all(symbol in self._place for symbol in symbols)

    def columns(self, symbols: Sequence[str]) -> np.ndarray:
        """Return the columns of some symbols.

        Parameters
        ----------
        symbols : sequence of str
            Symbols of the dataset; KeyError for another.

        Returns
        -------
        (n_symbols,) int64
            Positions in `symbols` and in the columns of every matrix.
        """
        return np.array([self._place[symbol] for symbol in symbols], np.int64)

    def select(self, symbols: Sequence[str]) -> Prices:
        """Return some symbols alone, on the dataset's whole calendar.

        Parameters
        ----------
        symbols : sequence of str
            Symbols of the dataset, sorted and unique; KeyError for another.

        Returns
        -------
        Prices
            This object itself where all symbols are chosen, else copies of the columns.

        Raises
        ------
        DataError
            For symbols out of order, or one that is there twice.
        """
        if tuple(symbols) == self.symbols:
            return self
        columns = self.columns(symbols)
        volume = None if self.volume is None else np.ascontiguousarray(self.volume[:, columns])
        close = np.ascontiguousarray(self.close[:, columns])
        entry = None if self.entry is None else self.entry[columns]
        stated = None if self.stated is None else np.ascontiguousarray(self.stated[:, columns])
        events = None if self.events is None else self.events.select(columns, len(self.symbols))
        entered = None if self.entered is None else self.entered[columns]
        kept = (close, volume, self.closed, entry, stated, events, entered)
        return Prices(self.name, self.dates, tuple(symbols), *kept)

    def rows(self, rows: slice) -> Prices:
        """Return some consecutive sessions alone; their returns are those that they have here.

        Parameters
        ----------
        rows : slice
            Positions of sessions, of step 1.

        Returns
        -------
        Prices
            Its `entry` is the last price of each asset before the first of the sessions, `entered` the date of that.
        """
        first, stop, _ = rows.indices(len(self.dates))
        if stop - first == len(self.dates):
            return self
        entry = self.last[first - 1] if first else self.entry
        volume = None if self.volume is None else self.volume[rows]
        stated = None if self.stated is None else self.stated[rows]
        events = None if self.events is None else self.events.within(slice(first, stop))
        entered = self._entered_at(first) if first else self.entered
        kept = (self.close[rows], volume, self.closed, entry, stated, events, entered)
        return Prices(self.name, self.dates[rows], self.symbols, *kept)

    def _entered_at(self, row: int) -> np.ndarray | None:
        """Return the dates of the last prices before a row, NaT where there is none; None where not all are known."""
        seen = self.priced[:row]
        last, some = row - 1 - np.argmax(seen[::-1], axis=0), seen.any(axis=0)
        if self.entered is None and not np.isnan(self._entered[~some]).all():
            return None
        earlier = np.datetime64("NaT", "D") if self.entered is None else self.entered
        return np.where(some, self.dates[last], earlier)

    def digests(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield a digest of what each symbol observed in each partition in which it has a price.

        Yields
        ------
        symbol : str
            Whose observations they are.
        partition : str
            Calendar year, such as 2020.
        field : str
            close, which covers the price that the symbol enters the partition with, and returns that are stated; or
            volume.
        digest : str
            SHA-256 (hex) of dates and values.
        """
        for label, fields in self.digests_by_partition():
            for column, symbol in enumerate(self.symbols):
                for name, texts in fields.items():
                    if texts[column]:
                        yield symbol, label, name, texts[column]

    def digests_by_partition(self) -> Iterator[tuple[str, dict[str, list[str]]]]:
        """Yield each partition with the digests of its fields, as `digests` has them.

        Yields
        ------
        partition : str
        digests : dict of str to list of str
            close, and volume if it is known -> digests, (n_assets,); empty where an asset has no price in it.
        """
        for label, rows in partitions(self.dates):
            entry = self.last[rows.start - 1] if rows.start else self._entered
            dates = self.dates[rows].astype("datetime64[D]").astype(np.int64)
            seen = np.ascontiguousarray(self.priced[rows].T)
            found = {"close": _digests(dates, seen, self.close[rows], entry)}
            if self.stated is not None:
                pairs = zip(found["close"], _digests(dates, seen, self.stated[rows], None), strict=True)
                found["close"] = [hashlib.sha256(f"{one} {other}".encode()).hexdigest() for one, other in pairs]
            if self.volume is not None:
                found["volume"] = _digests(dates, seen, self.volume[rows], None)
            for column in np.flatnonzero(~seen.any(axis=1)).tolist():
                for texts in found.values():
                    texts[column] = ""
            if self.events is not None:
                self._with_events(self.events.within(rows), found["close"])
            yield label, found

    @staticmethod
    def _with_events(own: Events, closes: list[str]) -> None:
        """Have the digests of a partition's closes cover its events as well."""
        for column in np.unique(own.columns).tolist():
            of_asset = np.ascontiguousarray(own.matrix[[0, 2, 3, 4]][:, own.columns == column])  # wherever it stands
            closes[column] = hashlib.sha256(closes[column].encode() + of_asset.tobytes()).hexdigest()


def join_rows(parts: Sequence[Prices]) -> Prices:
    """Return consecutive sessions of the same symbols, in time order and at least one part, as one."""
    first = parts[0]
    if len(parts) == 1:
        return first
    volumes = [part.volume for part in parts if part.volume is not None]
    stated = [part.stated for part in parts if part.stated is not None]
    return replace(
        first,
        dates=np.concatenate([part.dates for part in parts]),
        close=np.concatenate([part.close for part in parts]),
        volume=np.concatenate(volumes) if volumes else None,
        stated=np.concatenate(stated) if stated else None,
        events=join_events([(len(part.dates), part.events) for part in parts]),
        closed=parts[-1].closed,
    )


def _compounded(returns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return what `returns` compound to after each of some rows, up to the next; rows of -1 are before the first."""
    found = returns[np.maximum(rows[1:], 0)]  # a step of one session is its return, to the bit
    for place in np.flatnonzero(np.diff(rows) != 1).tolist():
        growth = np.ones(returns.shape[1])
        for row in returns[rows[place] + 1 : rows[place + 1] + 1]:  # in time order, whichever assets there are
            growth *= 1.0 + row
        found[place] = growth - 1.0
    return found


def observed_digests(dates: np.ndarray, values: np.ndarray) -> Iterator[tuple[str, int, str]]:
    """Yield partition, asset and a digest of the dates and values that the asset observed in it.

    Parameters
    ----------
    dates : (n_sessions,) datetime64[D]
        Strictly increasing.
    values : (n_sessions, n_assets) float64
        NaN where nothing was observed.

    Yields
    ------
    partition : str
    asset : int
    digest : str
        SHA-256 (hex).
    """
    for label, rows in partitions(dates):
        seen = np.ascontiguousarray(~np.isnan(values[rows].T))
        found = _digests(dates[rows].astype("datetime64[D]").astype(np.int64), seen, values[rows], None)
        yield from ((label, asset, found[asset]) for asset in np.flatnonzero(seen.any(axis=1)).tolist())


def _digests(dates: np.ndarray, seen: np.ndarray, values: np.ndarray, entry: np.ndarray | None) -> list[str]:
    """Return one SHA-256 (hex) by asset of the number of its sessions, their dates, what it enters with, its values.

    Parameters
    ----------
    dates : (n_sessions,) int64
    seen : (n_assets, n_sessions) bool, which sessions are its own
    values : (n_sessions, n_assets) float64
    entry : (n_assets,) float64; None leaves it out
    """
    ahead = int(entry is not None)
    rows = np.empty((len(seen), ahead + len(dates)))
    rows[:, :ahead] = 0.0 if entry is None else entry[:, None]
    rows[:, ahead:] = values.T
    whole, complete = _begun(dates), np.atleast_1d(seen.all(axis=1))
    found = []
    for asset, row in enumerate(rows):  # most assets share all dates, which are hashed once then
        own = whole.copy() if complete[asset] else _begun(dates[seen[asset]])
        own.update((row if complete[asset] else np.concatenate([row[:ahead], row[ahead:][seen[asset]]])).data)
        found.append(own.hexdigest())
    return found


def _begun(dates: np.ndarray) -> hashlib._Hash:
    total = hashlib.sha256(b"%d\0" % len(dates))
    total.update(np.ascontiguousarray(dates).data)
    return total


def partitions(dates: np.ndarray) -> list[tuple[str, slice]]:
    """Return (label, rows) of each calendar year that has sessions, in time order."""
    years = dates.astype("datetime64[Y]")
    opens = np.flatnonzero(np.concatenate([[True], years[1:] != years[:-1]]))[: len(years)].tolist()
    return [(str(years[a]), slice(a, b)) for a, b in zip(opens, [*opens[1:], len(years)], strict=False)]


def check_prices(name: str, dates: np.ndarray, symbols: Sequence[str], close: np.ndarray) -> None:
    """Raise DataError naming the first price that is not positive and finite (NaN means: not observed)."""
    if close.size and np.fmin.reduce(close, axis=None) > 0 and np.fmax.reduce(close, axis=None) < np.inf:
        return
    bad = ~(np.isnan(close) | ((close > 0) & np.isfinite(close)))
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise DataError(
            f"dataset '{name}': {symbols[column]} on {dates[row]}: price {close[row, column]:g} is not positive and "
            f"finite ({int(bad.sum())} such prices in all); correct them, or leave empty what has no price"
        )


def _own(array: np.ndarray) -> np.ndarray:
    """Return the array itself if it owns its memory or nobody may write to that, else a copy."""
    views = [array]
    while isinstance(views[-1].base, np.ndarray):
        views.append(views[-1].base)
    is_shared = views[-1].base is not None or len(views) > 1
    return array.copy() if is_shared and any(view.flags.writeable for view in views) else array


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
