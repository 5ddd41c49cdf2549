"""Decision days: which sessions of a sleeve the days of its schedule fall on.

1. The days are an exchange's (metabt.data.exchange_days), or those of a table `schedules`: of the datasets that the
   sleeve reads or, where none of them has it, of any dataset of the forest, which must agree.
2. A day decides in the first common session on or after it; several days since the session before decide once. Days
   before `start` or, without one, before the first session, are over.

So a session is told by the days up to it alone: neither later days nor later sessions change it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from metabt.data.calendars import Calendar
from metabt.data.dataset import Dataset
from metabt.data.exchange_days import exchange_days
from metabt.data.point_in_time.stated_days import SCHEDULES, stated_days
from metabt.data.point_in_time.tables import DatedTable
from metabt.errors import ConfigError, nearest
from metabt.portfolio.sleeve import Rules


def opened(
    spec: Rules, calendar: Calendar, own: Sequence[str], datasets: Mapping[str, Dataset], path: str
) -> np.ndarray:
    """Return which sessions days of a schedule fall on, (n_sessions,) bool, read-only.

    Parameters
    ----------
    spec : Rules whose schedule is one of days
    calendar : its sessions
    own : names of the datasets that it reads
    datasets : all datasets of the forest, by name
    path : a path of the sleeve, for messages

    Raises
    ------
    ConfigError
        For an exchange whose days are not known, or a schedule that no dataset has, or several with unlike dates.
    """
    sessions = calendar.sessions[calendar.common].astype("datetime64[D]")
    found = np.zeros(len(calendar.sessions), bool)
    if len(sessions):
        since = sessions[0] if spec.start is None else np.datetime64(spec.start, "D")
        try:
            days = _days(spec, since, sessions[-1], own, datasets)
        except ConfigError as error:
            raise ConfigError(f"sleeve '{path}': {error}") from error
        found[calendar.common] = first_sessions(days, sessions, since)
    found.flags.writeable = False
    return found


def first_sessions(days: np.ndarray, sessions: np.ndarray, since: np.datetime64) -> np.ndarray:
    """Return which sessions are the first on or after some day from `since` on, (n_sessions,) bool.

    Parameters
    ----------
    days : (n_days,) datetime64[D]
    sessions : (n_sessions,) datetime64[D], strictly increasing
    since : datetime64[D] from which on days count
    """
    rows = np.searchsorted(sessions, days[days >= since])
    found = np.zeros(len(sessions), bool)
    found[rows[rows < len(sessions)]] = True
    return found


def _days(
    spec: Rules, since: np.datetime64, last: np.datetime64, own: Sequence[str], datasets: Mapping[str, Dataset]
) -> np.ndarray:
    schedule = spec.schedule
    if schedule.on is not None and schedule.exchange is not None:
        return exchange_days(schedule.exchange, schedule.on, since, max(since, last))
    assert schedule.dates is not None
    return _stated(schedule.dates, own, datasets)


def _stated(name: str, own: Sequence[str], datasets: Mapping[str, Dataset]) -> np.ndarray:
    for names in (sorted(own), sorted(datasets)):
        tables = {it: table for it in names if (table := _table(datasets[it])) is not None}
        found = {it: stated_days(table, name) for it, table in tables.items() if name in table.first_texts}
        if found:
            (first, days), *others = found.items()
            for other, differing in others:
                if not np.array_equal(days, differing):
                    raise ConfigError(
                        f"it decides on the dates of '{name}', of which datasets '{first}' and '{other}' have unlike "
                        "ones; give one of them another name, or ingest the same rows"
                    )
            return days
    known = {it for each in datasets.values() if (table := _table(each)) for it in table.first_texts}
    close = nearest(name, known) if known else ""
    raise ConfigError(
        f"it decides on the dates of '{name}', which no dataset of the tree has{close}; ingest them with "
        f"one of them: metabt ingest FILE --dataset {min(own)} --table {SCHEDULES}"
    )


def _table(dataset: Dataset) -> DatedTable | None:
    return dataset.facts.point_in_time.tables.get(SCHEDULES)
