"""Cost rates: what trading and borrowing each asset costs in each session, from the rows of a table `costs`.

1. A row holds from its `first_date` until the next row of the same asset.
2. An asset's own rows beat those of `*`, from the first of them on; before it `*` counts.
3. What a row does not say (NaN), or no row says yet, is the sleeve's own. That goes column by column: a row that says
   what an asset's slippage is leaves its commission to the sleeve, and not to `*`. It is left open (NaN) here, so that
   sleeves with unlike costs read the same.
"""

from __future__ import annotations

import numpy as np

from metabt.data.point_in_time.tables import DatedTable

EVERY = "*"
"""Stands for every asset."""
COLUMNS = ("commission_bp", "slippage_bp", "borrow_bp")
"""Columns of the table, basis points."""


def cost_rates(table: DatedTable, assets: tuple[str, ...], dates: np.ndarray) -> dict[str, np.ndarray]:
    """Return what the rows of the table say of each asset in each session, by column.

    Parameters
    ----------
    table : the table `costs`
    assets : (n_assets,) assets by name
    dates : (n_sessions,) datetime64[D] sessions, strictly increasing

    Returns
    -------
    COLUMNS -> (n_sessions, n_assets) basis points; NaN where the sleeve's own count
    """
    every = _newest(table, EVERY, dates)
    stated = {column: np.empty((len(dates), len(assets))) for column in COLUMNS}
    for a, asset in enumerate(assets):
        rows = _newest(table, asset, dates)
        rows = np.where(rows < 0, every, rows)
        for column, values in stated.items():
            values[:, a] = np.append(table.numbers(column), np.nan)[rows]  # -1, no row yet, is the NaN at the end
    return stated


def _newest(table: DatedTable, asset: str, dates: np.ndarray) -> np.ndarray:
    """Return the row of the table that an asset has at each date, (n_sessions,) int64; -1 before its first."""
    rows = table.rows_of(asset)
    place = np.searchsorted(table.numbers("first_date")[rows], dates, side="right") - 1
    return np.where(place < 0, -1, place + rows.start)
