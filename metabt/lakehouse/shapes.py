"""Find out what a source's columns mean, and turn them into rows of (date, symbol, fields).

1. The date column: the one that is named, else one called date, datetime, timestamp, time or day, else the first that
   holds dates.
2. Two-level columns (field, symbol) or (symbol, field), as yfinance makes them: a column per field and symbol.
3. Long: a symbol column and a price column. 4. Otherwise wide: every other column is a symbol's prices.

Where there is an adjusted close, it is the price; open, high and low are then left out, since they are not adjusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from metabt.errors import DataError, nearest
from metabt.lakehouse import cells
from metabt.lakehouse.observations import FIELDS, Observations, cleaned
from metabt.lakehouse.sources import Columns, Name, read_columns
from metabt.tables import Coded

DATES = ("date", "datetime", "timestamp", "time", "day")
SYMBOLS = ("symbol", "ticker", "asset", "sid")
ADJUSTED = ("adj close", "adjclose", "adjusted close", "adjusted")
CLOSES = (*ADJUSTED, "close", "price")
"""Names of a price column, the preferred first."""


@dataclass(frozen=True)
class Naming:
    """How the columns of a source are called, where its own names do not tell."""

    date: str | None = None
    """The column that holds the dates."""
    symbol: str | None = None
    """The column of a long table that holds the symbols."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Field (close, open, high, low, volume) -> column."""
    date_format: str | None = None
    """How dates are written, as for strptime; ISO by default."""


def read_observations(source: object, naming: Naming) -> Observations:
    """Return the checked observations of a file or frame.

    Raises
    ------
    DataError
        For anything that must not be stored, naming the symbol, the date, the count and the cure.
    """
    columns = read_columns(source)
    _check_naming(columns, naming)
    _refuse_repeated_names(columns)
    place = _date_column(columns, naming)
    name, column = columns[place]
    others = columns[:place] + columns[place + 1 :]
    if not len(column):
        raise DataError("no rows beneath the header; check the file")
    sessions = cells.sessions(column, _shown(name), naming.date_format)
    return cleaned(_observations(others, sessions, naming))


def _observations(columns: Columns, sessions: cells.Sessions, naming: Naming) -> Observations:
    if any(isinstance(name, tuple) and name[1] for name, _ in columns):
        return _two_level(columns, sessions)
    symbol = naming.symbol or _first_named(columns, SYMBOLS)
    if symbol is not None:
        return _long(dict(_flat(columns)), symbol, sessions, naming)
    _refuse_single_asset(columns)
    return _matrices({"close": _flat(columns)}, sessions, ())


def _long(columns: dict[str, pa.Array], symbol: str, sessions: cells.Sessions, naming: Naming) -> Observations:
    named, notes = _fields(list(columns), dict(naming.fields), f"the long table with symbols in '{symbol}'")
    ignored = [name for name in columns if name != symbol and name not in named.values()]
    notes += (f"columns ignored: {', '.join(ignored)}",) if ignored else ()
    symbols = _symbols(columns[symbol])
    fields = {
        kind: _numbers(columns[name], name, lambda row: symbols.values[symbols.codes[row]], sessions)
        for kind, name in named.items()
    }
    return Observations(sessions.dates, sessions.clock, symbols, fields, len(sessions.dates), notes=notes)


def _two_level(columns: Columns, sessions: cells.Sessions) -> Observations:
    pairs = [(name, column) for name, column in columns if isinstance(name, tuple)]
    level = _field_level([name for name, _ in pairs])
    by_field: dict[str, dict[str, pa.Array]] = {}
    for name, column in pairs:
        by_field.setdefault(name[level], {})[name[1 - level]] = column
    named, notes = _fields(list(by_field), {}, "the columns' two levels")
    ignored = [name for name in by_field if name not in named.values()]
    notes += (f"fields ignored: {', '.join(ignored)}",) if ignored else ()
    tables = {kind: list(by_field[name].items()) for kind, name in named.items()}
    return _matrices(tables, sessions, notes)


def _matrices(tables: dict[str, list[tuple[str, pa.Array]]], sessions: cells.Sessions, notes: tuple[str, ...]) -> Observations:
    """Return one row for every cell: `tables` is field -> [(symbol, column)]."""
    symbols = [cells.symbol(name) for name, _ in tables["close"]]
    _refuse_repeats(symbols)
    if not symbols:
        raise DataError("no price column beside the dates; a wide table has one column per symbol")
    fields = {kind: _matrix(columns, symbols, sessions).ravel() for kind, columns in tables.items()}
    n_rows, n_symbols = len(sessions.dates), len(symbols)
    codes = np.tile(np.arange(n_symbols, dtype=np.int32), n_rows)
    dates, clock = np.repeat(sessions.dates, n_symbols), np.repeat(sessions.clock, n_symbols)
    return Observations(dates, clock, Coded(codes, tuple(symbols)), fields, n_rows * n_symbols, notes=notes)


def _matrix(columns: list[tuple[str, pa.Array]], symbols: list[str], sessions: cells.Sessions) -> np.ndarray:
    found = {cells.symbol(name): (name, column) for name, column in columns}
    if set(found) - set(symbols):
        raise DataError(f"symbol '{min(set(found) - set(symbols))}' has no column of closes; add it or drop the symbol")
    matrix = np.full((len(sessions.dates), len(symbols)), np.nan)
    for place, symbol in enumerate(symbols):
        if symbol in found:
            name, column = found[symbol]
            matrix[:, place] = _numbers(column, name, lambda row, symbol=symbol: symbol, sessions)
    return matrix


def _numbers(column: pa.Array, name: str, symbol_of, sessions: cells.Sessions) -> np.ndarray:
    read = cells.numbers(column)
    if len(read.refused):
        row = int(read.refused[0])
        raise DataError(
            f"{symbol_of(row)} on {sessions.dates[row]}: '{read.example}' is not a number ({len(read.refused)} such cells "
            f"in column '{name}'); write plain decimals such as 1234.5, and leave the cell empty where there was no price"
        )
    return read.values


def _symbols(column: pa.Array) -> Coded:
    coded = cells.as_text(column).dictionary_encode()
    if coded.null_count:
        row = int(np.flatnonzero(coded.is_null().to_numpy(zero_copy_only=False))[0]) + 1
        raise DataError(f"row {row} has no symbol ({coded.null_count} such rows); fill it in or delete the row")
    stripped = [cells.symbol(text) for text in coded.dictionary.to_pylist()]
    values = list(dict.fromkeys(stripped))
    places = {text: place for place, text in enumerate(values)}
    lookup = np.array([places[text] for text in stripped], dtype=np.int32)
    return Coded(lookup[coded.indices.to_numpy()], tuple(values))


def _fields(names: list[str], stated: dict[str, str], where: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return field -> column name, and what was chosen."""
    by_meaning = {_plain(name): name for name in names}
    found = {kind: by_meaning[kind] for kind in FIELDS if kind != "close" and kind in by_meaning} | stated
    closes = [by_meaning[name] for name in CLOSES if name in by_meaning]
    if "close" not in stated and not closes:
        raise DataError(f"no price column in {where}; call one 'close', or name it with fields={{'close': COLUMN}}")
    close = stated.get("close") or closes[0]
    found["close"] = close
    if _plain(close) not in ADJUSTED:
        return found, ()
    dropped = [kind for kind in ("open", "high", "low") if kind in found and kind not in stated]
    raw = ", ".join(dropped + [name for name in closes[1:]])
    notes = (f"'{close}' is the price" + (f"; {raw} left out, since they are not adjusted" if raw else ""),)
    return {kind: name for kind, name in found.items() if kind not in dropped}, notes


def _field_level(names: list[tuple[str, str]]) -> int:
    for level in (0, 1):
        if any(_plain(name[level]) in CLOSES for name in names):
            return level
    raise DataError("the columns have two levels and neither names a close; wanted (field, symbol), such as ('Close', 'AAPL')")


def _date_column(columns: Columns, naming: Naming) -> int:
    names = [_shown(name) for name, _ in columns]
    if naming.date is not None:
        return names.index(naming.date)
    named = _first_named(columns, DATES)
    if named is not None:
        return names.index(named)
    for place, (_, column) in enumerate(columns):
        if cells.looks_like_dates(column, naming.date_format):
            return place
    raise DataError(f"no date column among {', '.join(map(repr, names[:8]))}; call one 'date', or name it with date=")


def _check_naming(columns: Columns, naming: Naming) -> None:
    names = [_shown(name) for name, _ in columns]
    unknown = set(naming.fields) - set(FIELDS)
    if unknown:
        raise DataError(f"unknown field '{min(unknown)}'{nearest(min(unknown), FIELDS)}")
    for stated in (naming.date, naming.symbol, *naming.fields.values()):
        if stated is not None and stated not in names:
            raise DataError(f"no column '{stated}'{nearest(stated, names)}")


def _refuse_single_asset(columns: Columns) -> None:
    meanings = {_plain(name) for name, _ in _flat(columns)}
    if meanings & set(CLOSES) and meanings & {"open", "high", "low", "volume"}:
        raise DataError(
            "the columns are the bars of one asset (open, high, low, close, volume) and nothing says which; "
            "add a column 'symbol'"
        )


def _refuse_repeated_names(columns: Columns) -> None:
    _refuse_repeats([_shown(name) for name, _ in columns])


def _refuse_repeats(names: list[str]) -> None:
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1] if len(set(names)) < len(names) else []
    if repeated:
        raise DataError(f"column '{repeated[0]}' occurs {names.count(repeated[0])} times; keep one of each name")


def _first_named(columns: Columns, wanted: tuple[str, ...]) -> str | None:
    by_meaning = {_plain(name): name for name, _ in reversed(_flat(columns))}
    return next((by_meaning[name] for name in wanted if name in by_meaning), None)


def _flat(columns: Columns) -> list[tuple[str, pa.Array]]:
    return [(_shown(name), column) for name, column in columns]


def _shown(name: Name) -> str:
    return name if isinstance(name, str) else "/".join(part for part in name if part)


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", " ")
