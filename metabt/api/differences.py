"""Differences: what became of a lakehouse's data between two snapshots, and which stored runs that touches."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metabt.values.arguments import location, word
from metabt.values.frames import frame_of_rows
from metabt.values.ranges import plural

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from metabt.lakehouse.data_difference import Changes
    from metabt.lakehouse.prices.as_of import AsOf
    from metabt.lakehouse.touched_runs import TouchedRun


@dataclass(frozen=True, repr=False)
class DataDifference:
    """What differs between the data of two snapshots of a lakehouse."""

    before: AsOf
    """The earlier snapshot."""
    after: AsOf
    """The later one."""
    changes: Changes
    """Datasets, sessions, observations and rows that differ."""
    runs: tuple[TouchedRun, ...]
    """Stored runs that read what differs, those first that were made last."""

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Return it in words, counted.

        Returns
        -------
        list of str
        """
        head = f"from {self.before} to {self.after}"
        found = self.changes.lines() or ["nothing differs"]
        runs = f"{plural(len(self.runs), 'stored run')} had read what differs"
        return [f"{head}:", *(f"  {line}" for line in found), runs]

    def frame(self) -> pd.DataFrame:
        """Return what differs, a row each, as `metabt diff-data --format csv` writes it.

        Returns
        -------
        DataFrame
            Index from 0. Columns `what`, `dataset`, `name`, `date`, `field`, `old` and `new`.
        """
        from metabt.lakehouse.data_difference import DIFFERENCE_COLUMNS

        return frame_of_rows(DIFFERENCE_COLUMNS, self.rows())

    def rows(self) -> list[tuple[Any, ...]]:
        """Return what differs, and the runs that it touches, a row each.

        Returns
        -------
        list of tuple
            What, dataset, name (symbol; asset, universe or rate; run_id), date, field (close, volume or a table; of a
            run its portfolio), old and new. Of a run the date is the earliest of what it read, `new` what that is.
        """
        touched = [
            ("run", None, run.run_id, run.since.item(), run.portfolio, None, "; ".join(run.by)) for run in self.runs
        ]
        return [*self.changes.rows(), *touched]


def diff_data(
    one: int | str | datetime.date | np.datetime64,
    other: int | str | datetime.date | np.datetime64 | None = None,
    *,
    lakehouse: str | Path,
    dataset: str | None = None,
) -> DataDifference:
    """Return what became of a lakehouse's data between two snapshots, and which stored runs read what differs.

    Parameters
    ----------
    one, other : int, str, date, Timestamp or datetime64
        The earlier and the later one: the number of a snapshot, or a day, which is the newest snapshot committed by its
        end (UTC). None for the later is now.
    lakehouse : str or Path
        Directory of the lakehouse.
    dataset : str, optional
        One dataset alone; None is all.

    Returns
    -------
    DataDifference
        `lines()` counts, `frame()` has every observation and row.

    Raises
    ------
    ConfigError
        For what means no snapshot, two in the wrong order, or a dataset that neither has.
    StoreError
        If the lakehouse cannot be read, or a snapshot has expired.
    """
    from metabt.lakehouse import attach
    from metabt.lakehouse.data_difference import data_changes, endpoints
    from metabt.lakehouse.touched_runs import touched_runs

    name = word("dataset", dataset)
    with attach(location("lakehouse", lakehouse), read_only=True) as con:
        before, after = endpoints(con, one, other)
        changes = data_changes(con, before.snapshot, after.snapshot, name)
        runs = touched_runs(con, changes, before.snapshot, after.snapshot)
    return DataDifference(before, after, changes, tuple(runs))
