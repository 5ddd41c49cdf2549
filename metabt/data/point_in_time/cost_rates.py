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
    own = _newest(table, (EVERY, *assets), dates)
    rows = np.where(own[:, 1:] < 0, own[:, :1], own[:, 1:])
    # -1, no row yet, is the NaN at the end
    return {column: np.append(table.numbers(column), np.nan)[rows] for column in COLUMNS}


def _newest(table: DatedTable, assets: tuple[str, ...], dates: np.ndarray) -> np.ndarray:
    """Return the row of the table that each asset has at each date, (n_sessions, n_assets) int64; -1 before its first.

    Rows lie by asset, then by date: one number for both finds all of them in one search.
    """
    bounds = [table.rows_of(asset) for asset in assets]
    starts = np.array([rows.start for rows in bounds], np.int64)
    none = np.array([rows.start == rows.stop for rows in bounds])
    first, days = table.numbers("first_date").astype("datetime64[D]").astype(np.int64), dates.astype(np.int64)
    every = np.concatenate([first, days])
    least, span = every.min(), np.ptp(every) + 1
    codes = table.texts("asset").codes.astype(np.int64)
    asked = codes[np.minimum(starts, len(codes) - 1)] * span + (days[:, None] - least)
    place = np.searchsorted(codes * span + (first - least), asked, side="right") - 1
    return np.where(none | (place < starts), -1, place)
