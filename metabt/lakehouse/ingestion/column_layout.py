"""Find out what a source's columns mean, and turn them into rows of (date, symbol, fields).

1. The date column: the one that is named, else one called date, datetime, timestamp, time or day, else the first that
   holds dates.
2. Two-level columns (field, symbol) or (symbol, field), as yfinance makes them: a column per field and symbol.
3. Long: a symbol column and a price column. 4. Otherwise wide: every other column is a symbol's prices.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa

from metabt.errors import DataError
from metabt.lakehouse.ingestion import cell_values
from metabt.lakehouse.ingestion.column_names import (
    CLOSES,
    ColumnNames,
    check_column_names,
    date_column,
    field_level,
    fields,
    flat,
    plain,
    shown,
    symbol_column,
)
from metabt.lakehouse.ingestion.file_readers import Columns, read_columns
from metabt.lakehouse.ingestion.observations import Observations, cleaned
from metabt.values.tables import Coded

Tables = dict[str, list[tuple[str, pa.Array]]]


def read_observations(source: object, naming: ColumnNames) -> Observations:
    """Return the checked observations of a file or frame.

    Raises
    ------
    DataError
        For anything that must not be stored, naming the symbol, the date, the count and the cure.
    """
    columns = read_columns(source)
    check_column_names(columns, naming)
    _refuse_repeated_names(columns)
    place = date_column(columns, naming)
    name, column = columns[place]
    others = columns[:place] + columns[place + 1 :]
    if not len(column):
        raise DataError("no rows beneath the header; check the file")
    sessions = cell_values.sessions(column, shown(name), naming.date_format)
    return cleaned(_observations(others, sessions, naming))


def _observations(columns: Columns, sessions: cell_values.Sessions, naming: ColumnNames) -> Observations:
    if any(isinstance(name, tuple) and name[1] for name, _ in columns):
        return _two_level(columns, sessions)
    symbol = symbol_column(columns, naming)
    if symbol is not None:
        return _long(dict(flat(columns)), symbol, sessions, naming)
    _refuse_single_asset(columns)
    return _matrices({"close": flat(columns)}, sessions, ())


def _long(
    columns: dict[str, pa.Array], symbol: str, sessions: cell_values.Sessions, naming: ColumnNames
) -> Observations:
    names = [name for name in columns if name != symbol]
    named, notes = fields(names, naming.fields, f"the long table with symbols in '{symbol}'")
    symbols = _symbols(columns[symbol])
    values = {
        kind: _numbers(columns[name], name, lambda row: symbols.values[symbols.codes[row]], sessions)
        for kind, name in named.items()
    }
    return Observations(sessions.dates, sessions.clock, symbols, values, len(sessions.dates), notes=notes)


def _two_level(columns: Columns, sessions: cell_values.Sessions) -> Observations:
    pairs = [(name, column) for name, column in columns if isinstance(name, tuple)]
    level = field_level([name for name, _ in pairs])
    by_field: dict[str, dict[str, pa.Array]] = {}
    for name, column in pairs:
        by_field.setdefault(name[level], {})[name[1 - level]] = column
    named, notes = fields(list(by_field), {}, "the columns' two levels")
    tables = {kind: list(by_field[name].items()) for kind, name in named.items()}
    return _matrices(tables, sessions, notes)


def _matrices(tables: Tables, sessions: cell_values.Sessions, notes: tuple[str, ...]) -> Observations:
    """Return one row for every cell: `tables` is field -> [(symbol, column)]."""
    symbols = [cell_values.symbol(name) for name, _ in tables["close"]]
    _refuse_repeats(symbols)
    if not symbols:
        raise DataError("no price column beside the dates; a wide table has one column per symbol")
    values = {kind: _matrix(columns, symbols, sessions).ravel() for kind, columns in tables.items()}
    n_rows, n_symbols = len(sessions.dates), len(symbols)
    codes = np.tile(np.arange(n_symbols, dtype=np.int32), n_rows)
    dates, clock = np.repeat(sessions.dates, n_symbols), np.repeat(sessions.clock, n_symbols)
    return Observations(dates, clock, Coded(codes, tuple(symbols)), values, n_rows * n_symbols, notes=notes)


def _matrix(columns: list[tuple[str, pa.Array]], symbols: list[str], sessions: cell_values.Sessions) -> np.ndarray:
    found = {cell_values.symbol(name): (name, column) for name, column in columns}
    if set(found) - set(symbols):
        raise DataError(f"symbol '{min(set(found) - set(symbols))}' has no column of closes; add it or drop the symbol")
    matrix = np.full((len(sessions.dates), len(symbols)), np.nan)
    for place, symbol in enumerate(symbols):
        if symbol in found:
            name, column = found[symbol]
            matrix[:, place] = _numbers(column, name, partial(_always, symbol), sessions)
    return matrix


def _always(symbol: str, row: int) -> str:
    return symbol


def _numbers(
    column: pa.Array, name: str, symbol_of: Callable[[int], str], sessions: cell_values.Sessions
) -> np.ndarray:
    read = cell_values.numbers(column)
    if len(read.refused):
        row = int(read.refused[0])
        raise DataError(
            f"{symbol_of(row)} on {sessions.dates[row]}: '{read.example}' is not a number "
            f"({len(read.refused)} such cells in column '{name}'); write plain decimals such as 1234.5, "
            "and leave the cell empty where there was no price"
        )
    return read.values


def _symbols(column: pa.Array) -> Coded:
    coded = cell_values.as_text(column).dictionary_encode()
    if coded.null_count:
        row = int(np.flatnonzero(coded.is_null().to_numpy(zero_copy_only=False))[0]) + 1
        raise DataError(f"row {row} has no symbol ({coded.null_count} such rows); fill it in or delete the row")
    stripped = [cell_values.symbol(text) for text in coded.dictionary.to_pylist()]
    values = list(dict.fromkeys(stripped))
    places = {text: place for place, text in enumerate(values)}
    lookup = np.array([places[text] for text in stripped], dtype=np.int32)
    return Coded(lookup[coded.indices.to_numpy()], tuple(values))


def _refuse_repeated_names(columns: Columns) -> None:
    _refuse_repeats([shown(name) for name, _ in columns])


def _refuse_repeats(names: list[str]) -> None:
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1] if len(set(names)) < len(names) else []
    if repeated:
        raise DataError(f"column '{repeated[0]}' occurs {names.count(repeated[0])} times; keep one of each name")


def _refuse_single_asset(columns: Columns) -> None:
    meanings = {plain(name) for name, _ in flat(columns)}
    if meanings & set(CLOSES) and meanings & {"open", "high", "low", "volume"}:
        raise DataError(
            "the columns are the bars of one asset (open, high, low, close, volume) and nothing says which; "
            "add a column 'symbol'"
        )
