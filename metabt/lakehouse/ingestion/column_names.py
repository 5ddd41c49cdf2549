"""Find out what the columns of a source are called: dates, symbols and fields.

1. What the caller states goes first, and must exist.
2. Otherwise names decide, whatever their case; a date column may also be known by what it holds.
3. Columns without a name that hold nothing, or count the rows, are left out and named.
4. Where there is an adjusted close, it is the price; open, high and low are then left out, since they are not adjusted.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from metabt.errors import DataError, nearest
from metabt.lakehouse.ingestion import cell_values
from metabt.lakehouse.ingestion.column_words import (
    ADJUSTED,
    CLOSES,
    DATES,
    DIVIDENDS,
    OTHERS,
    PLAINLY,
    SPLITS,
    SYMBOLS,
    UNNAMED,
    meaning,
    plain,
)
from metabt.lakehouse.ingestion.columns import Columns, flat, listed, shown
from metabt.lakehouse.ingestion.number_texts import MISSING, is_text
from metabt.lakehouse.ingestion.options import Options

BESIDE_RAW = {"dividend": DIVIDENDS, "split": SPLITS}
"""Field of raw bars that is no price -> names of its column."""


def date_column(columns: Columns, options: Options) -> int:
    """Return the position of the date column.

    Raises
    ------
    DataError
        When no column is called so and none holds dates.
    """
    names = [shown(name) for name, _ in columns]
    if options.date is not None:
        return names.index(options.date)
    dated = [cell_values.looks_like_dates(column, options.date_format) for _, column in columns]
    places = {plain(name): i for i, name in enumerate(names)}
    named = [places[word] for word in DATES if word in places]
    # DAY and TIME are tickers too: a column of that name that holds no dates is the last resort
    for place in (*(i for i in named if dated[i]), *np.flatnonzero(dated), *named):
        return int(place)
    if len(names) == 1:
        raise DataError(
            f"there is one column, '{names[0][:60]}', and it holds no dates; wanted dates and closes, in a CSV "
            "file with cells cut by a comma, a semicolon, a bar or a tab"
        )
    raise DataError(
        f"no date column among {listed(names, 8)}; call one 'date', or say which it is: {options.say(date='COLUMN')}"
    )


def check_column_names(columns: Columns, options: Options) -> None:
    """Raise DataError for a stated column that does not exist."""
    names = [shown(name) for name, _ in columns]
    levels = {part for name, _ in columns if isinstance(name, tuple) for part in name}
    fields = {part.lower() for name in names for part in (name, name.rpartition("_")[2], name.rpartition(" ")[2])}
    for stated in (options.date, options.symbol):
        if stated is not None and stated not in names:
            raise DataError(f"no column '{stated}'{nearest(stated, names)}")
    for stated in (options.close, options.volume):
        if stated is not None and stated not in {*names, *levels} and stated.lower() not in fields:
            raise DataError(f"no column '{stated}'{nearest(stated, names)}")


def is_nameless(name: str) -> bool:
    """Return whether a name is one that a column gets when it has none."""
    return UNNAMED.fullmatch(plain(name)) is not None


def without_nameless(columns: Columns) -> tuple[Columns, tuple[str, ...]]:
    """Return the columns without nameless ones that count rows or hold nothing, and a note that names those."""
    left = [
        name
        for name, column in columns
        if isinstance(name, str) and is_nameless(name) and (_is_empty(column) or _counts_rows(column))
    ]
    kept = [(name, column) for name, column in columns if name not in left]
    notes = (f"left out: {listed([name or '(no name)' for name in left])}, which only counts rows or is empty",)
    return (kept, notes) if left and len(kept) > 1 else (columns, ())


def raw_column(columns: Columns, options: Options) -> str | None:
    """Return the name of a column that means something else where prices are raw, if that is not said; else None."""
    if options.adjusted is not None or options.wide or options.close is not None:
        return None
    words = {*ADJUSTED, *DIVIDENDS, *SPLITS}
    parts = [(shown(name), (name,) if isinstance(name, str) else name) for name, _ in columns]
    return next((name for name, own in parts if any(plain(part) in words for part in own)), None)


def fields(names: list[str], options: Options, where: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return field -> column name, and what was chosen and left out, in sentences.

    Raises
    ------
    DataError
        When no column is a price.
    """
    by_meaning = {plain(name): name for name in reversed(names)}
    raw = options.adjusted is False
    words = [word for word in CLOSES if not (raw and word in ADJUSTED)]
    close = options.close or next((by_meaning[word] for word in words if word in by_meaning), None)
    if close is None:
        raise DataError(
            f"no price column in {where}, which has {listed(names)}; "
            f"call one 'close', or say which it is with {options.say(close=_likely(names))}"
        )
    adjusted = plain(close) in ADJUSTED
    if adjusted and raw:
        raise DataError(
            f"'{close}' is an adjusted close, and the prices are said to be raw; name the raw one with "
            f"{options.say(close='COLUMN')}, or leave {options.named('adjusted')} out"
        )
    found = {"close": close}
    for kind in ("volume",) if adjusted else tuple(OTHERS):
        named = next((by_meaning[word] for word in OTHERS[kind] if word in by_meaning), None)
        named = options.volume if kind == "volume" and options.volume else named
        if named is not None and named != close:
            found[kind] = named
    for kind, named_so in BESIDE_RAW.items() if raw else ():
        named = next((by_meaning[word] for word in named_so if word in by_meaning), None)
        if named is not None and named != close:
            found[kind] = named
    unused = [name for name in names if name not in found.values()]
    notes = (f"'{close}' is the price; open, high and low are not adjusted as it is",) if adjusted else ()
    return found, notes + ((f"left out: {', '.join(unused)}",) if unused else ())


def _likely(names: list[str]) -> str:
    """Return the only column that may be the price, else a word for one."""
    return names[0] if len(names) == 1 else "COLUMN"


def field_level(names: list[tuple[str, str]], options: Options) -> int:
    """Return which of the two levels of column names holds the fields."""
    levels = [{name[level] for name in names} for level in (0, 1)]
    found = [level for level in (0, 1) if options.close and options.close in levels[level]]
    found = found or [level for level in (0, 1) if any(meaning(part) == "close" for part in levels[level])]
    if found and (not options.close or options.close in levels[found[0]]):
        return max(found, key=lambda level: _likeness(levels[level]))
    raise DataError(
        "the columns' two levels name no close; wanted (field, symbol), such as ('Close', 'AAPL'), "
        f"or say which field it is with {options.say(close='FIELD')}"
    )


def _likeness(names: set[str]) -> tuple[bool, float]:
    """Return how much names are those of fields: VALUE, LAST and OPEN are tickers too."""
    return any(plain(name) in PLAINLY for name in names), sum(meaning(name) is not None for name in names) / len(names)


def symbol_column(columns: Columns, options: Options) -> str | None:
    """Return the symbol column of a long table, None for a wide one."""
    if options.symbol is not None or options.symbol_name is not None or options.wide:
        return options.symbol
    by_meaning = {plain(name): (name, column) for name, column in flat(columns)}
    name, column = next((by_meaning[word] for word in SYMBOLS if word in by_meaning), (None, None))
    if name is None or options.close or any(meaning(word) == "close" for word in by_meaning):
        return name
    # ASSET and SID are tickers too: without a price column beside it, a column of numbers is a symbol's prices
    return name if len(cell_values.plain_numbers(column).refused) else None


def refuse_hidden_symbols(columns: Columns, dates: np.ndarray, options: Options) -> None:
    """Raise DataError where a column of text beside dates that repeat looks like the symbols of a long table.

    Raises
    ------
    DataError
        Names that column, and the one that looks like prices.
    """
    texts = [name for name, column in flat(columns) if is_text(column) and _is_words(column)]
    numeric = [name for name, column in flat(columns) if name not in texts]
    repeats = len(np.unique(dates)) < len(dates)
    if texts and (repeats or len(texts) < len(columns)):
        close = next((name for name in numeric if meaning(name) == "close"), _likely(numeric))
        raise DataError(
            f"column '{texts[0]}' holds text, so it has no prices{', and dates repeat' * repeats}: it looks like the "
            f"symbols of a long table; say {options.say(symbol=texts[0], close=close)}"
        )


def _is_words(column: pa.Array) -> bool:
    sample = [text for text in cell_values.as_text(column.slice(0, 20)).to_pylist() if not _is_missing(text)]
    return bool(sample) and all(not any(sign.isdigit() for sign in text) and len(text) > 1 for text in sample)


def _is_empty(column: pa.Array) -> bool:
    if not is_text(column):
        return column.null_count == len(column)
    return all(map(_is_missing, cell_values.as_text(column).unique().to_pylist()))


def _is_missing(text: str | None) -> bool:
    return text is None or text.strip().lower() in MISSING


def _counts_rows(column: pa.Array) -> bool:
    if pa.types.is_temporal(column.type):
        return False
    values = cell_values.plain_numbers(column).values
    return len(values) > 0 and bool((np.diff(values) == 1).all()) and values[0] in (0.0, 1.0)
