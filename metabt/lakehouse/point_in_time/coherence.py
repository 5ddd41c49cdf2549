"""Coherence: what rows of a table may not say together, and what they may not say against prices.

1. Of members and assets the newest row known of each matter counts. No asset is a member twice at once, or has two
   symbols; no symbol is two assets at once. An asset has one currency through all of its lives.
2. An asset dies once, and merges once.
3. A delisting is not before the last price, but for that of the very session in which it takes effect.
4. What is received for an asset that has prices has prices, or a life in `assets`: it could not be valued otherwise.
5. A table of assets none of which the dataset knows is of another dataset. Every asset of a signal has prices.
6. The weights of a signal's date sum to one at most, as they were known at any time: what is missing is cash.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import numpy as np

from metabt.data.point_in_time.hedging import is_hedge
from metabt.data.point_in_time.lives import Lives
from metabt.data.point_in_time.tables import DatedTable
from metabt.errors import DataError, nearest
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.point_in_time.incoming import cell, groups, plain, taken, told
from metabt.lakehouse.point_in_time.lives import spans
from metabt.lakehouse.point_in_time.merging import Merged, newest
from metabt.lakehouse.point_in_time.rules import EVERY
from metabt.values.tables import Coded, Table, texts

Tables = Mapping[str, DatedTable]
"""Table -> its rows, of one dataset."""
ONE = np.timedelta64(1, "D")


def check_together(found: Merged) -> None:
    """Raise DataError for rows of one table that contradict each other."""
    name = found.table.name
    if name == "members":
        _refuse_overlaps(found, ("universe", "asset"), "the asset is a member of that universe already")
    if name == "assets":
        _refuse_overlaps(found, ("asset",), "the asset has another symbol then")
        _refuse_overlaps(found, ("symbol",), "its symbol is another asset's then")
        _refuse_second_currency(found)
    if name == "delistings":
        _refuse_second(found, np.ones(len(found.numbers), np.bool_), "the asset is delisted already")
    if name == "signals":
        _refuse_too_much(found)
    if name == "actions":
        kind = _texts(found.rows, "kind")
        _refuse_second(found, texts(kind) == "merger", "the asset has merged already")


def check_against_prices(
    con: duckdb.DuckDBPyConnection, dataset: str, found: Merged, symbols: tuple[str, ...], others: Tables
) -> None:
    """Raise DataError for rows that prices contradict; `others` are the other tables of the dataset.

    Parameters
    ----------
    con : connection
        Within the transaction.
    dataset : str
        Its name.
    found : Merged
        The table.
    symbols : tuple of str
        All that the dataset has prices of.
    others : mapping
        The other tables of the dataset.
    """
    name = found.table.name
    lives = Lives.of(symbols, found.table if name == "assets" else others.get("assets"))
    if "asset" in found.rows:
        _refuse_strangers(found, dataset, symbols, lives)
    if name == "signals":
        _refuse_unknown(found, dataset, symbols, lives)
    if name == "actions":
        _refuse_worthless(found, symbols, lives)
    if name == "delistings":
        _refuse_early(con, dataset, found, lives)


def _refuse_overlaps(found: Merged, of: tuple[str, ...], said: str) -> None:
    places = newest(found.rows, found.table.name)
    rows = taken(found.rows, places)
    group, first, last = groups(rows, of), _dates(rows, "first_date"), _dates(rows, "last_date")
    order = np.lexsort((plain(first), group))
    one, next_one = order[:-1], order[1:]
    over = (group[one] == group[next_one]) & (np.isnat(last[one]) | (last[one] >= first[next_one]))
    bad = np.flatnonzero(over)
    if len(bad):
        pair = (int(places[one[bad[0]]]), int(places[next_one[bad[0]]]))
        place, other = sorted(pair, key=lambda row: int(found.numbers[row]), reverse=True)
        raise DataError(
            f"{_told(found, place)}: {said}, by {_row(found, other)}: "
            f"{cell(found.rows['first_date'], other)} to {cell(found.rows['last_date'], other) or 'now'}"
            f"{_in_all(len(bad))}; end the one before the other begins"
        )


def _refuse_second(found: Merged, which: np.ndarray, said: str) -> None:
    places = np.flatnonzero(which)
    group = groups(taken(found.rows, places), ("asset",)) if len(places) else places
    order = np.lexsort((found.numbers[places], group))
    again = np.flatnonzero(group[order][1:] == group[order][:-1])
    if len(again):
        place, other = places[order[again[0] + 1]], places[order[again[0]]]
        date = cell(found.rows["date" if "date" in found.rows else "ex_date"], int(other))
        raise DataError(
            f"{_told(found, int(place))}: {said}, by {_row(found, int(other))} on {date}{_in_all(len(again))}; "
            "keep one of them, or, where the file is all that there is, say that it replaces the table"
        )


def _refuse_second_currency(found: Merged) -> None:
    places, currency = newest(found.rows, "assets"), _texts(found.rows, "currency")
    places = places[currency.codes[places] >= 0]
    group = groups(taken(found.rows, places), ("asset",)) if len(places) else places
    order = np.lexsort((found.numbers[places], group))
    group, codes = group[order], plain(currency)[places[order]]
    unlike = np.flatnonzero((group[1:] == group[:-1]) & (codes[1:] != codes[:-1]))
    if len(unlike):
        place, other = int(places[order[unlike[0] + 1]]), int(places[order[unlike[0]]])
        raise DataError(
            f"{_told(found, place)}: it is in {cell(currency, place)}, and in {cell(currency, other)} by "
            f"{_row(found, other)}{_in_all(len(unlike))}; an asset has one currency: correct its rows, or make two "
            "assets of it"
        )


def _refuse_strangers(found: Merged, dataset: str, symbols: tuple[str, ...], lives: Lives) -> None:
    known = {*symbols, *lives.asset, EVERY}
    column = "symbol" if found.table.name == "assets" else "asset"
    names = _texts(found.table.columns, column).values
    known |= {it for it in names if is_hedge(it)}  # what hedges cost is said with what assets do
    if names and not known.intersection(names) or (column == "symbol" and not set(symbols).intersection(names)):
        raise DataError(
            f"table '{found.table.name}': dataset '{dataset}' has prices of none of its assets, such as "
            f"'{names[0]}'{nearest(names[0], symbols)}; name another dataset, or ingest their prices first"
        )


def _refuse_worthless(found: Merged, symbols: tuple[str, ...], lives: Lives) -> None:
    held_symbols = frozenset(symbols)
    priced = {asset for asset, symbol in lives.changes() if symbol in held_symbols}
    into, asset = _texts(found.rows, "into"), _texts(found.rows, "asset")
    unknown = np.array([*(text not in priced for text in into.values), False], np.bool_)[into.codes]
    held = np.array([*(text in priced for text in asset.values), False], np.bool_)[asset.codes]
    bad = np.flatnonzero(unknown & held & (found.numbers > 0))
    if len(bad):
        name = into.values[into.codes[bad[0]]]
        raise DataError(
            f"{_told(found, int(bad[0]))}: there are no prices of '{name}', which is received"
            f"{nearest(name, priced)}{_in_all(len(bad))}; ingest its prices first, or write its worth as cash"
        )


def _refuse_unknown(found: Merged, dataset: str, symbols: tuple[str, ...], lives: Lives) -> None:
    assets = _texts(found.rows, "asset")
    held = frozenset(lives.assets_of(symbols))
    bad = np.flatnonzero(np.array([*(text not in held for text in assets.values), False], np.bool_)[assets.codes])
    if len(bad):
        named = assets.values[assets.codes[bad[0]]]
        raise DataError(
            f"{_told(found, int(bad[0]))}: dataset '{dataset}' has no prices of '{named}'{nearest(named, held)}"
            f"{_in_all(len(bad))}; ingest its prices first, or delete its rows"
        )


def _refuse_too_much(found: Merged) -> None:
    """Raise DataError where the weights of a date, as they were known at some time, sum to more than one."""
    weights, known = _dates(found.rows, "weight"), _dates(found.rows, "known_at")
    group = groups(found.rows, ("name", "date"))
    order = np.lexsort((plain(known), group))
    starts = np.flatnonzero(np.append(True, group[order][1:] != group[order][:-1]))[: len(order)]
    assets = _texts(found.rows, "asset").codes
    for first, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(order)], strict=True):
        of_date = order[first:stop]
        days = known[of_date]
        if days[0] == days[-1]:
            _refuse_above(found, of_date, float(weights[of_date].sum()))
            continue
        for day in np.unique(days):
            seen = of_date[days <= day]  # in order of known_at: of two rows about an asset the later one counts
            newest_of = dict(zip(assets[seen].tolist(), weights[seen].tolist(), strict=True))
            _refuse_above(found, seen, sum(newest_of.values()))


def _refuse_above(found: Merged, rows: np.ndarray, total: float) -> None:
    if total > 1.0 + 1e-9:
        place = int(rows[np.argmax(found.numbers[rows] > 0)])
        raise DataError(
            f"{_told(found, place)}: the weights of signal '{cell(found.rows['name'], place)}' on "
            f"{cell(found.rows['date'], place)} sum to {total:.10g}, wanted at most 1; write fractions of the sleeve's "
            "value, as 0.25 for 25 %: what is missing to 1 is cash"
        )


def _refuse_early(con: duckdb.DuckDBPyConnection, dataset: str, found: Merged, lives: Lives) -> None:
    bounds = spans(con, dataset, lives)
    sql = "SELECT date FROM calendars WHERE dataset = $1 ORDER BY date"
    sessions = np.array([row[0] for row in execute(con, sql, dataset).fetchall()], "datetime64[D]")
    asset, day = _texts(found.rows, "asset"), _dates(found.rows, "date")
    never = np.datetime64("0001-01-01", "D")
    last = np.array([*(bounds.get(text, (never, never))[1] for text in asset.values), never], "datetime64[D]")
    last = last[asset.codes]
    effect = np.concatenate([sessions, [np.datetime64("9999-12-31", "D")]])[np.searchsorted(sessions, day)]
    bad = np.flatnonzero((last > effect) & (found.numbers > 0))
    if len(bad):
        place = int(bad[0])
        raise DataError(
            f"{_told(found, place)}: its prices go on until {last[place]}, and it would be closed on {effect[place]}"
            f"{_in_all(len(bad))}; correct the date, drop the prices after it, or, where the ticker is another asset's "
            "since, name both in the table 'assets'"
        )


def _told(found: Merged, place: int) -> str:
    return told(found.table.name, found.rows, place, int(found.numbers[place]))


def _row(found: Merged, place: int) -> str:
    number = int(found.numbers[place])
    return f"row {number}" if number else "a row that is stored"


def _in_all(count: int) -> str:
    return f" ({count:,} such rows in all)" if count > 1 else ""


def _texts(rows: Table, name: str) -> Coded:
    found = rows[name]
    assert isinstance(found, Coded)
    return found


def _dates(rows: Table, name: str) -> np.ndarray:
    found = rows[name]
    assert isinstance(found, np.ndarray)
    return found
