"""Cells of a source to values: numbers, session dates and symbols.

1. A number is a number, or its plain decimal text; an empty cell, NaN, NA and null are missing; no more is guessed.
2. A date is a date, or its ISO text, or text in a stated format. A stamp with a time of day belongs to the calendar
   date *as it is written, in its own time zone*: midnight in Tokyo stays that Tokyo date.
3. A symbol is any printable text, stripped. It is data, never code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timezone, tzinfo
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metabt.errors import DataError

MISSING = ("", "nan", "na", "null")
"""Texts, in lower case, that are read as a missing number."""
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?[iI][nN][fF]([iI][nN][iI][tT][yY])?$"
"""Pattern of the text of a number."""
SAMPLE = 10
"""Number of cells that are tried to find out whether a column holds dates."""
DAY = 86_400_000_000
"""Microseconds in a day."""


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


def numbers(column: pa.Array) -> Numbers:
    """Return the values of a column and the cells that are not numbers."""
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return Numbers(_float64(column.cast(pa.float64(), safe=False)), np.empty(0, np.int64), "")
    text = pc.utf8_trim_whitespace(as_text(column))
    text = pc.if_else(pc.is_in(pc.utf8_lower(text), pa.array(MISSING)), pa.scalar(None, pa.string()), text)
    good = pc.match_substring_regex(text, NUMBER)
    refused = np.flatnonzero(good.fill_null(True).to_numpy(zero_copy_only=False) == 0)
    plain = pc.replace_substring_regex(pc.if_else(good, text, pa.scalar(None, pa.string())), r"^\+", "")
    example = str(text[int(refused[0])].as_py()) if len(refused) else ""
    return Numbers(_float64(plain.cast(pa.float64())), refused, example)


def sessions(column: pa.Array, name: str, date_format: str | None = None) -> Sessions:
    """Return the session date of every cell.

    Raises
    ------
    DataError
        For a cell that is empty or not a date, with its row.
    """
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0]) + 1
        raise DataError(
            f"date column '{name}': row {row} is empty ({column.null_count} such rows); "
            "fill in the date or delete the row"
        )
    coded = column.dictionary_encode() if not pa.types.is_dictionary(column.type) else column
    stamps = _stamps(coded.dictionary, date_format)
    unread = np.isnat(stamps)[coded.indices.to_numpy()]
    if unread.any():
        row = int(np.flatnonzero(unread)[0])
        raise DataError(
            f"date column '{name}': row {row + 1}: '{column[row].as_py()}' is not a date "
            f"({int(unread.sum())} such rows); "
            "write dates as YYYY-MM-DD, or state the format, such as date_format='%d/%m/%Y'"
        )
    micros = stamps[coded.indices.to_numpy()].astype(np.int64)
    return Sessions((micros // DAY).astype("datetime64[D]"), micros % DAY)


def looks_like_dates(column: pa.Array, date_format: str | None = None) -> bool:
    """Return whether the first cells of a column are dates."""
    if pa.types.is_temporal(column.type):
        return True
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return False
    sample = [text for text in column.slice(0, SAMPLE).to_pylist() if text is not None and text.strip()]
    return bool(sample) and not np.isnat(_stamps(pa.array(sample), date_format)).any()


def symbol(text: str) -> str:
    """Return a symbol without the blanks around it.

    Raises
    ------
    DataError
        When it is empty or holds a control character.
    """
    stripped = text.strip()
    if not stripped:
        raise DataError("a symbol is empty; name every price column, and fill in the symbol of every row")
    if not stripped.isprintable():
        raise DataError(f"symbol {stripped!r} holds an unprintable character; remove it")
    return stripped


def as_text(column: pa.Array) -> pa.Array:
    """Return a column of any kind as text."""
    if pa.types.is_string(column.type):
        return column
    try:
        return column.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):  # kinds that Arrow cannot write as text, such as lists
        return pa.array([None if item is None else str(item) for item in column.to_pylist()], pa.string())


def _float64(column: pa.Array) -> np.ndarray:
    # adding 0 turns -0.0 into 0.0, so that equal values have equal bytes
    return column.to_numpy(zero_copy_only=False).astype(np.float64) + 0.0


def _stamps(distinct: pa.Array, date_format: str | None) -> np.ndarray:
    """Return each stamp as written (datetime64[us]), NaT where it is none."""
    kind = distinct.type
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        zone = _zone(kind.tz)
        instants = distinct.cast(pa.timestamp("us", "UTC"), safe=False).to_pylist()
        return _microseconds([instant.astimezone(zone) for instant in instants])
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return distinct.cast(pa.timestamp("us"), safe=False).to_numpy(zero_copy_only=False)
    return _microseconds([_parsed(text, _reader(date_format)) for text in as_text(distinct).to_pylist()])


def _microseconds(stamps: list[datetime | None]) -> np.ndarray:
    written = [None if stamp is None else stamp.replace(tzinfo=None) for stamp in stamps]
    return np.array(written, dtype="datetime64[us]")


def _reader(date_format: str | None) -> Callable[[str], datetime]:
    if date_format is None:
        return _iso
    return lambda text: datetime.strptime(text, date_format)


def _iso(text: str) -> datetime:
    if text.isdigit() and len(text) != len("YYYYMMDD"):  # Python reads milliseconds since 1970 as a date of long ago
        raise ValueError(f"{text} is no date")
    return datetime.fromisoformat(text.replace("/", "-"))


def _parsed(text: str, reader: Callable[[str], datetime]) -> datetime | None:
    try:
        return reader(text.strip())
    except ValueError:
        return None


def _zone(name: str) -> tzinfo:
    if name.upper() in ("UTC", "ETC/UTC", "Z"):
        return UTC
    try:
        if name[0] in "+-":
            return timezone(datetime.strptime(name, "%z").utcoffset() or UTC.utcoffset(None))
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise DataError(f"time zone '{name}' is unknown; write dates as YYYY-MM-DD") from error
