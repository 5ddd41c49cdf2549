"""Periods: a view cut by calendar, so that what is linked over all of it can be read period by period."""

from __future__ import annotations

import numpy as np

from metabt.errors import ConfigError, nearest

UNITS = {"year": "Y", "month": "M"}
"""Name of a period -> its unit in NumPy."""


def by_period(dates: np.ndarray, factors: np.ndarray, every: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the last session of each period, and the factors of its sessions in a row, 0 elsewhere.

    `dates` and `factors` (n_sessions,); returned are (n_periods,) and (n_periods, n_sessions), whose rows add up to
    `factors`: what is linked period by period adds up to what is linked over all. None is one period.

    Raises
    ------
    ConfigError
        For a period that is not known.
    """
    if every is None:
        return dates[-1:], factors[None]
    if every not in UNITS:
        raise ConfigError(f"every is '{every}'{nearest(every, UNITS)}; wanted year, month or None for the whole view")
    period = dates.astype(f"datetime64[{UNITS[every]}]")
    last = np.append(np.flatnonzero(period[1:] != period[:-1]), len(period) - 1)
    return dates[last], np.where(period == period[last][:, None], factors, 0.0)
