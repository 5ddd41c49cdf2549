"""Find out what a source's columns mean, and turn them into rows of (date, symbol, fields).

1. The date column: the one that is named, else one called date, datetime, timestamp, time or day, else the first that
   holds dates.
2. Two-level columns (field, symbol) or (symbol, field), as yfinance makes them, or flat ones whose names hold both.
3. The bars of one asset, whose symbol the caller states. 4. Long: a symbol column and a price column.
5. Otherwise wide: every other column is a symbol's prices. What would make symbols of fields is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metabt.errors import DataError
from metabt.lakehouse.ingestion import cell_values
from metabt.lakehouse.ingestion.column_names import (
    check_column_names,
    date_column,
    field_level,
    fields,
    raw_column,
    refuse_hidden_symbols,
    symbol_column,
    without_nameless,
)
from metabt.lakehouse.ingestion.columns import Columns, Table, flat, listed, shown
from metabt.lakehouse.ingestion.number_texts import (
    NumberFormat,
    is_in_percent,
    is_text,
    lengthened,
    number_format,
    trimmed,
)
from metabt.lakehouse.ingestion.observations import Observations, cleaned
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.ingestion.readers.sources import read_table
from metabt.lakehouse.ingestion.readers.text_cells import refuse_data_as_names, upright
from metabt.lakehouse.ingestion.returns import as_fractions, refuse_returns
from metabt.lakehouse.ingestion.single_asset import in_two_levels, is_single, refuse_bar_shape, refuse_single
from metabt.lakehouse.ingestion.tables.bar_actions import refuse_split_closes, without_actions
from metabt.values.buffers import to_numpy
from metabt.values.tables import Coded

SLICE = 1 << 16
"""Cells that are looked at together."""
Fields = dict[str, list[tuple[str, pa.Array]]]
"""Field -> the symbols and cells of its columns."""


def read_observations(source: object, options: Options) -> Observations:
    """Return the checked observations of a file or frame.

    Raises
    ------
    DataError
        For anything that must not be stored, naming the symbol, the date, the count and the cure.
    """
    _, found = laid_out(read_table(source, options), options)
    if options.returns:
        found = as_fractions(found, options)
    else:
        refuse_returns(found.fields["close"], options)
    found = cleaned(without_actions(found))
    refuse_split_closes(found)
    return replace(found, notes=found.notes + _without_prices(found))


def laid_out(table: Table, options: Options) -> tuple[Columns, Observations]:
    """Return the columns of a table without its dates, and what they mean: observations, unchecked.

    Raises
    ------
    DataError
        For columns that mean nothing, or may mean several things, and cells that are no dates or no numbers.
    """
    if table.columns and not len(table.columns[0][1]):
        raise DataError("no rows beneath the header; check the file")
    columns, nameless = without_nameless(upright(table.columns))
    check_column_names(columns, options)
    _refuse_repeats([shown(name) for name, _ in columns])
    place = date_column(columns, options)
    name, column = columns[place]
    refuse_data_as_names([shown(name) for name, _ in columns], shown(name), options)
    sessions = cell_values.sessions(column, shown(name), options)
    others = columns[:place] + columns[place + 1 :]
    found = _observations(others, sessions, options, table.continental)
    beside = raw_column(others, options)
    return others, replace(found, notes=table.notes + nameless + found.notes, beside=beside)


def _observations(
    columns: Columns, sessions: cell_values.Sessions, options: Options, continental: bool
) -> Observations:
    if not options.wide and not any(isinstance(name, tuple) for name, _ in columns):
        symbol = symbol_column(columns, options)
        if symbol is not None:
            return _long(dict(flat(columns)), symbol, sessions, options, continental)
        if options.symbol_name or (options.stem and is_single(columns)):
            return _single(columns, sessions, options, continental)
        if is_single(columns):
            refuse_single(columns, options)
        refuse_hidden_symbols(columns, sessions.dates, options)
        columns = in_two_levels(columns, options) or columns
        if not any(isinstance(name, tuple) for name, _ in columns):
            refuse_bar_shape(columns, options)
    if any(isinstance(name, tuple) and name[1] for name, _ in columns):
        if options.symbol_name:
            raise DataError(
                f"the columns name symbols themselves; leave out {options.say(symbol_name=options.symbol_name)}"
            )
        return _two_level(columns, sessions, options, continental)
    if options.close is not None:
        raise DataError(
            f"'{options.close}' is the price of one asset, and nothing says which; "
            f"say {options.say(symbol_name='NAME')} too, or {options.say(symbol='COLUMN')}"
        )
    return _matrices({"close": flat(columns)}, sessions, options, continental, ())


def _long(
    columns: dict[str, pa.Array],
    symbol: str,
    sessions: cell_values.Sessions,
    options: Options,
    continental: bool,
) -> Observations:
    names = [name for name in columns if name != symbol]
    named, notes = fields(names, options, f"the long table with symbols in '{symbol}'")
    symbols = _symbols(columns[symbol])
    tables, written = _prepared({kind: [(name, columns[name])] for kind, name in named.items()}, options, continental)
    values = {
        kind: _numbers(cells, name, kind, written, lambda row: symbols.values[symbols.codes[row]], sessions)
        for kind, [(name, cells)] in tables.items()
    }
    return Observations(sessions.dates, sessions.clock, symbols, values, len(sessions.dates), notes=notes)


def _single(columns: Columns, sessions: cell_values.Sessions, options: Options, continental: bool) -> Observations:
    symbol = str(options.symbol_name or options.stem)
    names = [name for name, _ in flat(columns)]
    alone = replace(options, close=options.close or (names[0] if len(names) == 1 else None))
    named, notes = fields(names, alone, "the table of one asset")
    by_name = dict(flat(columns))
    tables = {kind: [(symbol, by_name[name])] for kind, name in named.items()}
    return _matrices(tables, sessions, options, continental, notes)


def _two_level(columns: Columns, sessions: cell_values.Sessions, options: Options, continental: bool) -> Observations:
    pairs = [(name, column) for name, column in columns if isinstance(name, tuple)]
    level = field_level([name for name, _ in pairs], options)
    by_field: dict[str, dict[str, pa.Array]] = {}
    for name, column in pairs:
        by_field.setdefault(name[level], {})[name[1 - level]] = column
    named, notes = fields(list(by_field), options, "the columns' two levels")
    tables = {kind: list(by_field[name].items()) for kind, name in named.items()}
    return _matrices(tables, sessions, options, continental, notes)


def _matrices(
    tables: Fields, sessions: cell_values.Sessions, options: Options, continental: bool, notes: tuple[str, ...]
) -> Observations:
    """Return one row for every cell: `tables` is field -> [(symbol, column)]."""
    symbols = [cell_values.symbol(name) for name, _ in tables["close"]]
    _refuse_repeats(symbols)
    if not symbols:
        raise DataError("no price column beside the dates; a wide table has one column per symbol")
    tables, written = _prepared(tables, options, continental)
    values = {kind: _matrix(columns, kind, symbols, sessions, written).ravel() for kind, columns in tables.items()}
    n_rows, n_symbols = len(sessions.dates), len(symbols)
    codes = np.tile(np.arange(n_symbols, dtype=np.int32), n_rows)
    dates, clock = np.repeat(sessions.dates, n_symbols), np.repeat(sessions.clock, n_symbols)
    return Observations(dates, clock, Coded(codes, tuple(symbols)), values, n_rows * n_symbols, notes=notes)


def _matrix(
    columns: list[tuple[str, pa.Array]],
    kind: str,
    symbols: list[str],
    sessions: cell_values.Sessions,
    written: NumberFormat | None,
) -> np.ndarray:
    found = {cell_values.symbol(name): (name, column) for name, column in columns}
    if set(found) - set(symbols):
        raise DataError(f"symbol '{min(set(found) - set(symbols))}' has no column of closes; add it or drop the symbol")
    matrix = np.full((len(sessions.dates), len(symbols)), np.nan)
    for place, symbol in enumerate(symbols):
        if symbol in found:
            name, column = found[symbol]
            matrix[:, place] = _numbers(column, name, kind, written, partial(_always, symbol), sessions)
    return matrix


def _always(symbol: str, row: int) -> str:
    return symbol


def _prepared(tables: Fields, options: Options, continental: bool) -> tuple[Fields, NumberFormat | None]:
    """Return the columns with trimmed texts, and how their numbers are written; None where no way fits them all."""
    ready = {
        kind: [(name, trimmed(cell_values.as_text(cells)) if is_text(cells) else cells) for name, cells in columns]
        for kind, columns in tables.items()
    }
    if is_in_percent(ready["close"]):
        if not options.percent:
            raise DataError(
                "the numbers have a % sign behind them: they look like returns, not prices; "
                f"say {options.say(returns=True, percent=True)}"
            )
        ready["close"] = [(name, pc.utf8_rtrim(cells, "% ")) for name, cells in ready["close"]]
    texts = [
        lengthened(cells)[0] if kind == "volume" else cells
        for kind, columns in ready.items()
        for _, cells in columns
        if is_text(cells)
    ]
    return ready, number_format(texts, options, continental)


def _numbers(
    column: pa.Array,
    name: str,
    kind: str,
    written: NumberFormat | None,
    symbol_of: Callable[[int], str],
    sessions: cell_values.Sessions,
) -> np.ndarray:
    factors: np.ndarray | float = 1.0
    if kind == "volume" and is_text(column):
        column, factors = lengthened(column)
    read = cell_values.numbers(column, written)
    if len(read.refused):
        row = int(read.refused[0])
        raise DataError(
            f"{symbol_of(row)} on {sessions.dates[row]}: '{read.example}' is not a number "
            f"({len(read.refused)} such cells in column '{name}'); write plain decimals such as 1234.5, "
            "and leave the cell empty where there was no price"
        )
    return read.values if isinstance(factors, float) else read.values * factors


def _symbols(column: pa.Array) -> Coded:
    coded = column if _is_numbered(column) else cell_values.as_text(column).dictionary_encode()
    if coded.null_count:
        row = int(np.flatnonzero(coded.is_null().to_numpy(zero_copy_only=False))[0]) + 1
        raise DataError(f"row {row} has no symbol ({coded.null_count} such rows); fill it in or delete the row")
    stripped = [cell_values.symbol(text) for text in coded.dictionary.to_pylist()]
    values = list(dict.fromkeys(stripped))
    places = {text: place for place, text in enumerate(values)}
    codes = to_numpy(coded.indices)
    if len(values) < len(stripped):
        codes = np.array([places[text] for text in stripped], dtype=np.int32)[codes]
    return Coded(codes, tuple(values))


def _is_numbered(column: pa.Array) -> bool:
    """Return whether texts are a dictionary already, numbered in the order in which they first come."""
    if not pa.types.is_dictionary(column.type) or column.type.value_type != pa.string() or column.null_count:
        return False
    codes, n_values = to_numpy(column.indices), len(column.dictionary)
    if column.dictionary.null_count or codes.dtype != np.int32 or not len(codes):
        return False
    highest = -1
    for begin in range(0, len(codes), SLICE):  # a slice at a time stays in the caches
        so_far = np.maximum.accumulate(np.concatenate([[np.int32(highest)], codes[begin : begin + SLICE]]))
        if (np.diff(so_far) > 1).any():
            return False
        highest = so_far[-1]
    return int(highest) == n_values - 1


def _refuse_repeats(names: list[str]) -> None:
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1] if len(set(names)) < len(names) else []
    if repeated:
        raise DataError(f"column '{repeated[0]}' occurs {names.count(repeated[0])} times; keep one of each name")


def _without_prices(found: Observations) -> tuple[str, ...]:
    """Return a note that names the symbols of which the source has a column and no price."""
    counts = np.bincount(found.symbols.codes, minlength=len(found.symbols.values)).tolist()
    empty = [symbol for symbol, count in zip(found.symbols.values, counts, strict=True) if not count]
    return (f"no price in {listed(empty)}",) if empty else ()
