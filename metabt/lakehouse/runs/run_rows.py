"""Run rows: tables of runs as rows of the lakehouse's tables, run by run, some of them at a time in memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from metabt.lakehouse.catalog.schema import RUN_TABLES, SCHEMA, to_arrow
from metabt.lakehouse.runs.run_digests import size_of
from metabt.values.tables import Coded, Table, concat

TOGETHER = 2**17
"""Rows of a table that are made ready at a time, or one run more."""


class Gathered:
    """The rows of one table that wait to be made ready."""

    def __init__(self, name: str) -> None:
        """Gather none yet; `name` is the lakehouse's table."""
        self._name, self._held, self._size = name, dict[str, Table](), 0

    @property
    def enough(self) -> bool:
        """Whether they are to be made ready."""
        return self._size >= TOGETHER

    def add(self, run_id: str, table: Table | None) -> None:
        """Take the rows of a run."""
        if table:
            self._held[run_id] = table
            self._size += size_of(table)

    def taken(self) -> pa.Table | None:
        """Return the rows, with the column `run_id`, and let go of them; None where there are none."""
        held, self._held, size, self._size = self._held, {}, self._size, 0
        if not size:
            return None
        lengths = list(map(size_of, held.values()))
        owner = Coded(np.repeat(np.arange(len(held), dtype=np.int32), lengths), tuple(held))
        return to_arrow(self._name, {"run_id": owner, **concat(list(held.values()))}, {})


def check_tables(run_id: object, tables: Mapping[str, Table]) -> None:
    """Raise ValueError for a table or a column that a run cannot have, or lacks, and for columns of unequal length."""
    for name in set(tables) - set(RUN_TABLES):
        raise ValueError(f"table '{name}': a run cannot write it; it writes {', '.join(RUN_TABLES)}")
    for name, table in tables.items():
        differing = sorted((set(table) | {"run_id"}) ^ set(SCHEMA[name])) if table else []
        if differing:
            raise ValueError(f"table '{name}': columns {differing} are missing or unknown; wanted {list(SCHEMA[name])}")
        lengths = {column: len(values) for column, values in table.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"table '{name}' of run '{run_id}': columns differ in their rows: {lengths}")
