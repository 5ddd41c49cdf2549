"""Change lists: memberships from rows of (date, action, asset), of which each adds an asset or removes it.

1. In order of date the changes of an asset in a universe have to take turns: added, removed, added again.
2. An asset is a member from the day on which it is added until the day before the one on which it is removed.
3. A list may go on where what is stored ends: its first change of an asset may remove what is a member still.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from metabt.data.point_in_time.tables import DatedTable
from metabt.errors import DataError
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.ingestion.tables import table_cells
from metabt.lakehouse.ingestion.tables.table_words import ADD, REMOVE
from metabt.lakehouse.point_in_time.incoming import Incoming, cell, groups, taken, together
from metabt.lakehouse.point_in_time.merging import newest
from metabt.values.tables import Coded, Table

NAT = np.datetime64("NaT", "D")
ONE = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Changes:
    """Changes of memberships, unchecked against what is stored."""

    columns: Table
    """universe, asset and date, each (n_rows,)."""
    adds: np.ndarray
    """(n_rows,) bool: whether a row adds its asset; else it removes it."""
    notes: tuple[str, ...]
    """What was left out while reading."""

    def memberships(self, stored: DatedTable | None) -> Incoming:
        """Return the memberships that follow, given those that are stored.

        Raises
        ------
        DataError
            For a change that cannot follow the one before it, with its row.
        """
        columns, adds, rows = self._with_open(stored)
        day = np.asarray(columns["date"])
        group = groups(columns, ("universe", "asset"))
        order = np.lexsort((rows, adds, day, group))
        order, duplicates = _without_repeats(order, group, day, adds)
        columns, adds, rows, day, group = taken(columns, order), adds[order], rows[order], day[order], group[order]
        follows = np.concatenate([[False], group[1:] == group[:-1]])  # another change of the same asset
        was = np.roll(adds, 1)
        for wrong, said, cure in (
            (follows & (day == np.roll(day, 1)), "it is added and removed on one day", "keep one of the two"),
            (adds & follows & was, "it is added, and is a member already", "delete the row, or add its removal"),
            (~adds & follows & ~was, "it is removed, and is no member any more", "delete the row, or add its addition"),
            (
                ~adds & ~follows,
                "it is removed, and nothing says when it was added",
                "add a row for each asset with which the list begins",
            ),
        ):
            _refuse(columns, rows, wrong, said, cure)
        begins = np.flatnonzero(adds)
        after = np.minimum(begins + 1, len(order) - 1)
        is_ended = (begins + 1 < len(order)) & follows[after]
        last = np.where(is_ended, day[after] - ONE, NAT)
        numbers = np.where(rows[begins] > 0, rows[begins], rows[after])
        said_anew = (rows[begins] > 0) | is_ended  # a stored membership that nothing ends is not
        begins, last, numbers = begins[said_anew], last[said_anew], numbers[said_anew]
        table = taken({name: columns[name] for name in ("universe", "asset")}, begins)
        table |= {"first_date": day[begins], "last_date": last, "known_at": np.full(len(begins), NAT)}
        made = f"{len(self.adds):,} changes are {len(begins):,} memberships"
        return Incoming("members", table, numbers, len(begins) + duplicates, duplicates, (*self.notes, made))

    def _with_open(self, stored: DatedTable | None) -> tuple[Table, np.ndarray, np.ndarray]:
        """Return changes, whether they add, and their rows: what is a member still was added in row 0."""
        rows = np.arange(1, len(self.adds) + 1)
        if stored is None:
            return self.columns, self.adds, rows
        held = taken(stored.columns, newest(stored.columns, "members"))
        is_open = np.flatnonzero(np.isnat(np.asarray(held["last_date"])))
        before = {**taken(held, is_open), "date": np.asarray(held["first_date"])[is_open]}
        adds = np.concatenate([np.ones(len(is_open), np.bool_), self.adds])
        return together(before, self.columns), adds, np.concatenate([np.zeros(len(is_open), np.int64), rows])


def read(own: Mapping[str, tuple[str, pa.Array]], universe: Coded, options: Options, notes: tuple[str, ...]) -> Changes:
    """Return the changes that columns date, action and asset say.

    Raises
    ------
    DataError
        For a cell that is empty, no date, or neither adds nor removes, with its row.
    """
    day = table_cells.dates(own["date"][1], own["date"][0], options)
    asset, action = table_cells.names(own["asset"][1]), table_cells.names(own["action"][1])
    for missing, what in ((np.isnat(day), "date"), (asset.codes < 0, "asset"), (universe.codes < 0, "universe")):
        if missing.any():
            row = int(np.flatnonzero(missing)[0]) + 1
            raise DataError(f"row {row}: there is no {what} ({int(missing.sum()):,} such rows); fill it in")
    words = [word.lower() for word in action.values]
    unknown = np.array([*(word not in ADD | REMOVE for word in words), True])[action.codes]
    if unknown.any():
        row = int(np.flatnonzero(unknown)[0])
        word = action.values[action.codes[row]] if action.codes[row] >= 0 else ""
        raise DataError(
            f"column '{own['action'][0]}', row {row + 1}: '{word}' neither adds nor removes "
            f"({int(unknown.sum()):,} such rows); write add or remove"
        )
    adds = np.array([*(word in ADD for word in words), False])[action.codes]
    return Changes({"universe": universe, "asset": asset, "date": day}, adds, notes)


def _without_repeats(order: np.ndarray, group: np.ndarray, day: np.ndarray, adds: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the order without exact repeats, and how many those were."""
    alike = [key[order][1:] == key[order][:-1] for key in (group, day, adds)]
    repeats = np.concatenate([[False], alike[0] & alike[1] & alike[2]])
    return order[~repeats], int(repeats.sum())


def _refuse(columns: Table, rows: np.ndarray, wrong: np.ndarray, said: str, cure: str) -> None:
    """Raise DataError where changes, in their order, are wrong."""
    places = np.flatnonzero(wrong)
    if len(places):
        place = int(places[0])
        row = int(rows[place]) or int(rows[place - 1])  # one of the two is of the source
        named = f"{cell(columns['universe'], place)}, {cell(columns['asset'], place)}, {cell(columns['date'], place)}"
        more = f" ({len(places):,} such rows in all)" if len(places) > 1 else ""
        raise DataError(f"list of changes, row {row} ({named}): {said}{more}; {cure}")
