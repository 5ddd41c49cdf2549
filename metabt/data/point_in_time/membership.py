"""Membership: which assets belong to a universe in a session, as it was known then.

1. A row of `members` says that an asset belongs to a universe from a first date to a last one, both included; without a
   last date it has not left.
2. It counts from the day on which it was known. Rows of the same asset and first date that were known later replace it
   from their own day on: nothing earlier moves.
"""

from __future__ import annotations

import numpy as np

from metabt.data.point_in_time.tables import DatedTable


def universe_names(table: DatedTable | None) -> dict[str, tuple[str, ...]]:
    """Return universe -> every asset that ever belonged to it, sorted; of a table of signals, those that each names."""
    if table is None:
        return {}
    assets = table.texts("asset")
    found = {}
    for name in table.first_texts:
        codes = np.unique(assets.codes[table.rows_of(name)])
        found[name] = tuple(sorted(assets.values[code] for code in codes.tolist()))
    return found


def first_named(table: DatedTable | None, universe: str, symbols: tuple[str, ...]) -> np.ndarray:
    """Return the first day on which some row of a universe names each symbol, (n_symbols,) datetime64[D]; else NaT."""
    found = np.full(len(symbols), np.datetime64("NaT", "D"))
    if table is not None:
        place = {symbol: column for column, symbol in enumerate(symbols)}
        rows = table.rows_of(universe)
        assets, known = table.texts("asset"), table.numbers("known_at")[rows]
        columns = np.array([place.get(value, -1) for value in assets.values], np.int64)[assets.codes[rows]]
        np.fmin.at(found, columns[columns >= 0], known[columns >= 0])
    return found


def member_mask(table: DatedTable, universe: str, symbols: tuple[str, ...], dates: np.ndarray) -> np.ndarray:
    """Return which assets are members, and known to be, in each session.

    Parameters
    ----------
    table : DatedTable
        `members` of the dataset.
    universe : str
        Which membership; one that is not there has no members.
    symbols : tuple of str
        (n_assets,) assets.
    dates : (n_sessions,) datetime64[D]
        Strictly increasing.

    Returns
    -------
    (n_sessions, n_assets) bool
    """
    place = {symbol: column for column, symbol in enumerate(symbols)}
    own = table.take(_mask(table, universe))
    assets = own.texts("asset")
    days = dates.astype("datetime64[D]")
    found = np.zeros((len(days), len(symbols)), bool)
    first, last, known = (own.numbers(name) for name in ("first_date", "last_date", "known_at"))
    same = (assets.codes[1:] == assets.codes[:-1]) & (first[1:] == first[:-1])
    # a row counts until the next one about the same stay is known
    until = np.full(len(own), len(days))
    until[:-1][same] = np.searchsorted(days, known[1:])[same]
    begins = np.searchsorted(days, np.maximum(first, known))
    stops = np.where(np.isnat(last), len(days), np.searchsorted(days, last, side="right"))
    for row, code in enumerate(assets.codes.tolist()):
        column = place.get(assets.values[code])
        if column is not None:
            found[begins[row] : min(stops[row], until[row]), column] = True
    return found


def _mask(table: DatedTable, universe: str) -> np.ndarray:
    kept = np.zeros(len(table), bool)
    kept[table.rows_of(universe)] = True
    return kept
