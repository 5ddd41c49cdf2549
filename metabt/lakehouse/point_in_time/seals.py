"""Seals of dated tables: what a dataset's row records of each, so that rows that are lost or changed show.

1. A table's seal covers its columns in order and its rows in order (metabt.data.point_in_time.tables); which numbers
   texts have, and in which order rows came, does not matter.
2. The column `tables` of `datasets` has table -> number of rows and seal, as JSON; NULL where there is no table. The
   seal of that row covers it (metabt.lakehouse.prices.seals).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from metabt.data.point_in_time.tables import DatedTable
from metabt.values.digests import array_digest, joint_digest
from metabt.values.tables import Coded, Column

Recorded = Mapping[str, tuple[int, str]]
"""Table -> its number of rows and its seal."""


def table_seal(table: DatedTable) -> str:
    """Return one SHA-256 (hex) of a table; NaN is NaN, whichever it is."""
    return joint_digest([text for name in table.columns for text in (name, *_texts(table.columns[name]))])


def _texts(column: Column) -> tuple[str, ...]:
    if isinstance(column, Coded):
        return joint_digest(column.values), array_digest(column.codes.astype(np.int32))
    if column.dtype.kind == "f":
        return (array_digest(np.where(np.isnan(column), np.nan, column)),)
    return (array_digest(column.astype("datetime64[D]") if column.dtype.kind == "M" else column),)


def recorded(text: object) -> dict[str, tuple[int, str]]:
    """Return what the column `tables` of a dataset's row records."""
    return {name: (int(rows), str(seal)) for name, (rows, seal) in json.loads(str(text or "{}")).items()}


def recorded_text(known: Recorded) -> str:
    """Return the column `tables` of what is recorded; an empty text where that is nothing."""
    held = {name: known[name] for name in sorted(known) if known[name][0]}
    return json.dumps(held) if held else ""
