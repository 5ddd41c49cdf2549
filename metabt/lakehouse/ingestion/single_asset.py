"""Bars of one asset, or of several in flat names: tables that look wide and are not.

1. Beside the dates there is a close and another field, or nothing but fields, or a volume, or a column that can be
   called so only where it is a close: these are the bars of one asset, and the caller must say which. Read as symbols,
   an asset's volume would be a price. Single letters are names of fields where all four are there.
2. Names such as AAPL_Close and AAPL_Volume hold a symbol and a field: where all do so on one side, and one is a close,
   they are columns of two levels; where only some do, it is said.
"""

from __future__ import annotations

import numpy as np

from metabt.errors import DataError
from metabt.lakehouse.ingestion import cell_values
from metabt.lakehouse.ingestion.bar_shape import MOST, ROWS, bar_columns
from metabt.lakehouse.ingestion.column_words import BESIDE, PLAINLY, meaning, plain, split
from metabt.lakehouse.ingestion.columns import Columns, flat, listed
from metabt.lakehouse.ingestion.options import Options


def is_single(columns: Columns) -> bool:
    """Return whether columns, the dates left out, are the bars of one asset."""
    names = [name for name, _ in flat(columns)]
    found = [meaning(name) for name in names]
    kinds = {kind for kind in found if kind}
    only = all(kind or plain(name) in BESIDE for kind, name in zip(found, names, strict=True))
    bars = len(kinds) > 1 and "close" in kinds or len(kinds) > 2
    plainly = any(plain(name) in PLAINLY for name in names) or set("ohlc") <= {plain(name) for name in names}
    return bars or plainly or "volume" in kinds or (only and "close" in kinds)


def refuse_single(columns: Columns, options: Options) -> None:
    """Raise DataError: the columns are one asset's, and nothing says whose."""
    names = [name for name, _ in flat(columns)]
    known = [name for name in names if meaning(name)]
    others = [name for name in names if not meaning(name) and plain(name) not in BESIDE]
    likely = [name for name in others if plain(name) == "c"] or (others if len(others) == 1 else ["COLUMN"])
    close = {} if any(meaning(name) == "close" for name in names) else {"close": likely[0]}
    raise DataError(
        f"the columns look like the bars of one asset ({listed(known or names)}), and nothing says which; "
        f"say {options.say(symbol_name='NAME', **close)}, or add a column 'symbol'; "
        f"if each of {listed(names)} is a symbol, say {options.say(wide=True)}"
    )


def refuse_bar_shape(columns: Columns, options: Options) -> None:
    """Raise DataError where numbers alone say that the columns are the bars of one asset (`bar_shape`)."""
    named = flat(columns)
    if not 4 <= len(named) <= MOST:
        return
    samples = [cell_values.plain_numbers(column.slice(0, ROWS)) for _, column in named]
    matrix = np.column_stack([sample.values for sample in samples])
    found = bar_columns(matrix)
    if found is None:
        return
    high, low, between = ([named[place][0] for place in places] for places in ([found[0]], [found[1]], found[2]))
    raise DataError(
        f"the columns look like the bars of one asset: '{high[0]}' is the highest and '{low[0]}' the lowest in every "
        f"row, with {listed(between)} between them; say {options.say(symbol_name='NAME', close='COLUMN')}; "
        f"if each column is a symbol, say {options.say(wide=True)}"
    )


def in_two_levels(columns: Columns, options: Options) -> Columns | None:
    """Return the columns under (symbol, field) where their names hold both; None where none of them does.

    Raises
    ------
    DataError
        When only some of the names do so.
    """
    names = [name for name, _ in flat(columns)]
    cuts = {name: cut for name in names if (cut := split(name)) is not None}
    closes = {cut[1] for cut in cuts.values() if meaning(cut[2]) == "close"}
    fields = {meaning(cut[2]) for cut in cuts.values()}
    symbols = {cut[1] for cut in cuts.values()}
    if fields == {"close"} and not all("clos" in plain(cut[2]) for cut in cuts.values()):
        return None  # LAST_MILE and FAIR_VALUE may be symbols
    if not cuts or not (closes or "volume" in fields or len(fields) > 2 or symbols & set(names)):
        return None  # US_HIGH and EU_LOW may be symbols
    if len(cuts) == len(names) and len({side for side, _, _ in cuts.values()}) == 1 and closes:
        return [((cuts[name][1], cuts[name][2]), column) for name, column in flat(columns)]
    some = next(iter(cuts))
    _, symbol, word = cuts[some]
    wanted = f"'{symbol}_close'" if not closes else f"all of them as '{some}' is"
    raise DataError(
        f"column '{some}' looks like the {meaning(word)} of '{symbol}', and not every column names a symbol and a "
        f"field: {listed([name for name in names if name not in cuts] or names)}; name {wanted}, or, if each column "
        f"is a symbol, say {options.say(wide=True)}"
    )
