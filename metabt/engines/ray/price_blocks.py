"""Price blocks: prices as Arrow tables in the object store, which every process reads without copying.

1. A partition is a table of one row. Nothing that cuts tables between rows can cut a matrix, and the schema, which
   passes the driver with every reference, has the same few columns however many assets there are.
2. A matrix is the list of its numbers, session by session; dates are days since 1970. Bits stay as they are.
3. What comes back are read-only views of the table's buffers.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pyarrow as pa

from metabt.data.panel.sheet import Sheet
from metabt.data.point_in_time.events import Events
from metabt.data.prices import Prices
from metabt.errors import DataError

NUMBERS = pa.large_list(pa.float64())
SCHEMA = pa.schema(
    {
        "name": pa.string(),
        "closed": pa.bool_(),
        "symbols": pa.large_list(pa.string()),
        "dates": pa.large_list(pa.int64()),
        "close": NUMBERS,
        "volume": NUMBERS,
        "entry": NUMBERS,
        "stated": NUMBERS,
        "events": NUMBERS,
    }
)
"""Columns of a block of prices; `volume`, `entry`, `stated` and `events` are null where there are none."""
FIELD = "field:"
"""Prefix of the name of a column that holds a field of a sheet."""


def to_table(prices: Prices) -> pa.Table:
    """Return prices as a table of one row.

    Raises
    ------
    DataError
        For prices without a session or without a symbol.
    """
    if not prices.close.size:
        raise DataError(
            f"dataset '{prices.name}': {len(prices.dates)} sessions of {len(prices.symbols)} symbols are no block; "
            "wanted at least one of each: leave the partition out, or select a symbol"
        )
    columns = [
        pa.array([prices.name]),
        pa.array([prices.closed]),
        pa.array([prices.symbols], SCHEMA.field("symbols").type),
        packed(prices.dates.astype("datetime64[D]", copy=False).view(np.int64)),
        packed(prices.close),
        packed(prices.volume),
        packed(prices.entry),
        packed(prices.stated),
        packed(None if prices.events is None else prices.events.matrix),
    ]
    return pa.table(columns, schema=SCHEMA)


def from_table(table: pa.Table, after: np.datetime64 | None = None) -> Prices:
    """Return the prices of a block, as read-only views of it.

    Parameters
    ----------
    table : Table
        What `to_table` returned, in whichever process.
    after : date, optional
        The last session seen of this dataset; time does not run backwards.

    Raises
    ------
    RuntimeError
        For a block that begins at `after` or before.
    """
    row = {name: table[name].chunk(0) for name in SCHEMA.names}
    symbols = tuple(row["symbols"][0].as_py())
    dates = unpacked(row["dates"]).view("datetime64[D]")
    name = row["name"][0].as_py()
    check_order(name, dates, after)
    shape = (len(dates), len(symbols))
    there = {field: row[field].is_valid()[0].as_py() for field in ("volume", "entry", "stated", "events")}
    volume = unpacked(row["volume"], shape) if there["volume"] else None
    entry = unpacked(row["entry"]) if there["entry"] else None
    stated = unpacked(row["stated"], shape) if there["stated"] else None
    events = Events.of(*unpacked(row["events"]).reshape(len(fields(Events)), -1)) if there["events"] else None
    close, closed = unpacked(row["close"], shape), row["closed"][0].as_py()
    return Prices(name, dates, symbols, close, volume, closed, entry, stated, events)


def sheet_to_table(sheet: Sheet) -> pa.Table:
    """Return a sheet as a table of one row, with a column for every field."""
    columns = {
        "symbols": pa.array([sheet.symbols], SCHEMA.field("symbols").type),
        "dates": packed(sheet.dates.astype("datetime64[D]", copy=False).view(np.int64)),
    }
    return pa.table(columns | {FIELD + name: packed(matrix) for name, matrix in sheet.fields.items()})


def sheet_from_table(table: pa.Table) -> Sheet:
    """Return the sheet of a block, as read-only views of it."""
    dates = unpacked(table["dates"].chunk(0)).view("datetime64[D]")
    symbols = tuple(table["symbols"].chunk(0)[0].as_py())
    names = [name for name in table.column_names if name.startswith(FIELD)]
    shape = (len(dates), len(symbols))
    return Sheet(dates, symbols, {name[len(FIELD) :]: unpacked(table[name].chunk(0), shape) for name in names})


def check_order(name: str, dates: np.ndarray, after: np.datetime64 | None) -> None:
    """Raise RuntimeError unless a block's sessions follow those seen before."""
    if after is not None and dates[0] <= after:
        raise RuntimeError(
            f"dataset '{name}': a block that begins on {dates[0]} arrived after {after}; "
            "wanted blocks in time order: hand on every block of a stream, as it comes"
        )


def packed(array: np.ndarray | None) -> pa.LargeListArray:
    """Return an array of any shape as the only list of a column, or null; a contiguous one is not copied."""
    if array is None:
        return pa.nulls(1, NUMBERS)
    numbers = pa.array(np.ascontiguousarray(array).reshape(-1))
    return pa.LargeListArray.from_arrays(pa.array([0, len(numbers)], pa.int64()), numbers)


def unpacked(column: pa.LargeListArray, shape: tuple[int, ...] = (-1,)) -> np.ndarray:
    """Return the only list of a column as an array: a read-only view of its buffer."""
    return column[0].values.to_numpy(zero_copy_only=True).reshape(shape)
