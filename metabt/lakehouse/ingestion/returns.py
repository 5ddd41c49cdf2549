"""Returns instead of prices: told apart by what they look like, and compounded where the caller says that they are.

1. Many negative numbers, or tiny ones that double and halve all the time, are no prices.
2. Simple returns are compounded from the last stored close before them, else from 100, which is put on the row before
   a symbol's first return, or, where the source has none, on the weekday before.
3. Stored closes from there on that the source has no return for keep their returns, so that they move with the levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from metabt.errors import DataError
from metabt.lakehouse.ingestion.observations import Observations
from metabt.lakehouse.ingestion.options import Options
from metabt.values.tables import Coded

BASE = 100.0
"""Level that returns are compounded from."""
LARGE = 0.2
"""Median size of daily returns above which they are in percent."""
MISSING = (-99.99, -999.0, -9999.0)
"""What Kenneth French's files and others have in place of a missing return."""
Closes = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Symbol -> dates and closes that are stored, oldest first."""


def refuse_returns(values: np.ndarray, options: Options) -> None:
    """Raise DataError for numbers that look like returns."""
    if len(values) and np.fmin.reduce(values) >= 0 and LARGE <= np.fmax.reduce(values) < np.inf:
        return  # as nearly all prices
    seen = values[np.isfinite(values)]
    if not len(seen):
        return
    negative = int((seen < 0).sum())
    of_both_signs = 0.1 * len(seen) < negative < 0.9 * len(seen)
    if not of_both_signs and (negative or seen.max() >= LARGE):
        return  # as nearly all prices: their median, which takes long, decides nothing
    sizes = np.abs(seen)
    middle = float(np.median(sizes))
    mixed = of_both_signs and (middle < LARGE or (middle < 5.0 and len(seen) > 20))
    if mixed or (not negative and len(seen) > 8 and sizes.max() < LARGE and _leaps(sizes)):
        percent = {"percent": True} if middle >= LARGE else {}
        raise DataError(
            f"the numbers look like returns, not prices: {negative} of {len(seen)} are negative, and half of them are "
            f"smaller than {middle:.2g}; say {options.say(returns=True, **percent)}"
        )


def _leaps(sizes: np.ndarray) -> bool:
    """Return whether a fourth of all steps is to less than half or more than double."""
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.abs(np.log(sizes[1:] / sizes[:-1]))
    return float((steps > np.log(2.0)).mean()) > 0.25


def as_fractions(rows: Observations, options: Options) -> Observations:
    """Return returns as fractions, marked as such.

    Raises
    ------
    DataError
        For returns that look as if they were in percent, or prices, and a return of -100 % or less.
    """
    written = rows.fields["close"]
    n_missing = int(np.isin(written, MISSING).sum())
    if n_missing:
        raise DataError(
            f"{n_missing} returns are {written[np.isin(written, MISSING)][0]:g}, which data libraries write where "
            "there is none; leave such cells empty"
        )
    values = written / (100.0 if options.percent else 1.0)
    seen = np.abs(values[np.isfinite(values)])
    middle = float(np.median(seen)) if len(seen) else 0.0
    if middle > LARGE and options.percent:
        raise DataError(
            f"half of the returns are above {middle:.0%} even in percent: they look like prices; "
            f"leave out {options.say(returns=True, percent=True)}"
        )
    if middle > LARGE:
        raise DataError(
            f"half of the returns are above {middle:.0%}: they look like percent, or prices; "
            f"say {options.say(returns=True, percent=True)}, or leave out {options.say(returns=True)}"
        )
    dates = np.unique(rows.dates)
    weekday = np.busday_offset(dates[0].astype("datetime64[D]") - 1, 0, roll="backward")
    calendar = np.concatenate([[weekday], dates]) if len(dates) else dates
    note = (
        f"returns were compounded into prices; a symbol that is new begins at {BASE:g}, a row before its first return"
    )
    return replace(rows, fields={"close": values}, calendar=calendar, notes=(*rows.notes, note))


def as_prices(rows: Observations, stored: Closes) -> Observations:
    """Return returns as prices, which go on from the closes that are stored before them."""
    order = np.lexsort((rows.dates, rows.symbols.codes))
    codes, dates, moves = rows.symbols.codes[order], rows.dates[order], rows.fields["close"][order]
    cuts = np.flatnonzero(np.diff(codes)) + 1
    parts = [
        _compounded(rows.symbols.values[part_codes[0]], int(part_codes[0]), part_dates, part_moves, rows, stored)
        for part_codes, part_dates, part_moves in zip(
            np.split(codes, cuts), np.split(dates, cuts), np.split(moves, cuts), strict=True
        )
    ]
    codes, dates, levels = (np.concatenate(column) for column in zip(*parts, strict=True))
    symbols = Coded(codes.astype(np.int32), rows.symbols.values)
    clock = np.zeros(len(dates), np.int64)
    return replace(rows, dates=dates, clock=clock, symbols=symbols, fields={"close": levels}, calendar=None)


def _compounded(
    symbol: str, code: int, dates: np.ndarray, moves: np.ndarray, rows: Observations, stored: Closes
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return code, date and level of every observation of a symbol."""
    assert rows.calendar is not None
    known_dates, known = stored.get(symbol, (dates[:0], moves[:0]))
    before = int(np.searchsorted(known_dates, dates[0]))
    start = known[before - 1] if before else BASE
    if len(np.setdiff1d(known_dates[before:], dates)):
        dates, levels = _levelled(start, dates, moves, known_dates, known)
    else:
        levels = np.cumprod(np.concatenate([[start], 1.0 + moves]))
    if before:
        return np.full(len(dates), code), dates, levels[1:]
    first = rows.calendar[np.searchsorted(rows.calendar, dates[0]) - 1]
    return np.full(len(dates) + 1, code), np.concatenate([[first], dates]), levels


def _levelled(
    start: float, dates: np.ndarray, moves: np.ndarray, known_dates: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return dates, and levels with the one before them, where stored closes lie among or after the returns.

    A close after one that has not changed is what it was, to the bit.
    """
    given = dict(zip(dates.tolist(), moves.tolist(), strict=True))
    place = {day: row for row, day in enumerate(known_dates.tolist())}
    union = np.union1d(dates, known_dates[known_dates >= dates[0]])
    levels = [float(start)]
    for day in union.tolist():
        row = place.get(day)
        if day in given:
            levels.append(levels[-1] * (1.0 + given[day]))
        elif not row:  # the level that all returns begin from
            levels.append(levels[-1])
        elif levels[-1] == known[row - 1]:
            levels.append(float(known[row]))
        else:
            levels.append(levels[-1] * float(known[row] / known[row - 1]))
    return union, np.array(levels)
