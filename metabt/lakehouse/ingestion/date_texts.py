"""Dates in text: ISO is read as it is, other forms where the column proves what they mean.

1. A stated format goes first.
2. Year first is ISO in spirit, whatever stands between: 2023-01-31, 2023/1/31, 20230131.
3. Two numbers and a year: a number above 12 proves which of them is the day. Is there none, or are there both, the
   order is asked for.
4. English names of months, such as 31-Jan-2023 or January 31, 2023.
5. Two digits for a year are asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import numpy as np

Stamps = list[datetime | None]

_CLOCK = r"(?:[T ,]+(?P<clock>\d{1,2}:\d{2}(?::\d{2})?)(?:\.\d+)? ?(?P<half>[AaPp][Mm])?)?"
_YEAR_FIRST = re.compile(r"(?P<y>\d{4})(?P<sign>[-/.])(?P<m>\d{1,2})(?P=sign)(?P<d>\d{1,2})" + _CLOCK)
_YEAR_LAST = re.compile(r"(?P<a>\d{1,2})(?P<sign>[-/.])(?P<b>\d{1,2})(?P=sign)(?P<y>\d{4})" + _CLOCK)
_SHORT_YEAR = re.compile(r"\d{1,2}([-/.])\d{1,2}\1\d{2}(?!\d)|\d{1,2}[- /][A-Za-z]{3}[- /]\d{2}(?!\d)")
COMPACT = re.compile(r"(1[89]|2[01])\d{6}")
"""YYYYMMDD."""
_WORDS = (
    *("%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%d/%b/%Y", "%Y-%b-%d", "%d-%B-%Y"),
    *("%a, %d %b %Y", "%a %b %d %Y", "%a, %b %d, %Y", "%d%b%Y", "%A, %B %d, %Y", "%A, %d %B %Y"),
)


@dataclass(frozen=True)
class Dates:
    """Texts as stamps."""

    stamps: np.ndarray
    """(n,) datetime64[us] as written, NaT where a text is none."""
    asked: str = ""
    """Why they cannot be read without a format, as the end of a sentence; empty where they can."""
    formats: tuple[str, ...] = ()
    """Formats that may be meant."""


def read(texts: list[str], date_format: str | None = None) -> Dates:
    """Return texts as stamps."""
    texts = [text.strip() for text in texts]
    if date_format is not None:
        return Dates(_microseconds([_strptime(text, date_format) for text in texts]))
    stamps = [_iso(text) for text in texts]
    if None not in stamps:
        return Dates(_microseconds(stamps))
    matches = [_YEAR_LAST.fullmatch(text) for text in texts]
    if any(matches):
        return _year_last(matches)
    first = next(text for text, stamp in zip(texts, stamps, strict=True) if stamp is None)
    if _SHORT_YEAR.match(first):
        signs = re.sub(r"\d", "", first)[:1] or "-"
        formats = (f"%d{signs}%b{signs}%y",) if re.search("[A-Za-z]", first) else _orders(signs, "%y")
        return Dates(_microseconds(stamps), "a year of two digits may also be a day", formats)
    for form in _WORDS:
        if _strptime(first, form) is not None:
            return Dates(_microseconds([_strptime(text, form) for text in texts]))
    return Dates(_microseconds(stamps))


def is_date(text: str, date_format: str | None = None) -> bool:
    """Return whether a text is a date in some form that is read, or asked for."""
    found = read([text], date_format)
    return bool(found.asked) or not np.isnat(found.stamps[0])


def _year_last(matches: list[re.Match[str] | None]) -> Dates:
    pairs = [(int(m["a"]), int(m["b"])) for m in matches if m is not None]
    day_first, month_first = any(a > 12 for a, _ in pairs), any(b > 12 for _, b in pairs)
    if day_first != month_first:
        day, month = ("a", "b") if day_first else ("b", "a")
        return Dates(_microseconds([None if m is None else _stamp(m, m["y"], m[month], m[day]) for m in matches]))
    why = "days stand first in some rows and second in others" if day_first else "no day above 12 proves the order"
    sign = next(m["sign"] for m in matches if m is not None)
    return Dates(np.full(len(matches), np.datetime64("NaT", "us")), why, _orders(sign, "%Y"))


def _orders(sign: str, year: str) -> tuple[str, ...]:
    return f"%d{sign}%m{sign}{year}", f"%m{sign}%d{sign}{year}"


def _iso(text: str) -> datetime | None:
    if text.isdigit() and not COMPACT.fullmatch(text):
        return None  # a number, such as seconds since 1970: Python would find a date in some of them
    try:
        return datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        found = _YEAR_FIRST.fullmatch(text)
        return _stamp(found, found["y"], found["m"], found["d"]) if found else None


def _stamp(found: re.Match[str], year: str, month: str, day: str) -> datetime | None:
    clock = found["clock"] or "0:00"
    form = "%Y-%m-%d " + ("%I" if found["half"] else "%H") + (":%M:%S" if clock.count(":") == 2 else ":%M")
    return _strptime(f"{year}-{month}-{day} {clock}{found['half'] or ''}", form + ("%p" if found["half"] else ""))


def _strptime(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form)
    except ValueError:
        return None


def _microseconds(stamps: Stamps) -> np.ndarray:
    return np.array([None if stamp is None else stamp.replace(tzinfo=None) for stamp in stamps], "datetime64[us]")
