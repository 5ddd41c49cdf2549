"""Reach: whether what tables say begins, goes on and ends with the prices beside them; nothing is changed.

1. `action on no session`: an ex-date between the first and the last session that is none; the value is the days until
   the session in which the action counts.
2. `rename without prices`: an asset has a symbol from a day on, and no price of it lies in that life; the value is how
   many lives of the asset are so. A life that begins after the last session is yet to come.
3. `membership beyond its life`: by what is known now, an asset is a member in sessions before its first life or after
   its last one, its delisting or its merger; the value is how many memberships. An open end lasts to the last session.
4. `rate begins late`: the first row of a rate is after the first session; the value is by how many days. Cash earns 0
   until then.
5. `rate ends early`: its last row is more than a month before the last session, and holds on; the value is the days.
6. `gap in a rate`: more than a month lies between two rows of a rate within the sessions; the longest, in days.
7. `costs of no asset`: rows of costs are of an asset that has no prices, and of no hedge either; the value is how many.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date

import numpy as np

from metabt.data.point_in_time.cost_rates import EVERY
from metabt.data.point_in_time.hedging import PREFIX
from metabt.data.point_in_time.lives import EVER, Lives
from metabt.data.point_in_time.tables import DatedTable
from metabt.values.tables import texts

HEDGE = re.compile(PREFIX + "[A-Z]{3}")
"""What the hedge of a currency is called in costs."""
MONTH = 31
"""Days for which a value of a rate may hold before that is odd."""
OF = {
    "membership beyond its life": ("members", "assets", "delistings", "actions"),
    "rename without prices": ("assets",),
    "action on no session": ("actions",),
    "rate begins late": ("rates",),
    "rate ends early": ("rates",),
    "gap in a rate": ("rates",),
    "costs of no asset": ("costs", "assets"),
}
"""Kind -> the tables that it is of, the gravest first."""
Found = tuple[str, date, str, float]
Spans = Mapping[str, tuple[np.datetime64, np.datetime64]]
"""First and last date of something."""


def beyond_prices(
    sessions: np.ndarray,
    tables: Mapping[str, DatedTable],
    lives: Lives,
    priced: Spans,
    ends: Mapping[str, np.datetime64],
    empty: Mapping[str, list[np.datetime64]],
) -> Iterator[Found]:
    """Yield what is odd about the reach of tables.

    Parameters
    ----------
    sessions : (n_sessions,) datetime64[D] of the dataset, ascending
    tables : its tables
    lives : which symbol an asset has when
    priced : asset -> its first and last price, of those that have any
    ends : asset -> the date of its delisting or merger, the earlier of the two
    empty : asset -> the first dates of its lives in which its symbol has no price
    """
    if not len(sessions):
        return
    if "actions" in tables:
        yield from _on_no_session(tables["actions"], sessions)
    if "assets" in tables:
        yield from _renamed(lives, sessions, empty)
    if "members" in tables:
        yield from _beyond_life(tables["members"], sessions, lives, ends)
    if "rates" in tables:
        yield from _of_rates(tables["rates"], sessions)
    if "costs" in tables:
        yield from _of_nobody(tables["costs"], priced)


def _on_no_session(actions: DatedTable, sessions: np.ndarray) -> Iterator[Found]:
    names, days = texts(actions.texts("asset")), actions.numbers("ex_date")
    within = (days > sessions[0]) & (days < sessions[-1])
    effect = sessions[np.minimum(np.searchsorted(sessions, days), len(sessions) - 1)]
    seen: set[tuple[str, date]] = set()
    for row in np.flatnonzero(within & (effect != days)).tolist():
        place = (str(names[row]), _date(days[row]))
        if place not in seen:  # two actions of one day are one thing that is odd
            seen.add(place)
            yield (*place, "action on no session", float((effect[row] - days[row]).astype(int)))


def _renamed(lives: Lives, sessions: np.ndarray, empty: Mapping[str, list[np.datetime64]]) -> Iterator[Found]:
    for asset in sorted(empty):
        own = lives.places(asset)
        later = {lives.first[place] for place in own[1:] if lives.first[place] <= sessions[-1]}
        days = sorted(day for day in empty[asset] if day in later)
        if days:
            yield asset, _date(days[0]), "rename without prices", float(len(days))


def _beyond_life(
    members: DatedTable, sessions: np.ndarray, lives: Lives, ends: Mapping[str, np.datetime64]
) -> Iterator[Found]:
    universe, asset = members.texts("universe").codes, members.texts("asset")
    first, last = members.numbers("first_date"), members.numbers("last_date")
    until = np.where(np.isnat(last), EVER[1], last)
    bounds = [_life(name, sessions, lives, ends) for name in asset.values]
    begins, gone = np.array(bounds, "datetime64[D]").reshape(-1, 2)[asset.codes].T
    day = np.timedelta64(1, "D")
    n_early = _within(sessions, first, np.minimum(until, begins - day))
    n_late = _within(sessions, np.maximum(first, gone + day), until)
    same = (universe[1:] == universe[:-1]) & (asset.codes[1:] == asset.codes[:-1]) & (first[1:] == first[:-1])
    newest = np.append(~same, np.ones(min(len(members), 1), bool))  # of one beginning what was known last counts
    bad = np.flatnonzero(newest & (n_early + n_late > 0))
    order = bad[np.lexsort((first[bad], asset.codes[bad]))]
    codes, starts, counts = np.unique(asset.codes[order], return_index=True, return_counts=True)
    for code, start, count in zip(codes.tolist(), starts.tolist(), counts.tolist(), strict=True):
        yield asset.values[code], first[order[start]].item(), "membership beyond its life", float(count)


def _life(
    name: str, sessions: np.ndarray, lives: Lives, ends: Mapping[str, np.datetime64]
) -> tuple[np.datetime64, np.datetime64]:
    """Return the first day of an asset, and the last one: of its lives, or the session in which it ends."""
    own = lives.places(name)
    begins = lives.first[own[0]] if own else EVER[0]
    gone = max((lives.last[place] for place in own), default=EVER[1])
    place = int(np.searchsorted(sessions, ends[name])) if name in ends else len(sessions)
    return begins, min(gone, sessions[place]) if place < len(sessions) else gone


def _within(sessions: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return how many sessions lie from one day to another, both included; none where the last is earlier."""
    stop, start = np.searchsorted(sessions, last, side="right"), np.searchsorted(sessions, first)
    return np.maximum(stop - start, 0)


def _of_rates(rates: DatedTable, sessions: np.ndarray) -> Iterator[Found]:
    for name in rates.first_texts:
        days = rates.numbers("date")[rates.rows_of(name)]
        late, early = ((one - other).astype(int) for one, other in ((days[0], sessions[0]), (sessions[-1], days[-1])))
        if late > 0:
            yield name, days[0].item(), "rate begins late", float(late)
        if early > MONTH:
            yield name, days[-1].item(), "rate ends early", float(early)
        # what lies before the first session, or after the last, is nobody's
        within = np.clip(days, sessions[0], sessions[-1])
        gaps = np.diff(within).astype(int)
        if len(gaps) and gaps.max() > MONTH:
            place = int(gaps.argmax())
            yield name, days[place].item(), "gap in a rate", float(gaps[place])


def _of_nobody(costs: DatedTable, priced: Spans) -> Iterator[Found]:
    for name in costs.first_texts:
        if name != EVERY and name not in priced and not HEDGE.fullmatch(name):
            rows = costs.rows_of(name)
            yield name, costs.numbers("first_date")[rows][0].item(), "costs of no asset", float(rows.stop - rows.start)


def _date(day: np.datetime64) -> date:
    return date.fromisoformat(str(day))
