"""A table of text cells as named columns: where the header ends, and whether there is one.

1. Names that are given are those of a file without a header.
2. A first row of a date and numbers is no header: its prices would become symbols.
3. Two rows of names, such as yfinance's fields above tickers, in either order, make names of two levels; a third one
   that only names the dates is yfinance's too.
4. Dates across the first row and symbols down the first column: the table is turned.
"""

from __future__ import annotations

import re
from itertools import islice

import pyarrow as pa

from metabt.errors import DataError
from metabt.lakehouse.ingestion.column_words import CURRENCIES, meaning
from metabt.lakehouse.ingestion.columns import Columns, listed
from metabt.lakehouse.ingestion.date_texts import is_date
from metabt.lakehouse.ingestion.options import Options

NUMERIC = re.compile(r"[+-]?[$€£¥]?[\d.,' ]*\d[\d.,' ]*%?([eE][+-]?\d+)?[$€£¥]?")
"""A cell that looks like a number, however it is written."""
DECIMAL = re.compile(r"[+-]?\d+[.,]\d+(\.\d+)?")
"""A name that is a number with decimals; pandas adds .1 to one that repeats."""
LEVELS = ("", "ticker", "tickers", "symbol", "symbols", "price", "field", "attributes")
"""What stands before a second row of names."""
EXAMPLE = "Date,AAPL,MSFT"
"""A header, for messages."""


def named_columns(cells: list[pa.Array], options: Options) -> Columns:
    """Return the columns of a table whose rows, the header among them, are text.

    Parameters
    ----------
    cells : list of pa.Array
        A string array for each column, all of one length, NULL or empty where there is nothing.
    options : Options
        Names of columns, where the caller states them.

    Raises
    ------
    DataError
        For a table without a header.
    """
    rows = [[str(column[i].as_py() or "").strip() for column in cells] for i in range(min(3, len(cells[0])))]
    if options.columns:
        return _stated(cells, rows[0], options)
    if not _turned(rows[0]) and _is_data(rows[0]):
        raise DataError(
            f"the first line is {', '.join(rows[0][:3])}{', ...' * (len(rows[0]) > 3)}: data, so there is no header; "
            f"name the columns with {options.say(columns=EXAMPLE)}, or write such a line above"
        )
    depth = _levels(rows)
    if depth == 1:
        return [(name, column.slice(1)) for name, column in zip(rows[0], cells, strict=True)]
    above, below = _filled(rows[0]), rows[1]
    named = depth == 3
    dates = (rows[2][0] if named else "", cells[0].slice(depth))
    pairs = [((above[i], below[i]), column.slice(depth)) for i, column in enumerate(cells) if i]
    return [dates, *pairs]


def refuse_data_as_names(names: list[str], date: str, options: Options) -> None:
    """Raise DataError where the names of a frame's or a Parquet file's columns are a row of data."""
    others = [name for name in names if name != date]
    if options.wide or not (others and (is_date(date) or all(DECIMAL.fullmatch(name) for name in others))):
        return
    raise DataError(
        f"the columns are called {listed(names)}: data, so the first row was taken for a header; "
        f"read the file with names of columns, or, if each is a symbol, say {options.say(wide=True)}"
    )


def upright(columns: Columns) -> Columns:
    """Return a table with dates across as one with dates down: a column per symbol."""
    names = [name if isinstance(name, str) else "" for name, _ in columns]
    if not columns or not _turned(names):
        return columns
    (place,) = [i for i, name in enumerate(names) if not is_date(name)]
    symbols = [str(cell) for cell in columns[place][1].to_pylist()]
    across = [(name, column) for i, (name, column) in enumerate(columns) if i != place]
    if any(is_date(symbol) for symbol in symbols[:3]):
        return columns
    rows = zip(*(column.to_pylist() for _, column in across), strict=True)
    kind = across[0][1].type
    turned = [(symbol, pa.array(row, kind)) for symbol, row in zip(symbols, rows, strict=True)]
    return [("date", pa.array([str(name) for name, _ in across])), *turned]


def _turned(names: list[str]) -> bool:
    """Return whether all names but one are dates."""
    others = list(islice((name for name in names if not is_date(name)), 2))
    return len(names) > 1 and len(others) == 1 and not NUMERIC.fullmatch(others[0])


def _is_data(row: list[str]) -> bool:
    dates = [cell for cell in row if is_date(cell)]
    others = [cell for cell in row if cell not in dates]
    if dates:
        return any(NUMERIC.fullmatch(cell) for cell in others) or (len(row) > 1 and not any(others))
    return len(row) > 1 and all(NUMERIC.fullmatch(cell) for cell in row) and any(map(DECIMAL.fullmatch, row))


def _stated(cells: list[pa.Array], first: list[str], options: Options) -> Columns:
    if len(options.columns) != len(cells):
        raise DataError(
            f"{len(options.columns)} names are given for {len(cells)} columns, whose first cells are {listed(first)}; "
            "name each of them"
        )
    if not _is_data(first):
        raise DataError(
            f"the first line, {listed(first)}, is no data: it looks like a header, which needs no "
            f"{options.say(columns=','.join(options.columns))}; leave that out, or skip the line with "
            f"{options.say(skip_rows=options.skip_rows + 1)}"
        )
    return list(zip(options.columns, cells, strict=True))


def _levels(rows: list[list[str]]) -> int:
    """Return how many rows name the columns: 1, or 2 for names of two levels, or 3 with a row that names the dates."""
    if len(rows) < 2 or len(rows[0]) < 2 or any(map(is_date, rows[1])):
        return 1
    if any(NUMERIC.fullmatch(cell) for cell in rows[1]) and rows[1][0].lower() not in LEVELS:
        return 1  # 0700 is a ticker, but not beside a date that cannot be read
    if not all(rows[1][1:]) or not any(meaning(name) == "close" for row in rows[:2] for name in row[1:]):
        return 1
    units = {name.lower() for name in rows[1][1:]} & CURRENCIES
    if units:
        raise DataError(f"the second line states units ({listed(sorted(units))}); delete it, it is no data")
    return 3 if len(rows) == 3 and not any(rows[2][1:]) and rows[2][0] and not is_date(rows[2][0]) else 2


def _filled(names: list[str]) -> list[str]:
    """Return names in which an empty one is that to its left, as where cells of a workbook are merged."""
    filled = names[:1]
    for name in names[1:]:
        filled.append(name or (filled[-1] if len(filled) > 1 else name))
    return filled
