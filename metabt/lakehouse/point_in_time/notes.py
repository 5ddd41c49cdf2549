"""Notes on dated tables: what is odd about them beside the prices; nothing is changed.

1. `member without prices`: no price of it lies within its membership; the value is how many memberships are so.
2. `prices after its end`: an asset has prices after it was delisted or merged; the value is the days that they go on.
3. `ends twice`: an asset is delisted and merges: both returns would count.
4. `split without its jump`: of raw prices, the close did not move as its ratio says; the value is the ratio. A jump
   that looks like a split and has one is taken from what is odd about closes; others stay there.
5. `rate like percent`: a rate above 0.5 in size; the value is the first of them. `return like percent`: a delisting
   return above 1.
6. `prices of no asset`: a symbol that `assets` gives lives has prices outside of all of them, which nothing reads; the
   value is how many.
7. `days before prices`: days of `schedules` that lie before the first session decide nothing; the value is how many.
8. `weight after the last price`: of a signal, it is held in no session of these data; the value is how many are.
9. `late actions` and so on: rows that came late and count from their own date on; the value is how many.
10. Whether tables begin, go on and end with the prices: metabt.lakehouse.point_in_time.reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

import duckdb
import numpy as np

from metabt.data.point_in_time.lives import EVER, Lives
from metabt.data.point_in_time.stated_days import stated_days
from metabt.data.point_in_time.tables import DatedTable, PointInTime
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.point_in_time.lives import empty, outside, spans
from metabt.lakehouse.point_in_time.loading import load_point_in_time
from metabt.lakehouse.point_in_time.reach import OF as REACH
from metabt.lakehouse.point_in_time.reach import beyond_prices
from metabt.lakehouse.point_in_time.split_jumps import split_jumps
from metabt.lakehouse.prices.calendars import read_calendars
from metabt.lakehouse.prices.dataset_rows import stated_facts
from metabt.values.tables import Coded, Table, concat, texts

Span = tuple[np.datetime64, np.datetime64]
NEVER: Span = (EVER[1], EVER[0])
"""First and last date of what has no price."""
Found = tuple[str, date, str, float]
"""Symbol, date, kind and value."""
LATE = tuple(f"late {name}" for name in ("actions", "delistings", "rates", "costs"))
"""Kinds of notes that stay: nothing that is stored tells of them."""
KINDS = (
    *("ends twice", "prices after its end", "split without its jump", "rate like percent", "return like percent"),
    *("prices of no asset", "member without prices", "weight after the last price", "days before prices"),
    *(*REACH, *LATE),
)
"""Kinds, the gravest first."""
OF = {
    "ends twice": ("actions", "delistings"),
    "prices after its end": ("actions", "delistings"),
    "split without its jump": ("actions",),
    "rate like percent": ("rates",),
    "return like percent": ("delistings",),
    "prices of no asset": ("assets",),
    "member without prices": ("members", "assets"),
    **REACH,
    "weight after the last price": ("signals",),
    "days before prices": ("schedules",),
}
"""Kind -> the tables that it is of."""
PERCENT = 0.5
"""Rate beyond which it looks like percent."""
STEPS = ("split", "jump", "spike")
"""Kinds of odd closes that a split explains."""


def with_tables(
    con: duckdb.DuckDBPyConnection, dataset: str, odd: Iterable[Found], late: Iterable[Found] = ()
) -> list[Found]:
    """Return what is odd about a dataset: of its closes, but for what its splits explain, and of its tables.

    `late` is what came late just now; what did so before stays noted, while the table is there.
    """
    facts = stated_facts(con, dataset)
    if facts["adjusted"] and facts["tables"] is None:
        return list(odd)
    held = load_point_in_time(con, [dataset])[dataset]
    sql = "SELECT symbol FROM symbols WHERE dataset = $1 ORDER BY symbol"
    lives = Lives.of(tuple(row[0] for row in execute(con, sql, dataset).fetchall()), held.tables.get("assets"))
    sql = "SELECT symbol, date, kind, value FROM checks WHERE dataset = $1 AND list_contains($2::VARCHAR[], kind)"
    kept = [late for late in LATE if late.partition(" ")[2] in held.tables]
    found = [*odd, *_summed([*execute(con, sql, dataset, kept).fetchall(), *late])]
    if not held.adjusted and "actions" in held.tables:
        jumps = split_jumps(con, dataset, held.tables["actions"], lives)
        explained = {(jump.symbol, jump.session) for jump in jumps if jump.is_there}
        found = [row for row in found if row[2] not in STEPS or (row[0], row[1]) not in explained]
        missing = [jump for jump in jumps if jump.is_missing]
        found += [(jump.asset, jump.ex_date, "split without its jump", jump.factor) for jump in missing]
    if held.tables:
        found += _of_tables(con, dataset, held, lives)
    return found


def of_table(kind: str, table: str) -> bool:
    """Return whether a kind of note is of a table."""
    return table in OF.get(kind, ()) or kind == f"late {table}"


def _summed(late: Iterable[Found]) -> list[Found]:
    """Return notes of what came late, one for each name, date and kind."""
    found: dict[tuple[str, date, str], float] = {}
    for name, day, kind, count in late:
        found[name, day, kind] = found.get((name, day, kind), 0.0) + count
    return [(*key, count) for key, count in found.items()]


def _of_tables(con: duckdb.DuckDBPyConnection, dataset: str, held: PointInTime, lives: Lives) -> Iterator[Found]:
    tables = held.tables
    bounds = (
        spans(con, dataset, lives) if {"members", "delistings", "actions", "costs", "signals"} & set(tables) else {}
    )
    yield from ((it, first, "prices of no asset", float(count)) for it, first, count in outside(con, dataset, lives))
    if "members" in tables:
        yield from _unpriced(tables["members"], bounds)
    if "signals" in tables:
        yield from _too_late(con, dataset, tables["signals"], bounds)
    yield from _of_ends(con, dataset, tables, bounds)
    if "rates" in tables:
        yield from _like_percent(tables["rates"])
    if "schedules" in tables:
        yield from _early(con, dataset, tables["schedules"])
    if "delistings" in tables:
        table = tables["delistings"]
        asset, day, value = table.texts("asset"), table.numbers("date"), table.numbers("return")
        for row in np.flatnonzero(value > 1):
            yield asset.values[asset.codes[row]], day[row].item(), "return like percent", float(value[row])
    sessions = read_calendars(con, [dataset])[dataset].astype("datetime64[D]")
    names, days, _ = _ends(tables)
    ends = {name: np.datetime64(day, "D") for name, day in zip(names, days, strict=True)}
    bare = empty(con, dataset, lives) if "assets" in tables else {}
    yield from beyond_prices(sessions, tables, lives, bounds, ends, bare)


def _unpriced(members: DatedTable, spans: dict[str, Span]) -> Iterator[Found]:
    asset, first, last = members.texts("asset"), members.numbers("first_date"), members.numbers("last_date")
    bounds = np.array([spans.get(name, NEVER) for name in asset.values], "datetime64[D]").reshape(-1, 2)[asset.codes]
    bad = np.flatnonzero((bounds[:, 1] < first) | (bounds[:, 0] > np.where(np.isnat(last), EVER[1], last)))
    order = bad[np.lexsort((first[bad], asset.codes[bad]))]
    codes, starts, counts = np.unique(asset.codes[order], return_index=True, return_counts=True)
    for code, start, count in zip(codes.tolist(), starts.tolist(), counts.tolist(), strict=True):
        yield asset.values[code], first[order[start]].item(), "member without prices", float(count)


def _too_late(
    con: duckdb.DuckDBPyConnection, dataset: str, signals: DatedTable, spans: dict[str, Span]
) -> Iterator[Found]:
    """Yield assets with weights after their last price, on or before the last session: they would wait for ever."""
    asset, day, weight = signals.texts("asset"), signals.numbers("date"), signals.numbers("weight")
    ((newest,),) = execute(con, "SELECT max(date) FROM calendars WHERE dataset = $1", dataset).fetchall()
    last = np.array([spans.get(name, NEVER)[1] for name in asset.values], "datetime64[D]")[asset.codes]
    bad = np.flatnonzero((weight != 0) & (day > last) & (day <= np.datetime64(newest, "D")))
    order = bad[np.lexsort((day[bad], asset.codes[bad]))]
    codes, starts, counts = np.unique(asset.codes[order], return_index=True, return_counts=True)
    for code, start, count in zip(codes.tolist(), starts.tolist(), counts.tolist(), strict=True):
        yield asset.values[code], day[order[start]].item(), "weight after the last price", float(count)


def _of_ends(
    con: duckdb.DuckDBPyConnection, dataset: str, tables: Mapping[str, DatedTable], spans: dict[str, Span]
) -> Iterator[Found]:
    """Yield what ends twice, and what has prices after the session in which it ends."""
    names, first, counts = _ends(tables)
    for name, day, count in zip(names, first, counts, strict=True):
        if count > 1:
            yield name, day, "ends twice", float(count)
    for name, day in zip(names, first, strict=True):
        last = spans.get(name, NEVER)[1]
        if last > np.datetime64(day, "D"):
            sql = "SELECT min(date) FROM calendars WHERE dataset = $1 AND date >= $2"
            ((effect,),) = execute(con, sql, dataset, day).fetchall()
            days = int((last - np.datetime64(effect, "D")).astype(int))
            if days > 0:
                yield name, day, "prices after its end", float(days)


def _ends(tables: Mapping[str, DatedTable]) -> tuple[list[str], list[date], list[int]]:
    """Return the assets that are delisted or merge, the earliest date of each, and how often it ends."""
    ends: list[Table] = []
    if "delistings" in tables:
        ends.append({"asset": tables["delistings"].texts("asset"), "day": tables["delistings"].numbers("date")})
    if "actions" in tables:
        actions = tables["actions"]
        merging = np.flatnonzero(texts(actions.texts("kind")) == "merger")
        ends.append({"asset": actions.texts("asset").take(merging), "day": actions.numbers("ex_date")[merging]})
    if not ends:
        return [], [], []
    every = concat(ends)
    asset, day = every["asset"], every["day"]
    assert isinstance(asset, Coded) and isinstance(day, np.ndarray)
    order = np.lexsort((day, asset.codes))
    codes, starts, counts = np.unique(asset.codes[order], return_index=True, return_counts=True)
    names = [asset.values[code] for code in codes.tolist()]
    return names, day[order[starts]].tolist(), counts.tolist()


def _early(con: duckdb.DuckDBPyConnection, dataset: str, schedules: DatedTable) -> Iterator[Found]:
    ((first,),) = execute(con, "SELECT min(date) FROM calendars WHERE dataset = $1", dataset).fetchall()
    for name in schedules.first_texts:
        days = stated_days(schedules, name)
        early = int(np.searchsorted(days, np.datetime64(first, "D")))
        if early:
            yield name, days[0].item(), "days before prices", float(early)


def _like_percent(rates: DatedTable) -> Iterator[Found]:
    name, day, value = rates.texts("name"), rates.numbers("date"), rates.numbers("value")
    is_fx = np.array([*(text.startswith("fx:") for text in name.values), False], np.bool_)[name.codes]
    bad = np.flatnonzero((np.abs(value) > PERCENT) & ~is_fx)
    codes, starts = np.unique(name.codes[bad], return_index=True)
    for code, start in zip(codes.tolist(), starts.tolist(), strict=True):
        yield name.values[code], day[bad[start]].item(), "rate like percent", float(value[bad[start]])
