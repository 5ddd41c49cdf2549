"""Find out what the columns of a source are called: dates, symbols and fields.

1. What the caller states goes first, and must exist.
2. Otherwise names decide, whatever their case; a date column may also be known by what it holds.
3. Where there is an adjusted close, it is the price; open, high and low are then left out, since they are not adjusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from metabt.errors import DataError, nearest
from metabt.lakehouse.ingestion import cell_values
from metabt.lakehouse.ingestion.file_readers import Columns, Name
from metabt.lakehouse.ingestion.observations import FIELDS

DATES = ("date", "datetime", "timestamp", "time", "day")
SYMBOLS = ("symbol", "ticker", "asset", "sid")
ADJUSTED = ("adj close", "adjclose", "adjusted close", "adjusted")
CLOSES = (*ADJUSTED, "close", "price")
"""Names of a price column, the preferred first."""


@dataclass(frozen=True)
class ColumnNames:
    """What the caller states of a source's columns; None and left-out fields are found by their names."""

    date: str | None = None
    """The column that holds the dates."""
    symbol: str | None = None
    """The column of a long table that holds the symbols."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Field (close, open, high, low, volume) -> column."""
    date_format: str | None = None
    """How dates are written, as for strptime; ISO by default."""


def date_column(columns: Columns, naming: ColumnNames) -> int:
    """Return the position of the date column.

    Raises
    ------
    DataError
        When no column is called so and none holds dates.
    """
    names = [shown(name) for name, _ in columns]
    if naming.date is not None:
        return names.index(naming.date)
    dated = [cell_values.looks_like_dates(column, naming.date_format) for _, column in columns]
    named = [places[word] for word in DATES if word in (places := {plain(name): i for i, name in enumerate(names)})]
    # DAY and TIME are tickers too: a column of that name that holds no dates is the last resort
    for place in (*(i for i in named if dated[i]), *np.flatnonzero(dated), *named):
        return int(place)
    raise DataError(f"no date column among {', '.join(map(repr, names[:8]))}; call one 'date', or name it with date=")


def check_column_names(columns: Columns, naming: ColumnNames) -> None:
    """Raise DataError for a stated column that does not exist, or a field that is none."""
    names = [shown(name) for name, _ in columns]
    unknown = set(naming.fields) - set(FIELDS)
    if unknown:
        raise DataError(f"unknown field '{min(unknown)}'{nearest(min(unknown), FIELDS)}")
    for stated in (naming.date, naming.symbol, *naming.fields.values()):
        if stated is not None and stated not in names:
            raise DataError(f"no column '{stated}'{nearest(stated, names)}")


def fields(names: list[str], stated: Mapping[str, str], where: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return field -> column name, and what was chosen and left out, in sentences.

    Raises
    ------
    DataError
        When no column is a price.
    """
    by_meaning = {plain(name): name for name in names}
    close = stated.get("close") or next((by_meaning[name] for name in CLOSES if name in by_meaning), None)
    if close is None:
        raise DataError(f"no price column in {where}; call one 'close', or name it with fields={{'close': COLUMN}}")
    adjusted = plain(close) in ADJUSTED
    others = ("volume",) if adjusted else ("open", "high", "low", "volume")
    found = {"close": close, **{kind: by_meaning[kind] for kind in others if kind in by_meaning}, **stated}
    unused = [name for name in names if name not in found.values()]
    notes = (f"'{close}' is the price; open, high and low are not adjusted as it is",) if adjusted else ()
    return found, notes + ((f"left out: {', '.join(unused)}",) if unused else ())


def field_level(names: list[tuple[str, str]]) -> int:
    """Return which of the two levels of column names holds the fields."""
    for level in (0, 1):
        if any(plain(name[level]) in CLOSES for name in names):
            return level
    raise DataError("the columns' two levels name no close; wanted (field, symbol), such as ('Close', 'AAPL')")


def symbol_column(columns: Columns, naming: ColumnNames) -> str | None:
    """Return the symbol column of a long table, None for a wide one."""
    if naming.symbol is not None:
        return naming.symbol
    by_meaning = {plain(name): (name, column) for name, column in flat(columns)}
    name, column = next((by_meaning[word] for word in SYMBOLS if word in by_meaning), (None, None))
    if name is None or naming.fields or set(CLOSES) & set(by_meaning):
        return name
    # ASSET and SID are tickers too: without a price column beside it, a column of numbers is a symbol's prices
    return name if len(cell_values.numbers(column).refused) else None


def flat(columns: Columns) -> list[tuple[str, pa.Array]]:
    """Return the columns under names of one level."""
    return [(shown(name), column) for name, column in columns]


def shown(name: Name) -> str:
    """Return a column's name as text, for messages."""
    return name if isinstance(name, str) else "/".join(part for part in name if part)


def plain(name: str) -> str:
    """Return a name as names are compared: lower case, blanks for underscores."""
    return name.strip().lower().replace("_", " ")
