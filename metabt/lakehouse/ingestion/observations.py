"""Observations: prices as rows of (date, symbol, fields), checked and free of repeats.

1. A price is positive and finite, a volume finite and not negative, a return above -1; the first that is not is named.
2. A row without a close is no observation: it is left out and counted. A field without a value is not there.
3. Dates and closes that are possible, and too far from any market to be meant, are noted.
4. Rows that repeat a date and symbol with the same values are dropped and counted; with other values they are refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from metabt.errors import DataError
from metabt.values.tables import Coded, Table

EARLIEST, LATEST = np.datetime64("1800-01-01"), np.datetime64("2100-01-01")
"""Dates beyond which a note is made."""
SMALLEST, LARGEST = 1e-9, 1e12
"""Closes beyond which a note is made."""
DENSE = 8
"""Pairs of a date and a symbol per row up to which marking those that are there costs less than sorting them."""
SLICE = 1 << 18
"""Rows that are looked at together."""
FIELDS = ("close", "open", "high", "low", "volume")
"""Fields of a symbol in a session; only the close is required."""


@dataclass(frozen=True)
class Observations:
    """Prices of one source in rows."""

    dates: np.ndarray
    """(n_rows,) datetime64[D] session dates."""
    clock: np.ndarray
    """(n_rows,) int64 microseconds after midnight in the source's stamps."""
    symbols: Coded
    """(n_rows,) symbols."""
    fields: dict[str, np.ndarray]
    """Field -> (n_rows,) float64, NaN where missing; a field the source does not have is not there."""
    rows_read: int
    """Observations in the source: cells of a wide table, rows of a long one."""
    empty: int = 0
    """How many of them had no close and were left out."""
    duplicates: int = 0
    """How many of them repeated another and were dropped."""
    notes: tuple[str, ...] = ()
    """What was chosen or left out on the way, in sentences."""
    calendar: np.ndarray | None = None
    """Of returns: (n_dates,) datetime64[D] dates that a symbol may begin at; None where the closes are prices."""
    actions: Table | None = None
    """Of raw bars: dividends and splits that stood beside them, as rows of the table `actions`; None where none do."""
    beside: str | None = None
    """A column that means something else where prices are raw (an adjusted close, dividends, splits), and nothing was
    said of that; None where there is none."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.dates)

    def take(self, rows: np.ndarray) -> Observations:
        """Return the observations at `rows`, a mask or positions."""
        fields = {name: values[rows] for name, values in self.fields.items()}
        return replace(
            self, dates=self.dates[rows], clock=self.clock[rows], symbols=self.symbols.take(rows), fields=fields
        )

    def to_arrow(self) -> pa.Table:
        """Return columns symbol, date and the fields; NaN becomes NULL."""
        names = pa.array(self.symbols.values, pa.string())
        symbols = pa.DictionaryArray.from_arrays(pa.array(self.symbols.codes), names)
        fields = {name: pa.array(values, mask=np.isnan(values)) for name, values in self.fields.items()}
        return pa.table({"symbol": symbols, "date": pa.array(self.dates, pa.date32()), **fields})


def cleaned(rows: Observations) -> Observations:
    """Return checked observations, without rows that have no close and without repeats.

    Raises
    ------
    DataError
        For a value that is impossible, two values of one date, several bars of one date, or no price at all.
    """
    for name in rows.fields:
        _check_values(rows, name)
    priced = ~np.isnan(rows.fields["close"])
    if not priced.any():
        raise DataError(f"no prices: none of {rows.rows_read} rows has one; check the file and its columns")
    kept = _without_repeats(_without_empty_fields(rows if priced.all() else rows.take(priced)))
    note = ("stamps with a time of day were dated as written, in their own time zone",) if kept.clock.any() else ()
    notes = (*kept.notes, *note, *_extremes(kept))
    return replace(kept, empty=int((~priced).sum()), duplicates=int(priced.sum()) - len(kept), notes=notes)


def _extremes(rows: Observations) -> list[str]:
    """Return notes on dates and closes that are possible and hardly meant."""
    found = []
    first, last = rows.dates.min(), rows.dates.max()
    if first < EARLIEST or last > LATEST:
        found.append(f"dates reach from {first} to {last}, beyond {EARLIEST} or {LATEST}")
    if rows.calendar is None:
        low, high = float(rows.fields["close"].min()), float(rows.fields["close"].max())
        if low < SMALLEST or high > LARGEST:
            found.append(f"closes reach from {low:g} to {high:g}, beyond {SMALLEST:g} or {LARGEST:g}")
    return found


def _without_empty_fields(rows: Observations) -> Observations:
    # so that prices with an empty column of volumes are the same data as prices without one
    return replace(rows, fields={name: values for name, values in rows.fields.items() if not np.isnan(values).all()})


def _check_values(rows: Observations, name: str) -> None:
    values = rows.fields[name]
    returns = rows.calendar is not None
    lowest, highest = (reduce(values, initial=np.nan) for reduce in (np.fmin.reduce, np.fmax.reduce))
    if (lowest >= 0 if name == "volume" else lowest > (-1 if returns else 0)) and highest < np.inf:
        return
    possible = np.isfinite(values) & ((values >= 0) if name == "volume" else (values > (-1 if returns else 0)))
    bad = np.flatnonzero(~(possible | np.isnan(values)))
    if len(bad):
        wanted = "finite and not negative" if name == "volume" else "positive and finite"
        wanted = "above -1 and finite" if returns else wanted
        raise DataError(
            f"{_where(rows, bad[0])}: {'return' if returns else name} {values[bad[0]]:g} is not {wanted} "
            f"({len(bad)} such values in all); "
            "correct them, or leave the cell empty where there was none"
        )


def _without_repeats(rows: Observations) -> Observations:
    if _all_differ(rows):
        return rows
    key = rows.dates.astype(np.int64) * len(rows.symbols.values) + rows.symbols.codes
    order = np.lexsort((rows.clock, key))
    ordered, key = rows.take(order), key[order]
    repeats = np.r_[False, key[1:] == key[:-1]]
    _refuse_intraday(ordered, repeats)
    _refuse_conflicts(ordered, repeats)
    return ordered.take(~repeats)


def _all_differ(rows: Observations) -> bool:
    """Return whether no two rows are of one date and symbol, as far as that shows without sorting them."""
    days, codes, n_symbols = rows.dates.view(np.int64), rows.symbols.codes, len(rows.symbols.values)
    first = int(days.min())
    n_cells = (int(days.max()) - first + 1) * n_symbols
    if n_cells > DENSE * len(days):
        key = days * n_symbols + codes
        return bool((key[1:] > key[:-1]).all())
    seen = np.zeros(n_cells, np.bool_)
    for begin in range(0, len(days), SLICE):
        some = slice(begin, begin + SLICE)
        seen[(days[some] - first) * n_symbols + codes[some]] = True
    return bool(np.count_nonzero(seen) == len(days))


def _refuse_intraday(rows: Observations, repeats: np.ndarray) -> None:
    bars = np.flatnonzero(repeats & np.r_[False, rows.clock[1:] != rows.clock[:-1]])
    if len(bars):
        raise DataError(
            f"{_where(rows, bars[0])}: more than one bar on one date ({len(bars)} such bars in all); "
            "metabt keeps one bar a session so far: hand over one row a date, such as the daily closes"
        )


def _refuse_conflicts(rows: Observations, repeats: np.ndarray) -> None:
    for name, values in rows.fields.items():
        same = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
        differing = np.flatnonzero(repeats & np.r_[False, ~same])
        if len(differing):
            row = differing[0]
            raise DataError(
                f"{_where(rows, row)}: two different values of {name}, {values[row - 1]:g} and {values[row]:g} "
                f"({len(differing)} such rows in all); keep one row a date and symbol"
            )


def _where(rows: Observations, row: int) -> str:
    return f"{rows.symbols.values[rows.symbols.codes[row]]} on {rows.dates[row]}"
