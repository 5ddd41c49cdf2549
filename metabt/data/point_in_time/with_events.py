"""With events: a dataset whose actions and delistings have made events of its prices, as a dataset of its own.

1. Its calendar, closes and volumes are those beneath; its returns are `total_returns` of them.
2. What its symbols turn into is read with them, and is not among its own.
3. Digests are `event_digests`. A dataset without such rows is the one beneath, to the bit.
4. What is in memory gets its events at once; what is stored gets those of a part when the part is read.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from metabt.data.dataset import FIELDS, Dataset, Names, Part
from metabt.data.facts import Facts
from metabt.data.point_in_time.event_digests import EVENT_TABLES, event_digests
from metabt.data.point_in_time.tables import PointInTime
from metabt.data.point_in_time.total_returns import Observed, events_of
from metabt.data.prices import Prices


def turned_into(known: PointInTime, symbols: Names) -> Names:
    """Return symbols with all that is received for any of them, sorted: what must be read for their returns."""
    table = known.tables.get("actions")
    if table is None:
        return symbols
    into = table.texts("into")
    codes = {int(code) for symbol in symbols for code in into.codes[table.rows_of(symbol)]}
    return tuple(sorted({*symbols, *(into.values[code] for code in codes if code >= 0)}))


def with_events(beneath: Dataset, symbols: Names) -> Dataset:
    """Return a dataset with the events that its tables make of its prices, and some of its symbols; nothing is read.

    `beneath` has all symbols that `turned_into` names, and its facts have the tables.
    """
    known = beneath.facts
    tables = known.point_in_time.tables
    named = {it for name in EVENT_TABLES if name in tables for it in tables[name].first_texts}
    if named.isdisjoint(symbols) and symbols == known.symbols:
        return beneath
    facts = replace(known, symbols=symbols, read_digests=partial(event_digests, known, symbols))
    return over_prices(beneath, facts)


def over_prices(beneath: Dataset, facts: Facts) -> Dataset:
    """Return the dataset that `with_events` made, with its facts as they are, over another way to read its prices."""
    if beneath.stored:
        return Dataset(facts, partial(_part, beneath), True, None, beneath, over_prices)
    prices = beneath.prices
    seen = events_of(facts.name, _observed(prices, np.datetime64("NaT")), _of(facts.point_in_time, prices.symbols))
    known = Dataset.of(replace(prices, events=seen).select(facts.symbols))
    return Dataset(facts, known.part, False, None, beneath, over_prices)


def _part(beneath: Dataset, rows: slice, symbols: Names, fields: Names) -> Part:
    if "returns" not in fields:  # closes and volumes are those beneath
        return beneath.part(rows, symbols, fields)
    known = beneath.facts
    read = turned_into(known.point_in_time, symbols)
    since = known.dates[rows.start - 1] if rows.start else np.datetime64("NaT")
    return partial(_read, beneath.part(rows, read, FIELDS), _of(known.point_in_time, symbols), since, symbols)


def _read(read: Part, known: PointInTime, since: np.datetime64, symbols: Names) -> Prices:
    prices = read()
    events = events_of(prices.name, _observed(prices, since), known)
    return replace(prices, events=events).select(symbols)


def _observed(prices: Prices, since: np.datetime64) -> Observed:
    nothing = np.full(len(prices.symbols), np.nan)
    entered = np.full(len(prices.symbols), "NaT", "datetime64[D]")
    return Observed(
        prices.dates.astype("datetime64[D]"),
        prices.symbols,
        prices.close,
        prices.last,
        nothing if prices.entry is None else prices.entry,
        entered if prices.entered is None else prices.entered,
        since,
    )


def _of(known: PointInTime, symbols: Names) -> PointInTime:
    """Return the rows of some assets, of the tables that make events: what travels to whoever reads."""
    own = {name: known.tables[name].of_firsts(symbols) for name in EVENT_TABLES if name in known.tables}
    return replace(known, tables=own)
