"""Merge incoming rows with stored ones: what is new, what replaces, what was there, and since when each was known.

1. Rows of a source that are equal in all columns are one row; rows that say two things of one matter are refused.
2. A row of members, assets, schedules or signals without `known_at` was known from its own date on, if it comes in
   time: in a table's first file, or dated after all that the table has (of the same universe, schedule or signal).
   Otherwise it is known from the day of ingestion on.
3. Where only the end of what is stored changes, the row is of the first day on which both would differ, and stands
   beside the stored one: what was known first stays known first.
4. A row that agrees with a stored one in all of ORDER replaces it where it differs, and is not written where it does
   not. With `replace` stored rows that the source does not have go.
5. In the other tables a row that comes late, new or changed, is a restatement: it counts from its own date on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from metabt.data.point_in_time.tables import COLUMNS, DATE, ORDER, DatedTable
from metabt.errors import DataError
from metabt.lakehouse.point_in_time.incoming import DATED, OWN_DATE, Incoming, groups, plain, taken, together
from metabt.values.tables import Table

SCOPE = {"members": "universe", "rates": "name", "schedules": "name", "signals": "name"}
"""Table -> the column within which a row comes late: another universe, rate or signal is a table of its own in that."""


@dataclass(frozen=True)
class Merged:
    """A table after the merge, and how it came about."""

    table: DatedTable
    """All rows that there are now."""
    rows: Table
    """The same rows, in no order of note: the stored ones first."""
    numbers: np.ndarray
    """(n_rows,) int64 of `rows`: number of each row in the source, 0 where it was stored already."""
    new: Table
    """Rows that are to be written."""
    gone: Table
    """Stored rows that are to be deleted: those that are replaced, and those that are withdrawn."""
    added: int
    """Rows that are new."""
    changed: int
    """Rows that replace a stored one."""
    unchanged: int
    """Rows that were stored already."""
    withdrawn: int
    """Stored rows that go, since the source is to be all that there is."""
    duplicates: int
    """Rows of the source that repeat another."""
    late: np.ndarray
    """(n_late,) positions in `new` of rows that come late."""


def merged(stored: DatedTable | None, incoming: Incoming, today: date, *, whole: bool = False) -> Merged:
    """Return stored rows with incoming ones; with `whole` the incoming ones are all that there is.

    Parameters
    ----------
    stored : DatedTable or None
        The table as it is stored; None where nothing is.
    incoming : Incoming
        Checked rows.
    today : date
        The day of ingestion.
    whole : bool
        Stored rows that are not among the incoming ones go.

    Raises
    ------
    DataError
        For two rows that say two things of one matter.
    """
    name = incoming.name
    before = None if stored is None else stored.columns
    incoming = without_repeats(incoming)
    n_stored = 0 if stored is None else len(stored)
    late_rows = incoming.rows[:0]
    if name in DATED:
        incoming, late_rows = _known(before, incoming, today, whole=whole)
        incoming = without_repeats(incoming)
    rows = together(before, incoming.columns)
    is_stored = np.arange(n_stored + len(incoming)) < n_stored
    group = groups(rows, ORDER[name])
    match = _matching(group, is_stored)  # of each incoming row, the stored one that it agrees with
    has_match = match >= 0
    own = np.arange(n_stored, len(is_stored))
    same = has_match & _equal(rows, own, match)
    replaced = match[has_match & ~same]
    gone = np.zeros(n_stored, np.bool_)
    gone[replaced] = True
    if whole:
        gone |= ~np.isin(np.arange(n_stored), match[has_match])
    fresh = own[~same]
    kept = np.concatenate([np.flatnonzero(~gone), fresh])
    numbers = np.concatenate([np.zeros(n_stored, np.int64), incoming.rows])
    new = taken(rows, fresh)
    all_rows = taken(rows, kept)
    return Merged(
        DatedTable.of(name, all_rows),
        all_rows,
        numbers[kept],
        new,
        taken(rows, np.flatnonzero(gone)),
        added=int((~has_match).sum()),
        changed=len(replaced),
        unchanged=int(same.sum()),
        withdrawn=int(gone.sum()) - len(replaced),
        duplicates=incoming.duplicates,
        late=_late(name, new, incoming.rows[~same], _last_dates(before, incoming, whole=whole)[~same], late_rows),
    )


def without_repeats(incoming: Incoming) -> Incoming:
    """Return rows each of which is there once; DataError where two say two things of one matter."""
    if not len(incoming):
        return incoming
    # rows without a `known_at` are told apart by the rest alone: they get the same one
    group = groups(incoming.columns, ORDER[incoming.name])
    order = np.argsort(group, kind="stable")
    repeats = np.concatenate([[False], group[order][1:] == group[order][:-1]])
    if not repeats.any():
        return incoming
    places, firsts = order[repeats], order[np.flatnonzero(repeats) - 1]
    differing = np.flatnonzero(~_equal(incoming.columns, places, firsts))
    if len(differing):
        one, other = sorted((int(places[differing[0]]), int(firsts[differing[0]])))
        raise DataError(
            f"{incoming.told(other)}: it says something else than row {incoming.rows[one]} of the same "
            f"{' and '.join(ORDER[incoming.name])} ({len(differing):,} such rows in all); keep one of them"
        )
    kept = np.ones(len(incoming), np.bool_)
    kept[places] = False
    return replace(incoming.take(kept), duplicates=incoming.duplicates + len(places))


def newest(rows: Table, name: str) -> np.ndarray:
    """Return the positions of the rows that were known last of each matter, ascending; of a table of DATED."""
    group = groups(rows, ORDER[name][:-1])
    order = np.lexsort((plain(rows["known_at"]), group))
    is_last = np.concatenate([group[order][1:] != group[order][:-1], [True]]) if len(order) else np.zeros(0, np.bool_)
    return np.sort(order[is_last])


def _known(before: Table | None, incoming: Incoming, today: date, *, whole: bool) -> tuple[Incoming, np.ndarray]:
    """Return rows of a table of DATED, each with the day from which on it was known; and the numbers of late ones."""
    unsaid = np.isnat(_dates(incoming.columns, "known_at"))
    if not unsaid.any():
        return incoming, incoming.rows[:0]
    name, n_stored = incoming.name, 0 if before is None else len(_dates(before, "known_at"))
    rows = together(before, incoming.columns)
    group = groups(rows, ORDER[name][:-1])
    base = np.full(int(group.max()) + 1, -1)
    if before is not None:
        stored = newest(before, name)
        base[group[stored]] = stored
    own = n_stored + np.flatnonzero(unsaid)
    held = base[group[own]]  # of each such row, the stored one that was known last of the same matter
    is_held = held >= 0
    same = is_held & _equal(rows, own, held, without="known_at")
    event = first = _dates(rows, OWN_DATE[name])[own]
    if "last_date" in rows:
        only_end = is_held & _equal(rows, own, held, without="known_at", nor="last_date")
        end = _dates(rows, "last_date")
        event = np.where(only_end, np.fmin(end[own], end[held]), first)
    last = _last_dates(before, incoming, whole=whole)[unsaid]
    in_time = np.isnat(last) | (event > last)
    known = np.where(in_time, event, np.datetime64(today, "D"))
    known = np.fmax(known, first)  # a row that is late and of a day to come
    known = np.where(is_held, np.fmax(known, _dates(rows, "known_at")[held]), known)
    known = np.where(same, _dates(rows, "known_at")[held], known)
    column = _dates(incoming.columns, "known_at").copy()
    column[unsaid] = known
    filled = replace(incoming, columns={**incoming.columns, "known_at": column})
    return filled, incoming.rows[unsaid][~in_time & ~same]


def _last_dates(before: Table | None, incoming: Incoming, *, whole: bool) -> np.ndarray:
    """Return, for each incoming row, the last date that is stored of what it comes late to; NaT where nothing is."""
    name, none = incoming.name, np.datetime64("NaT", "D")
    if before is None or whole:
        return np.full(len(incoming), none)
    columns = [column for column, kind in COLUMNS[name].items() if kind == DATE and column != "known_at"]
    newest_date = np.fmax.reduce([_dates(before, column) for column in columns])
    if name not in SCOPE:
        return np.full(len(incoming), newest_date.max())
    scope = plain(together(before, incoming.columns)[SCOPE[name]])
    stored, own = scope[: len(newest_date)], scope[len(newest_date) :]
    last = np.full(int(scope.max()) + 1, none)
    order = np.argsort(newest_date, kind="stable")
    last[stored[order]] = newest_date[order]  # the newest is written last
    return last[own]


def _late(name: str, new: Table, numbers: np.ndarray, last: np.ndarray, late_rows: np.ndarray) -> np.ndarray:
    if name in DATED:
        return np.flatnonzero(np.isin(numbers, late_rows))
    return np.flatnonzero(_dates(new, OWN_DATE[name]) <= last)


def _matching(group: np.ndarray, is_stored: np.ndarray) -> np.ndarray:
    """Return the position of the stored row in the group of each incoming one, -1 where there is none."""
    if not len(group):
        return np.zeros(0, np.int64)
    base = np.full(int(group.max()) + 1, -1)
    base[group[is_stored]] = np.flatnonzero(is_stored)
    return base[group[~is_stored]]


def _equal(rows: Table, one: np.ndarray, other: np.ndarray, *, without: str = "", nor: str = "") -> np.ndarray:
    """Return whether pairs of rows, given by their positions, are equal in all columns but those that are left out."""
    found = np.ones(len(one), np.bool_)
    for name, column in rows.items():
        if name not in (without, nor):
            numbers = plain(column)
            found &= numbers[one] == numbers[other]
    return found


def _dates(rows: Table, name: str) -> np.ndarray:
    found = rows[name]
    assert isinstance(found, np.ndarray)
    return found
