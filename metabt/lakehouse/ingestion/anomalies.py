"""Anomalies: what is odd about stored closes, noted and counted; nothing is changed.

1. `spike`: a close is 5 times the one before or more, or a fifth or less, and the next one is back.
2. `split`: a step by a half, a third, a quarter, a fifth, a tenth or a twentieth, or the inverse, that stays.
3. `jump`: any other step by a factor of 5 or more that stays.
4. `stale`: the same close for more than `STALE` observations.
5. `gap`: more than `STALE` sessions without a price within a symbol's life; `missing`: shorter ones, together.

They are found over the whole dataset whenever it changes, since a gap is known by the sessions of other symbols. What
its tables say beside its prices is noted with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa

from metabt.lakehouse.catalog.schema import SCHEMA, insert
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.point_in_time.notes import KINDS, Found, with_tables
from metabt.lakehouse.prices.calendars import read_calendars

STALE = 10
"""Sessions after which a price is stale, as `stale_after` of a sleeve is by default."""
STEP = np.log(5.0)
"""Size of a step, in logs, that is odd."""
BACK = np.log(1.5)
"""How near to where it was a close comes back to after a spike, in logs."""
SPLITS = np.log(np.array([2.0, 3.0, 4.0, 5.0, 10.0, 20.0]))
"""Ratios of splits, in logs."""
NEAR = 0.04
"""How near to a split's ratio a step is, in logs."""
FACTORS, SESSIONS = ("spike", "split", "jump"), ("stale", "gap", "missing")
"""Kinds whose value is a factor, and a number of sessions."""


def note_anomalies(con: duckdb.DuckDBPyConnection, dataset: str, late: Iterable[Found] = ()) -> list[Found]:
    """Find what is odd about a dataset, write it where it differs from what is noted, and return it.

    `late` is what came late to its tables just now.
    """
    return note(con, dataset, anomalies(*_closes(con, dataset)), late)


def note_tables(con: duckdb.DuckDBPyConnection, dataset: str, late: Iterable[Found] = ()) -> list[Found]:
    """Find what is odd about the tables of a dataset alone; what is noted of its closes stays."""
    sql = "SELECT symbol, date, kind, value FROM checks WHERE dataset = $1 AND list_contains($2::VARCHAR[], kind)"
    return note(con, dataset, execute(con, sql, dataset, [*FACTORS, *SESSIONS]).fetchall(), late)


def note(con: duckdb.DuckDBPyConnection, dataset: str, odd: Iterable[Found], late: Iterable[Found] = ()) -> list[Found]:
    """Write what is odd about a dataset where it differs from what is noted, and return it, sorted.

    What its tables say beside the prices belongs to it (metabt.lakehouse.point_in_time.notes).
    """
    found = sorted(with_tables(con, dataset, odd, late))
    sql = "SELECT symbol, date, kind, value FROM checks WHERE dataset = $1 ORDER BY ALL"
    if execute(con, sql, dataset).fetchall() != found:
        execute(con, "DELETE FROM checks WHERE dataset = $1", dataset)
        if found:
            insert(con, "checks", _table(dataset, found))
    return found


def anomalies(
    names: tuple[str, ...], calendar: np.ndarray, codes: np.ndarray, rows: np.ndarray, close: np.ndarray
) -> Iterator[Found]:
    """Yield what is odd about closes.

    Parameters
    ----------
    names : tuple of str
        Symbols.
    calendar : (n_sessions,) datetime64[D]
        Sessions of the dataset.
    codes, rows, close : (n,) int32, int64, float64
        Symbol, session and close of every observation, by symbol and then by session.
    """
    days = calendar.tolist()
    same = codes[1:] == codes[:-1]
    steps = np.where(same, np.diff(np.log(close)), 0.0)
    for kind, places in _steps(steps, same):
        for place in places:
            factor = float(np.exp(min(steps[place], np.log(np.finfo(np.float64).max))))
            yield names[codes[place + 1]], days[rows[place + 1]], kind, float(f"{factor:.12g}")
    starts = np.flatnonzero(np.concatenate([[True], ~(same & (close[1:] == close[:-1]))])[: len(close)])
    lengths = np.diff(np.append(starts, len(close)))
    for start, length in zip(starts[lengths > STALE], lengths[lengths > STALE], strict=True):
        yield names[codes[start]], days[rows[start]], "stale", float(length)
    yield from _gaps(names, days, codes, rows, same)


def told(found: list[Found], dataset: str) -> str:
    """Return what was found in a sentence: an example, how many of each kind, and where they are listed."""
    order = (*KINDS, "spike", "split", "jump", "stale", "gap", "missing")
    counts = {kind: sum(row[2] == kind for row in found) for kind in order}
    symbol, day, kind, value = min(found, key=lambda row: (order.index(row[2]), row))
    size = f"{value:g} sessions" if kind in SESSIONS else f"x{value:.3g}" if kind in FACTORS else f"{value:g}"
    listed = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    return (
        f"odd and left so: {kind} of {symbol} on {day} ({size}); in all {listed}; `metabt check {dataset}` lists them"
    )


def _steps(steps: np.ndarray, same: np.ndarray) -> Iterator[tuple[str, list[int]]]:
    """Yield kind and positions of odd steps; one that takes a spike back is not one more."""
    large = np.flatnonzero(np.abs(steps) >= np.log(2.0) - NEAR)
    kinds: dict[str, list[int]] = {"spike": [], "split": [], "jump": []}
    taken_back = -1
    for place in large.tolist():
        size = abs(steps[place])
        returns = place + 1 < len(steps) and same[place + 1] and abs(steps[place] + steps[place + 1]) < BACK
        if place == taken_back:
            continue
        if size >= STEP and returns:
            kinds["spike"].append(place)
            taken_back = place + 1
        elif (np.abs(size - SPLITS) < NEAR).any():
            kinds["split"].append(place)
        elif size >= STEP:
            kinds["jump"].append(place)
    yield from kinds.items()


def _gaps(
    names: tuple[str, ...], days: list[date], codes: np.ndarray, rows: np.ndarray, same: np.ndarray
) -> Iterator[Found]:
    missed = np.where(same, np.diff(rows) - 1, 0)
    for place in np.flatnonzero(missed > STALE):
        yield names[codes[place]], days[rows[place] + 1], "gap", float(missed[place])
    short = np.flatnonzero((missed > 0) & (missed <= STALE))
    totals = np.bincount(codes[short], weights=missed[short], minlength=len(names))
    first = short[np.unique(codes[short], return_index=True)[1]]
    for place in first:
        yield names[codes[place]], days[rows[place] + 1], "missing", float(totals[codes[place]])


def _closes(
    con: duckdb.DuckDBPyConnection, dataset: str
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return symbols, calendar, and code, session and close of every observation, by symbol and session."""
    calendar = read_calendars(con, [dataset])[dataset]
    sql = "SELECT DISTINCT symbol FROM digests WHERE dataset = $1 ORDER BY symbol"
    names = tuple(row[0] for row in execute(con, sql, dataset).fetchall())
    sql = (
        "SELECT code::INTEGER AS code, date, close FROM prices JOIN (SELECT unnest($2::VARCHAR[]) AS symbol, "
        "generate_subscripts($2::VARCHAR[], 1) - 1 AS code) USING (symbol) WHERE dataset = $1"
    )
    table = execute(con, sql, dataset, names).to_arrow_table()
    codes, days = table["code"].to_numpy(), table["date"].to_numpy().astype("datetime64[D]")
    rows = np.searchsorted(calendar, days)
    order = np.argsort(codes.astype(np.int64) * max(len(calendar), 1) + rows, kind="stable")
    return names, calendar, codes[order], rows[order], table["close"].to_numpy()[order]


def _table(dataset: str, found: list[Found]) -> pa.Table:
    columns = [list(column) for column in zip(*((dataset, *row) for row in found), strict=True)]
    kinds = (pa.string(), pa.string(), pa.date32(), pa.string(), pa.float64())
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    return pa.table(arrays, names=list(SCHEMA["checks"]))
