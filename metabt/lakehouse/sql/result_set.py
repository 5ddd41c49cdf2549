"""The answer to a query, and how it is written.

1. CSV and JSON are for programs: ISO dates, numbers with all their digits, NULL as an empty cell or null.
2. CSV is opened by spreadsheets too: text that one would run as a formula gets an apostrophe before it, as numbers do
   not; JSON and Parquet have every text as it is.
3. The table is for eyes: numbers to six digits, aligned to the right. Its first rows decide how wide columns are.
4. `texts` writes rows as they come, so that an answer of any length takes the memory of a piece of it.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from types import SimpleNamespace

from metabt.errors import ConfigError, nearest

FORMATS = ("table", "csv", "json")
PERCENT = "PERCENT"
"""Kind of a column of fractions that the table shows in per cent; CSV and JSON have the fractions."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First signs of a text that a spreadsheet runs as a formula; some skip blanks before it."""


@dataclass(frozen=True)
class QueryResult:
    """The answer to a query: rows with named columns."""

    columns: tuple[str, ...]
    """Names of the columns."""
    kinds: tuple[str, ...]
    """DuckDB's types of the columns, or PERCENT."""
    rows: tuple[tuple[object, ...], ...]
    """The rows, as Python values."""

    def to(self, form: str) -> str:
        """Return the rows as text.

        Parameters
        ----------
        form : {"table", "csv", "json"}
            `table` is for eyes: aligned, numbers to six digits. `csv` and `json` have all digits, and ISO dates.

        Returns
        -------
        str
            Without a line feed at the end.

        Raises
        ------
        ConfigError
            For another form.
        """
        return "\n".join(texts(form, self.columns, self.kinds, [self.rows] if self.rows else []))


def texts(
    form: str, columns: Sequence[str], kinds: Sequence[str], pieces: Iterable[Sequence[tuple[object, ...]]]
) -> Iterator[str]:
    """Return rows as texts, piece by piece; joined by line feeds they are the whole.

    Parameters
    ----------
    form : {"table", "csv", "json"}
        As for `QueryResult.to`.
    columns, kinds : sequence of str
        Names of the columns, and DuckDB's types, or PERCENT.
    pieces : iterable of sequences of tuples
        The rows, some at a time.

    Raises
    ------
    ConfigError
        For another form.
    """
    if form not in FORMATS:
        raise ConfigError(f"format '{form}' is unknown{nearest(form, FORMATS)}")
    if form == "table":
        return _table(columns, kinds, iter(pieces))
    return _csv(columns, pieces) if form == "csv" else _json(columns, pieces)


def _table(
    columns: Sequence[str], kinds: Sequence[str], pieces: Iterator[Sequence[tuple[object, ...]]]
) -> Iterator[str]:
    first = next(pieces, ())
    cells = [list(columns), *_cells(first, kinds)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    right = [_is_number([row[i] for row in first]) for i in range(len(columns))]
    yield _lines([cells[0], ["-" * width for width in widths], *cells[1:]], widths, right)
    n_rows = len(first)
    for piece in pieces:
        n_rows += len(piece)
        yield _lines(_cells(piece, kinds), widths, right)
    yield f"({n_rows} row{'s' * (n_rows != 1)})"


def _cells(rows: Iterable[tuple[object, ...]], kinds: Sequence[str]) -> list[list[str]]:
    return [list(map(_short, row, kinds)) for row in rows]


def _lines(cells: Iterable[list[str]], widths: list[int], right: list[bool]) -> str:
    return "\n".join("  ".join(map(_padded, row, widths, right)).rstrip() for row in cells)


def _csv(columns: Sequence[str], pieces: Iterable[Sequence[tuple[object, ...]]]) -> Iterator[str]:
    for piece in chain([[tuple(columns)]], pieces):
        lines: list[str] = []
        # it quotes what its own line ends, \r\n, are made of
        csv.writer(SimpleNamespace(write=lines.append)).writerows([_inert(value) for value in row] for row in piece)
        yield "\n".join(line.removesuffix("\r\n") for line in lines)


def _json(columns: Sequence[str], pieces: Iterable[Sequence[tuple[object, ...]]]) -> Iterator[str]:
    names = _distinct(columns)
    before = None
    for piece in pieces:
        rows = [dict(zip(names, map(_plain, row), strict=True)) for row in piece]
        inside = json.dumps(rows, ensure_ascii=False, indent=1)[2:-2]  # without the brackets of this piece
        yield "[" if before is None else f"{before},"
        before = inside
    yield from ("[]",) if before is None else (before, "]")


def _distinct(columns: Sequence[str]) -> list[str]:
    """Return names that differ: columns may share one in SQL, and in an object the later would hide the earlier."""
    names: list[str] = []
    for place, name in enumerate(columns, start=1):
        own = name
        while own in names or (own != name and own in columns):
            own = f"{own}_{place}"
        names.append(own)
    return names


def _padded(text: str, width: int, flush: bool) -> str:
    return text.rjust(width) if flush else text.ljust(width)


def _short(value: object, kind: str = "") -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        if kind == PERCENT:
            return f"{value:.2%}"
        return f"{value:.6g}" if abs(value) < 1e6 or not math.isfinite(value) else f"{value:,.2f}"
    # control characters in data must not steer a terminal
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in _exact(value))


def _exact(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(_plain(value), ensure_ascii=False) if isinstance(value, list | dict | tuple) else str(value)


def _inert(value: object) -> str:
    text = _exact(value)
    return f"'{text}" if isinstance(value, str) and text.lstrip(" ").startswith(FORMULA) else text


def _plain(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value if value is None or isinstance(value, bool | int | str) else _exact(value)


def _is_number(values: list[object]) -> bool:
    return any(isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in values)
