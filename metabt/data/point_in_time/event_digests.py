"""Event digests: what the returns of an asset in a partition are made of, where they are more than its prices.

A cell (symbol, partition) keeps the digest of its prices, unless a row of `actions` or `delistings` has to do with it;
then it is joined with the code that makes returns of such rows, with those rows, and with

1. the prices of what the asset turns into;
2. its prices in the partition before in which it has any, where an action after the last of them takes effect only now:
   which actions those are depends on the date of that price. Of an asset with lives, whose cell may be of prices that
   another asset has (`may_be_empty`), it is all partitions back to one that is sure to have a price.

So a row that is added changes the digests of its own asset, from the partition on in which it takes effect.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping

import numpy as np

from metabt.data.facts import Cell, Digests, Facts
from metabt.data.point_in_time.asset_digests import may_be_empty
from metabt.data.point_in_time.lives import Lives
from metabt.data.point_in_time.tables import DatedTable
from metabt.values.digests import joint_digest
from metabt.values.reached_code import reached
from metabt.values.tables import Coded

MAKERS = ("metabt.data.point_in_time.total_returns",)
"""Modules that, with all they reach, make returns of such rows."""
EVENT_TABLES: Mapping[str, str] = {"actions": "ex_date", "delistings": "date"}
"""Tables that make events -> the column of the date from which their rows count."""


def event_digests(known: Facts, symbols: tuple[str, ...]) -> Digests:
    """Return the digests of some symbols' returns and other fields, by cell; no price is read.

    `known` has all that they turn into besides.
    """
    wanted = frozenset(symbols)
    found = {cell: text for cell, text in known.digests.items() if cell[0] in wanted}
    labels = list(known.partitions)
    ends = [known.dates[part.stop - 1] for part in known.partitions.values()]
    lives = Lives.of((), known.point_in_time.tables.get("assets"))
    for symbol in symbols:
        rows = list(_rows(known, symbol))
        if rows:
            found |= _cells(known, lives, symbol, labels, ends, rows)
    return found


def _cells(
    known: Facts,
    lives: Lives,
    symbol: str,
    labels: list[str],
    ends: list[np.datetime64],
    rows: list[tuple[int, str, str | None]],
) -> dict[Cell, str]:
    """Return the cells of a symbol that rows have to do with; each is of a position in `labels`."""
    by_label: dict[int, list[tuple[str, str | None]]] = {}
    for day, text, into in rows:
        at = bisect_left(ends, np.datetime64(day, "D"))
        if at < len(labels):
            by_label.setdefault(at, []).append((text, into))
    found: dict[Cell, str] = {}
    seen: int | None = None  # the partition of its last price so far
    for at, label in enumerate(labels):
        own = known.digests.get((symbol, label, "close"))
        late = [] if seen is None else [row for k in range(seen, at) for row in by_label.get(k, [])]
        now = by_label.get(at, [])
        if (own is not None and late) or now:
            texts = [
                reached(MAKERS).digest,
                own or "",
                str(known.dates[known.partitions[label].start - 1]) if at else "",
            ]
            if late or own is None:
                texts += _closes(known, symbol, labels, seen, at)
            for text, into in (*late, *now):
                texts += [text, "" if into is None else _price_of(known, lives, into, labels, at)]
            found[symbol, label, "close"] = joint_digest(texts)
        if own is not None and (seen is None or not may_be_empty(known, lives, symbol, at)):
            seen = at
    return found


def _closes(known: Facts, symbol: str, labels: list[str], seen: int | None, at: int) -> list[str]:
    """Return the digests of the partitions that a symbol's last price before a partition may be in."""
    if seen is None:
        return [""]
    cells = ((symbol, label, "close") for label in labels[seen:at])
    return [known.digests[cell] for cell in cells if cell in known.digests]


def _price_of(known: Facts, lives: Lives, symbol: str, labels: list[str], at: int) -> str:
    """Return the digest of what an asset's last price up to the end of a partition is among; empty where none is."""
    found: list[str] = []
    for place in range(at, -1, -1):
        text = known.digests.get((symbol, labels[place], "close"))
        if text:
            found.append(text)
            if not may_be_empty(known, lives, symbol, place):
                break
    return joint_digest(found) if len(found) > 1 else "".join(found)


def _rows(known: Facts, symbol: str) -> Iterator[tuple[int, str, str | None]]:
    """Yield day (since 1970), text and what is received of each row of a symbol."""
    for name, column in EVENT_TABLES.items():
        table = known.point_in_time.tables.get(name)
        if table is not None:
            rows = table.rows_of(symbol)
            for row in range(rows.start, rows.stop):
                into = _text(table, "into", row) if name == "actions" else None
                yield int(table.numbers(column)[row].astype(np.int64)), row_text(table, row), into


def row_text(table: DatedTable, row: int) -> str:
    """Return a row as text: its table and all its values, to the bit."""
    values = [
        repr(_text(table, name, row)) if isinstance(column, Coded) else repr(column[row].item())
        for name, column in table.columns.items()
    ]
    return "|".join([table.name, *values])


def _text(table: DatedTable, name: str, row: int) -> str | None:
    column = table.texts(name)
    return None if column.codes[row] < 0 else column.values[column.codes[row]]
