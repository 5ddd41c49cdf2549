"""Cells of a source to values: numbers, session dates and symbols.

1. A number is a number, or its text in the way that the source writes numbers (`number_texts`).
2. A date is a date, or text that proves what it means (`date_texts`), or text in a stated format. A stamp with a time
   of day belongs to the calendar date *as written, in its own time zone*: midnight in Tokyo stays that Tokyo date.
3. A symbol is any printable text, stripped, that is not the name of a hedge. It is data, never code.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timezone, tzinfo
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metabt.data.point_in_time.hedging import PREFIX, is_hedge
from metabt.errors import DataError
from metabt.lakehouse.ingestion import date_texts
from metabt.lakehouse.ingestion.number_texts import PLAIN, NumberFormat, is_text, trimmed
from metabt.lakehouse.ingestion.options import Options
from metabt.values.buffers import to_numpy

SAMPLE = 10
"""Number of cells that are tried to find out whether a column holds dates."""
DAY = 86_400_000_000
"""Microseconds in a day."""
FAR = 2**63 // DAY
"""Days from 1970 that microseconds reach."""


@dataclass(frozen=True)
class Numbers:
    """A column of numbers and the cells that were none."""

    values: np.ndarray
    """(n_rows,) float64, NaN where missing."""
    refused: np.ndarray
    """Positions of the cells that are not numbers."""
    example: str
    """The text of the first of them."""


@dataclass(frozen=True)
class Sessions:
    """A column of stamps as session dates."""

    dates: np.ndarray
    """(n_rows,) datetime64[D]."""
    clock: np.ndarray
    """(n_rows,) int64 microseconds after midnight, as written."""


def numbers(column: pa.Array, written: NumberFormat | None) -> Numbers:
    """Return the values of a column and the cells that are not numbers.

    Texts are trimmed. `written` is how all of them are written; None refuses those that are not plain decimals.
    """
    if not is_text(column):
        return Numbers(_float64(column.cast(pa.float64(), safe=False)), np.empty(0, np.int64), "")
    if written is not None:
        return Numbers(_float64(written.plain(column).cast(pa.float64())), np.empty(0, np.int64), "")
    good = pc.match_substring_regex(column, PLAIN.pattern)
    refused = np.flatnonzero(good.fill_null(True).to_numpy(zero_copy_only=False) == 0)
    plain = PLAIN.plain(pc.if_else(good, column, pa.scalar(None, pa.string())))
    example = str(column[int(refused[0])].as_py()) if len(refused) else ""
    return Numbers(_float64(plain.cast(pa.float64())), refused, example)


def plain_numbers(column: pa.Array) -> Numbers:
    """Return the values of a column that was not trimmed, plain decimals."""
    return numbers(trimmed(as_text(column)) if is_text(column) else column, None)


def sessions(column: pa.Array, name: str, options: Options, rows: np.ndarray | None = None) -> Sessions:
    """Return the session date of every cell.

    Parameters
    ----------
    column : (n_rows,) cells of any kind
    name : str
        What the column is called.
    options : Options
        How dates are written, where that is stated.
    rows : (n_rows,) int64, optional
        Row of the source that each cell is of, from 0; by default they are all that it has.

    Raises
    ------
    DataError
        For a cell that is empty or not a date, with its row; for dates whose order nothing proves.
    """
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0]) + 1
        raise DataError(
            f"date column '{name}': row {row} is empty ({column.null_count} such rows); "
            "fill in the date or delete the row"
        )
    if column.type == pa.date32() and len(column):
        days = to_numpy(column)
        if np.abs(days[[days.argmin(), days.argmax()]].astype(np.int64)).max() < FAR:
            return Sessions(days, np.zeros(len(days), np.int64))
    coded = column.dictionary_encode() if not pa.types.is_dictionary(column.type) else column
    read = _stamps(coded.dictionary, options.date_format)
    codes = coded.indices.to_numpy()
    if np.isnat(read.stamps).any() and (unread := np.isnat(read.stamps)[codes]).any():
        row = int(np.flatnonzero(unread)[0])
        number = row if rows is None else int(rows[row])
        raise DataError(
            f"date column '{name}': row {number + 1}: {_doubt(str(column[row].as_py()), unread, read, options)}"
        )
    micros = read.stamps.astype(np.int64)
    days, clock = (micros // DAY).astype("datetime64[D]"), micros % DAY
    # pages of zeros that nobody writes to take no memory
    return Sessions(days[codes], clock[codes] if clock.any() else np.zeros(len(codes), np.int64))


def _doubt(text: str, unread: np.ndarray, read: date_texts.Dates, options: Options) -> str:
    if read.asked:
        formats = " or ".join(options.say(date_format=form) for form in read.formats)
        return f"'{text}' can be read in more than one way ({read.asked}); say {formats}"
    return (
        f"'{text}' is not a date ({int(unread.sum())} such rows); "
        f"write dates as YYYY-MM-DD, or state the format, such as {options.say(date_format='%d/%m/%Y')}"
    )


def looks_like_dates(column: pa.Array, date_format: str | None = None) -> bool:
    """Return whether the first cells of a column are dates, be it in an order that nothing proves."""
    if pa.types.is_temporal(column.type):
        return True
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return False
    sample = [text for text in column.slice(0, SAMPLE).to_pylist() if text is not None and text.strip()]
    return bool(sample) and all(date_texts.is_date(text, date_format) for text in sample)


def symbol(text: str) -> str:
    """Return a symbol without the blanks around it.

    Raises
    ------
    DataError
        When it is empty, holds a control character, or is what the hedge of a currency would be called.
    """
    stripped = text.strip()
    if not stripped:
        raise DataError("a symbol is empty; name every price column, and fill in the symbol of every row")
    if not stripped.isprintable():
        raise DataError(f"symbol {stripped!r} holds an unprintable character; remove it")
    if is_hedge(stripped):
        raise DataError(f"symbol '{stripped}' begins as hedges of currencies do ({PREFIX}EUR); call it by another name")
    return stripped


def as_text(column: pa.Array) -> pa.Array:
    """Return a column of any kind as text."""
    if pa.types.is_string(column.type):
        return column
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        return column.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):  # kinds that Arrow cannot write as text, such as lists
        return pa.array([None if item is None else str(item) for item in column.to_pylist()], pa.string())


def _float64(column: pa.Array) -> np.ndarray:
    values = to_numpy(column)
    # adding 0 turns -0.0 into 0.0, so that equal values have equal bytes
    return values if len(values) and np.fmin.reduce(values) > 0 else values + 0.0


def _stamps(distinct: pa.Array, date_format: str | None) -> date_texts.Dates:
    """Return each stamp as written (datetime64[us]), NaT where it is none."""
    kind = distinct.type
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        zone = _zone(kind.tz)
        instants = distinct.cast(pa.timestamp("us", "UTC"), safe=False).to_pylist()
        written = [instant.astimezone(zone).replace(tzinfo=None) for instant in instants]
        return date_texts.Dates(np.array(written, "datetime64[us]"))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return date_texts.Dates(distinct.cast(pa.timestamp("us"), safe=False).to_numpy(zero_copy_only=False))
    return date_texts.read(as_text(distinct).to_pylist(), date_format)


def _zone(name: str) -> tzinfo:
    if name.upper() in ("UTC", "ETC/UTC", "Z"):
        return UTC
    try:
        if name[0] in "+-":
            return timezone(datetime.strptime(name, "%z").utcoffset() or UTC.utcoffset(None))
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise DataError(f"time zone '{name}' is unknown; write dates as YYYY-MM-DD") from error
