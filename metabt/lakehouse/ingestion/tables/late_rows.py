"""Late rows: what came late to a table, as notes and in sentences.

Of members, assets, schedules and signals each late row bears the day from which on it was known; of the other tables it
is a restatement, which counts from its own date on and is noted in `checks`.
"""

from __future__ import annotations

from metabt.lakehouse.point_in_time.incoming import DATED
from metabt.lakehouse.point_in_time.notes import LATE, Found
from metabt.lakehouse.point_in_time.storing import Stored
from metabt.values.ranges import plural


def late_found(table: str, done: Stored | None) -> list[Found]:
    """Return what came late to a table as notes: one for each name, of its first date, with the number of rows."""
    if done is None or f"late {table}" not in LATE:
        return []
    return [(name, day, f"late {table}", float(count)) for name, day, count in done.late]


def late_told(table: str, done: Stored) -> tuple[str, ...]:
    """Return in a sentence what came late; nothing where nothing did."""
    if not done.n_late:
        return ()
    name, day, _ = done.late[0]
    means = "known from today on" if table in DATED else "restatements, from their own dates on"
    return (f"{plural(done.n_late, 'row')} came late, such as {name} on {day}: {means}",)


def actions_told(done: Stored | None) -> tuple[str, ...]:
    """Return in sentences what became of the actions that stood beside bars."""
    if done is None:
        return ()
    text = (
        f"{done.added:,} actions added, {done.changed:,} changed, {done.unchanged:,} unchanged, of the columns beside"
    )
    return (text, *late_told("actions", done))
