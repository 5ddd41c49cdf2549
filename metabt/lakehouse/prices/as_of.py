"""As of: the snapshot that a number or a day means, so that a run reads what the lakehouse held then.

1. A number is that snapshot: one that is there, not one that expired or is yet to come.
2. A day is the newest snapshot that was committed by its end, UTC.
3. Upkeep lets snapshots expire. Where the one that was current then is among them, the one before it is as good if
   datasets are the same, and nothing was ingested, up to the next that is kept; else what was held then is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb

from metabt.errors import ConfigError, StoreError
from metabt.lakehouse.catalog.asking import now
from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.prices.snapshots import read_at
from metabt.values.arguments import scalar, shown

WANTED = "the number of a snapshot, as `metabt runs` lists them, or a date such as 2026-11-01"
"""What an `as_of` may be."""
COMMITTED = "SELECT snapshot_id, epoch_us(snapshot_time) FROM ducklake_snapshots('lake') ORDER BY snapshot_id"
"""What asks for every snapshot that there is, and when it was committed, in microseconds since 1970."""
DATA = "SELECT dataset, digest FROM datasets{at} ORDER BY dataset"
"""What asks for a digest of all that each dataset has."""
INGESTED = "SELECT count(*) FROM ingests{at}"


@dataclass(frozen=True)
class AsOf:
    """A snapshot of the past that somebody asked for."""

    snapshot: int
    """Its number."""
    committed: datetime
    """When it was committed, UTC."""
    stated: str
    """What was asked for: a number, or an ISO date."""

    def __str__(self) -> str:
        """Return it for a line beneath a table."""
        return f"snapshot {self.snapshot}, committed {self.committed:%Y-%m-%d %H:%M} UTC"


@reported
def snapshot_times(con: duckdb.DuckDBPyConnection) -> dict[int, datetime]:
    """Return number -> when it was committed (UTC) of every snapshot that has not expired, in order.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    """
    return {int(number): _time(micros) for number, micros in con.execute(COMMITTED).fetchall()}


def _time(micros: int) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).replace(tzinfo=None)


@reported
def as_of(con: duckdb.DuckDBPyConnection, stated: Any) -> AsOf:
    """Return the snapshot that an `as_of` means.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    stated : int, str or date
        The number of a snapshot, or a day.

    Raises
    ------
    ConfigError
        For what is neither, a snapshot that the lakehouse never had, or a day that it did not see.
    StoreError
        For a snapshot that expired, and for a day of which that leaves unknown what was held.
    """
    meant = _meant(stated)
    times = snapshot_times(con)
    if isinstance(meant, date):
        return AsOf(found := _on(con, meant, times), times[found], meant.isoformat())
    newest = max(times)
    if meant in times:
        return AsOf(meant, times[meant], str(meant))
    if meant > newest or meant < 0:
        raise ConfigError(
            f"as_of is {meant}, and the lakehouse has no such snapshot: its newest is {newest}, committed "
            f"{times[newest]:%Y-%m-%d %H:%M} UTC; `metabt runs` lists those that runs read"
        )
    kept = _neighbours(times, meant)
    raise StoreError(
        f"as_of is {meant}, and that snapshot has expired: `metabt upkeep` lets those go that no stored run names; "
        f"still there {'is' if len(kept) == 1 else 'are'} {' and '.join(_told(it, times) for it in kept)}"
    )


def _meant(stated: Any) -> int | date:
    """Return a number of a snapshot, or a day."""
    found = scalar("as_of", stated)
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    if isinstance(found, str) and found.isdecimal() and len(found) < 8:
        return int(found)
    try:
        return date.fromisoformat(found if isinstance(found, str) and len(found) == len("2026-11-01") else "")
    except ValueError:
        raise ConfigError(f"as_of is {shown(stated)}, wanted {WANTED}") from None


def _on(con: duckdb.DuckDBPyConnection, day: date, times: dict[int, datetime]) -> int:
    """Return the snapshot that was the newest at the end of a day."""
    if day > now().date():
        raise ConfigError(f"as_of is {day}, which is yet to come; leave it out to read what there is now")
    end = datetime(day.year, day.month, day.day) + timedelta(days=1)
    before = [number for number, time in times.items() if time < end]
    first = min(times)
    if not before:
        what = "the lakehouse begins" if first == 0 else "what is left of the lakehouse begins"
        why = (
            "" if first == 0 else "; earlier snapshots have expired, which `metabt upkeep` does where no run names them"
        )
        raise ConfigError(f"as_of is {day}, and {what} with {_told(first, times)}{why}; state a later day")
    found = max(before)
    following = min((number for number in times if number > found), default=found + 1)
    if following > found + 1 and _held(con, found) != _held(con, following):
        raise StoreError(
            f"as_of is {day}: what the lakehouse held then is not known, for the snapshots between "
            f"{_told(found, times)}, and {_told(following, times)}, have expired, and data changed between these two; "
            f"state the one that you mean: as_of={found} or as_of={following}"
        )
    return found


def _held(con: duckdb.DuckDBPyConnection, at: int) -> list[Any]:
    """Return what tells whether two snapshots have the same data, and whether anything came in between them."""
    return [*read_at(con, DATA, at).fetchall(), *read_at(con, INGESTED, at).fetchall()]


def _neighbours(times: dict[int, datetime], meant: int) -> list[int]:
    return [*[it for it in times if it < meant][-1:], *[it for it in times if it > meant][:1]]


def _told(number: int, times: dict[int, datetime]) -> str:
    return f"snapshot {number} of {times[number]:%Y-%m-%d %H:%M} UTC"
