"""Membership matrices: a row for each date, a column for each symbol, 1 where it is a member and 0 where it is not.

An asset is a member from a date on which it is 1 until the day before the next date on which it is 0. In the last row
what is a member stays one.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from metabt.errors import DataError
from metabt.lakehouse.ingestion import cell_values
from metabt.lakehouse.ingestion.column_words import DATES, plain
from metabt.lakehouse.ingestion.columns import listed
from metabt.lakehouse.ingestion.number_texts import is_text
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.ingestion.tables import table_cells
from metabt.lakehouse.point_in_time.incoming import Incoming
from metabt.values.tables import Coded, Table

ONE = np.timedelta64(1, "D")
Titled = list[tuple[str, pa.Array]]


def is_matrix(columns: Titled, options: Options) -> bool:
    """Return whether columns are dates, and flags of symbols: their first cells say so."""
    place = date_column(columns, options)
    others = [cells for i, (_, cells) in enumerate(columns) if i != place]
    return place is not None and bool(others) and all(_is_flag(cells.slice(0, 1)) for cells in others)


def read(columns: Titled, options: Options) -> Incoming:
    """Return memberships, without the name of their universe.

    Raises
    ------
    DataError
        For a cell that is neither 0 nor 1, a date that is missing or there twice, and symbols that repeat.
    """
    place = date_column(columns, options)
    assert place is not None
    title, cells = columns[place]
    days = table_cells.dates(cells, title, options)
    check_days(days, title)
    others = [(cell_values.symbol(name), cells) for i, (name, cells) in enumerate(columns) if i != place]
    names = [name for name, _ in others]
    if len(set(names)) < len(names):
        raise DataError(f"column '{max(names, key=names.count)}' occurs twice; keep one of each name")
    order = np.argsort(days, kind="stable")
    matrix = np.column_stack([_flags(name, cells) for name, cells in others])[order]
    days = days[order]
    before = np.vstack([np.zeros((1, len(names)), np.bool_), matrix[:-1]])
    begins = np.argwhere((matrix & ~before).T)
    after = np.vstack([matrix[1:], np.ones((1, len(names)), np.bool_)])  # the last row ends nothing
    ends = np.argwhere((matrix & ~after).T)
    next_day = np.append(days[1:] - ONE, np.datetime64("NaT", "D"))
    last = np.full(len(begins), np.datetime64("NaT", "D"))
    # every beginning of an asset has an end, but for the last one of what is a member in the last row
    is_last = np.append(begins[1:, 0] != begins[:-1, 0], True)[: len(begins)]
    last[~(is_last & matrix[-1][begins[:, 0]])] = next_day[ends[:, 1]]
    is_member = np.isin(np.arange(len(names)), begins[:, 0])
    never = [name for name, member in zip(names, is_member.tolist(), strict=True) if not member]
    notes = (f"never a member: {listed(never)}",) if never else ()
    table: Table = {
        "asset": Coded(begins[:, 0].astype(np.int32), tuple(names)),
        "first_date": days[begins[:, 1]],
        "last_date": last,
    }
    if not len(begins):
        raise DataError("no symbol is a member on any date; write 1 where it is one")
    made = f"{len(days):,} dates of {len(names):,} symbols are {len(begins):,} memberships"
    return Incoming("members", table, order[begins[:, 1]] + 1, len(begins), notes=(*notes, made))


def date_column(columns: Titled, options: Options) -> int | None:
    """Return which of some columns has the dates; None where none does."""
    named = [i for i, (name, _) in enumerate(columns) if plain(name) in (*DATES, "index")]
    dated = [i for i, (_, cells) in enumerate(columns) if cell_values.looks_like_dates(cells, options.date_format)]
    found = [i for i in named if i in dated] or dated
    return found[0] if found else None


def check_days(days: np.ndarray, title: str) -> None:
    """Raise DataError for a date that is missing, or there twice, with its row."""
    if np.isnat(days).any():
        row = int(np.flatnonzero(np.isnat(days))[0]) + 1
        raise DataError(f"date column '{title}': row {row} is empty; fill in the date or delete the row")
    distinct, counts = np.unique(days, return_counts=True)
    if len(distinct) < len(days):
        day = distinct[counts.argmax()]
        row = int(np.flatnonzero(days == day)[1]) + 1
        raise DataError(f"date column '{title}': row {row}: {day} is there twice; keep one row a date")


def _is_flag(cells: pa.Array) -> bool:
    if not is_text(cells) or pa.types.is_boolean(cells.type):
        return True
    return all(str(text).strip().lower() in ("0", "1", "0.0", "1.0", "true", "false", "") for text in cells.to_pylist())


def _flags(name: str, cells: pa.Array) -> np.ndarray:
    """Return (n_rows,) bool of a column; DataError for a cell that is neither 0 nor 1, with its row."""
    if pa.types.is_boolean(cells.type):
        values, missing = table_cells.flags(cells, name).astype(np.float64), np.asarray(cells.is_null())
        values[missing] = np.nan
    else:
        values = _numbers(cells)
    bad = np.flatnonzero(~np.isin(values, (0.0, 1.0)))
    if len(bad):
        raise DataError(
            f"symbol '{name}', row {bad[0] + 1}: '{cells[int(bad[0])].as_py()}' is neither 0 nor 1 ({len(bad):,} such "
            "cells); write 1 where it is a member, and 0 where it is not"
        )
    return values == 1.0


def _numbers(cells: pa.Array) -> np.ndarray:
    if not is_text(cells):
        return cell_values.plain_numbers(cells).values
    coded = cell_values.as_text(cells).dictionary_encode()
    words = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "true": 1.0, "false": 0.0}
    values = [words.get(text.strip().lower(), np.nan) for text in coded.dictionary.to_pylist()]
    return np.array([*values, np.nan])[table_cells.codes_of(coded)]
