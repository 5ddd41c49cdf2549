"""What became of the data between two snapshots: the inputs that make two runs differ.

1. The digests of both snapshots meet under their dataset, symbol, partition and field.
2. What only the later one has was added, what only the earlier one has was removed; another digest is a change.
3. So it is with calendars, year by year: a new session of one symbol is a session of all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import duckdb
import numpy as np

from metabt.data.facts import Cell
from metabt.data.prices import partitions
from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.prices.dataset_facts import Wanted, read_datasets, read_digests, sound_calendars
from metabt.values.digests import array_digest

Kind = Literal["added", "changed", "removed"]


@dataclass(frozen=True)
class Change:
    """One input that differs between two snapshots."""

    dataset: str
    """The dataset's name."""
    symbol: str
    """Whose observations differ; empty where it is the whole dataset's calendar."""
    partition: str
    """Calendar year; empty where it is the dataset as a whole."""
    field: str
    """close or volume; of a whole dataset: calendar or closed."""
    kind: Kind
    """What happened between the snapshots: added, changed or removed."""


@reported
def changed_inputs(con: duckdb.DuckDBPyConnection, wanted: Wanted, before: int, after: int) -> list[Change]:
    """Return what differs between two snapshots in the observations of some symbols.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    wanted : mapping
        Dataset -> symbols, or None for all that it has.
    before, after : int
        Numbers of the earlier and the later snapshot.

    Returns
    -------
    list of Change
        One per symbol, partition and field that differ, ordered by dataset, symbol, partition and field.

    Raises
    ------
    StoreError
        For a snapshot that the lakehouse does not have.
    """
    earlier, later = (read_digests(con, wanted, at) for at in (before, after))
    return [
        Change(name, *cell, kind) for name in sorted(wanted) for cell, kind in _differences(earlier[name], later[name])
    ]


@reported
def changed_calendars(con: duckdb.DuckDBPyConnection, datasets: Iterable[str], before: int, after: int) -> list[Change]:
    """Return what differs between two snapshots in the calendars of whole datasets, and in whether they are closed.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    datasets : iterable of str
        Names of datasets.
    before, after : int
        Numbers of the earlier and the later snapshot.

    Returns
    -------
    list of Change
        With empty symbols: field `calendar` and the year whose sessions differ, or field `closed` and no partition.
        Ordered by dataset and partition.

    Raises
    ------
    StoreError
        For a snapshot that the lakehouse does not have.
    """
    earlier, later = (_calendars(con, sorted(datasets), at) for at in (before, after))
    return [Change(name, "", partition, field, kind) for (name, partition, field), kind in _differences(earlier, later)]


def _calendars(con: duckdb.DuckDBPyConnection, datasets: list[str], at: int) -> dict[Cell, str]:
    """Return (dataset, year, `calendar`) -> digest of its sessions, and (dataset, "", `closed`) -> the flag."""
    rows_of = read_datasets(con, datasets, at)
    found = {(name, "", "closed"): str(row["closed"]) for name, row in rows_of.items()}
    for name, dates in sound_calendars(con, rows_of, at).items():
        for year, rows in partitions(dates):
            found[name, year, "calendar"] = array_digest(dates[rows].astype(np.int64))
    return found


def _differences(earlier: dict[Cell, str], later: dict[Cell, str]) -> list[tuple[Cell, Kind]]:
    added: dict[Cell, Kind] = dict.fromkeys(later.keys() - earlier.keys(), "added")
    removed: dict[Cell, Kind] = dict.fromkeys(earlier.keys() - later.keys(), "removed")
    common = earlier.keys() & later.keys()
    changed: dict[Cell, Kind] = {cell: "changed" for cell in common if earlier[cell] != later[cell]}
    return sorted((added | removed | changed).items())
