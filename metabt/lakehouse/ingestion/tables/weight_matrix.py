"""Weight matrices: a row for each date, a column for each symbol, in it the weight that is to be held.

Every cell has a number: one that is empty is refused, since it may be a weight that is missing, or one of 0.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from metabt.errors import DataError
from metabt.lakehouse.ingestion import cell_values
from metabt.lakehouse.ingestion.number_texts import is_text, number_format
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.ingestion.tables import table_cells
from metabt.lakehouse.ingestion.tables.membership_matrix import check_days, date_column
from metabt.lakehouse.ingestion.tables.table_words import SYNONYMS, column_of
from metabt.lakehouse.point_in_time.incoming import Incoming
from metabt.values.tables import Coded, Table

Titled = list[tuple[str, pa.Array]]


def is_matrix(columns: Titled, options: Options) -> bool:
    """Return whether columns are dates and weights of symbols: that is said, or none of them is the asset of a row."""
    meant = {column_of(title, SYNONYMS["signals"]) for title, _ in columns}
    is_wide = options.wide or not meant & {"name", "asset", "known_at"}
    return is_wide and date_column(columns, options) is not None


def read(columns: Titled, options: Options, continental: bool) -> Incoming:
    """Return a row for every cell, without the name of the signal.

    Raises
    ------
    DataError
        For a cell without a number, a date that is missing or there twice, and symbols that repeat.
    """
    place = date_column(columns, options)
    assert place is not None
    title, cells = columns[place]
    days = table_cells.dates(cells, title, options)
    check_days(days, title)
    others = [
        (cell_values.symbol(name), table_cells.prepared(it)) for i, (name, it) in enumerate(columns) if i != place
    ]
    names = tuple(name for name, _ in others)
    if len(set(names)) < len(names):
        raise DataError(f"column '{max(names, key=names.count)}' occurs twice; keep one of each name")
    if not names:
        raise DataError("no column beside the dates; add a column of weights for each symbol")
    written = number_format([it for _, it in others if is_text(it)], options, continental)
    weights = np.column_stack([table_cells.numbers(it, name, written) for name, it in others])
    empty = np.argwhere(np.isnan(weights))
    if len(empty):
        row, column = empty[0].tolist()
        raise DataError(
            f"symbol '{names[column]}', row {row + 1} ({days[row]}): there is no weight ({len(empty):,} such cells); "
            "write 0 where it is not held, as in .fillna(0), and leave out dates on which nothing is decided"
        )
    table: Table = {
        "date": np.repeat(days, len(names)),
        "asset": Coded(np.tile(np.arange(len(names), dtype=np.int32), len(days)), names),
        "weight": weights.reshape(-1),
    }
    numbers = np.repeat(np.arange(1, len(days) + 1), len(names))
    made = f"{len(days):,} dates of {len(names):,} symbols are {weights.size:,} weights"
    return Incoming("signals", table, numbers, weights.size, notes=(made,))
