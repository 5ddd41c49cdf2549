"""Bar actions: dividends and splits that stand beside raw bars become rows of the table `actions`.

1. A dividend of 0 and a split of 0 or 1 are none, as Yahoo, Alpha Vantage, Tiingo and Quandl write them.
2. Where no close jumped at any split that is large enough to tell, the closes are adjusted for splits already, as those
   of Yahoo are: they would count twice, and are refused.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metabt.errors import DataError
from metabt.lakehouse.ingestion.column_names import BESIDE_RAW
from metabt.lakehouse.ingestion.observations import Observations
from metabt.lakehouse.point_in_time.incoming import Incoming, empty_column
from metabt.lakehouse.point_in_time.split_jumps import PLAIN, jumped
from metabt.values.tables import Coded, Table, concat

NONE = {"dividend": (0.0,), "split": (0.0, 1.0)}
"""Field -> numbers that stand for none."""
KIND = {"dividend": "cash", "split": "split"}
VALUE = {"dividend": "cash", "split": "ratio"}
"""Field -> column of `actions`."""


def without_actions(rows: Observations) -> Observations:
    """Return observations whose dividends and splits are no fields any more, but rows of `actions`."""
    if not set(BESIDE_RAW) & set(rows.fields):
        return rows
    found = [_actions(rows, field) for field in BESIDE_RAW if field in rows.fields]
    fields = {name: values for name, values in rows.fields.items() if name not in BESIDE_RAW}
    return replace(rows, fields=fields, actions=concat(found))


def incoming_actions(rows: Observations) -> Incoming:
    """Return the actions of observations as incoming rows."""
    assert rows.actions is not None
    n_rows = len(np.asarray(rows.actions["ratio"]))
    return Incoming("actions", rows.actions, np.arange(1, n_rows + 1), n_rows)


def refuse_split_closes(rows: Observations) -> None:
    """Raise DataError where splits stand beside closes none of which jumps at any of them."""
    if rows.actions is None:
        return
    asset, ratio = rows.actions["asset"], np.asarray(rows.actions["ratio"])
    assert isinstance(asset, Coded)
    days = np.asarray(rows.actions["ex_date"])
    place = {symbol: code for code, symbol in enumerate(rows.symbols.values)}
    order = np.lexsort((rows.dates, rows.symbols.codes))
    codes, dates, close = rows.symbols.codes[order], rows.dates[order], rows.fields["close"][order]
    without = []
    for row in np.flatnonzero(np.abs(np.log(np.where(ratio > 0, ratio, 1.0))) >= PLAIN).tolist():
        code = place.get(asset.values[asset.codes[row]], -1)
        own = slice(*np.searchsorted(codes, [code, code + 1]))
        at = int(np.searchsorted(dates[own], days[row]))
        if 0 < at < len(dates[own]):
            before, after = float(close[own][at - 1]), float(close[own][at])
            if jumped(before, after, float(ratio[row])):
                return
            without.append((asset.values[asset.codes[row]], days[row], float(ratio[row]), before, after))
    if without:
        symbol, day, factor, before, after = without[0]
        raise DataError(
            f"{symbol} on {day}: a split of {factor:g} new shares for an old one, and the close went from {before:g} "
            f"to {after:g}; so it is at all splits ({len(without):,}): the closes are adjusted for splits already, as "
            "those of Yahoo are, and splits would count twice; delete the column of splits: dividends are adjusted "
            "alike"
        )


def _actions(rows: Observations, field: str) -> Table:
    values = rows.fields[field]
    places = np.flatnonzero(~np.isnan(values) & ~np.isin(values, NONE[field]))
    n_rows = len(places)
    numbers = {name: np.full(n_rows, np.nan) for name in ("ratio", "cash")}
    return {
        "asset": rows.symbols.take(places),
        "ex_date": rows.dates[places],
        "kind": Coded.constant(KIND[field], n_rows),
        **numbers,
        VALUE[field]: values[places],
        "into": empty_column("text", n_rows),
    }
