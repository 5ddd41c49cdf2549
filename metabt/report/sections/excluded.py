"""Exclusions and their reasons: decisions that are not ok (fallback, warm-up, cash), and items that were left out."""

from __future__ import annotations

import numpy as np

from metabt.report.reading import numbers
from metabt.report.run import Run
from metabt.report.section import Facts, Section
from metabt.values.tables import Coded, Table

MAX_ROWS = 200
"""Largest number of rows of the table of items."""


def excluded(run: Run) -> Section:
    """Return fallbacks, warm-ups and what was left out."""
    return Section("excluded", "Fallbacks, warm-ups, exclusions", tables=[decisions(run), left_out(run)])


CLOSED = {"stale_closed": "closed after going stale", "ended_closed": "closed for good, with its asset"}
"""Metric -> what it counts, in a row of its own."""


def decisions(run: Run) -> Facts:
    """Return a table of decisions that are not ok, by sleeve and status: number, first and last date."""
    table = run.tables["decisions"]
    path, status, date = _codes(table, "path"), _codes(table, "status"), numbers(table, "date")
    first = _firsts(path, date)
    found = _counted([path[first], status[first]], date[first])
    rows = []
    for (which, how), (times, begin, end) in found:
        name = _text(table, "status", how)
        if name != "ok":
            rows.append((_text(table, "path", which), f"status {name}", f"{times:,}", begin, end))
    for sleeve in run.paths:
        for metric, told in CLOSED.items():
            closed = run.metrics.get(sleeve, {}).get(metric, 0.0)
            if closed > 0:
                rows.append((sleeve, told, f"{int(closed):,}", "", ""))
    note = (
        "A decision in warm-up is equally weighted; one that fell back was made by the named method instead."
        if rows
        else "No decision fell back, was in warm-up or in cash, and nothing went stale."
    )
    return Facts(("Sleeve", "What", "Times", "First", "Last"), rows, note, "Decisions", "words")


def left_out(run: Run) -> Facts:
    """Return a table of items that were left out, by sleeve, item and reason: number, first and last date."""
    table = run.tables["decisions"]
    reason = _codes(table, "reason")
    column = table["reason"]
    assert isinstance(column, Coded)
    empty = column.values.index("") if "" in column.values else -1
    rows = np.flatnonzero((reason >= 0) & (reason != empty)) if (reason != empty).any() else np.zeros(0, np.int64)
    keys = [_codes(table, name)[rows] for name in ("path", "item", "reason")]
    found = sorted(_counted(keys, numbers(table, "date")[rows]), key=lambda row: -row[1][0])
    cells = [
        (
            *(_text(table, name, code) for name, code in zip(("path", "item", "reason"), codes, strict=True)),
            f"{n:,}",
            a,
            b,
        )
        for codes, (n, a, b) in found[:MAX_ROWS]
    ]
    note = (
        "Ineligible: not enough of its history was there. Unselected: the selector chose others. Waiting: a sleeve "
        "whose history is still too short. Not a member: it was not in the universe, or not known to be."
        if cells
        else "Nothing was left out of a decision."
    )
    if len(found) > MAX_ROWS:
        note += f" {len(found) - MAX_ROWS:,} rows with fewer times are not shown."
    return Facts(("Sleeve", "Item", "Why", "Times", "First", "Last"), cells, note, "Items", "words")


def _firsts(path: np.ndarray, date: np.ndarray) -> np.ndarray:
    """Return the first row of each sleeve's decision, by sleeve and date; what is asked first is where rows change."""
    new = np.ones(len(path), bool)
    new[1:] = (path[1:] != path[:-1]) | (date[1:] != date[:-1])
    rows = np.flatnonzero(new)
    rows = rows[np.lexsort([rows, date[rows], path[rows]])]
    own, day = path[rows], date[rows]
    other = np.ones(len(rows), bool)  # a decision whose rows stand apart is met again
    other[1:] = (own[1:] != own[:-1]) | (day[1:] != day[:-1])
    return rows[other]


Counted = list[tuple[tuple[int, ...], tuple[int, str, str]]]


def _counted(keys: list[np.ndarray], dates: np.ndarray) -> Counted:
    """Return each combination of codes with its number of rows, first and last date."""
    if not len(dates):
        return []
    order = np.lexsort([dates, *keys[::-1]])
    sorted_keys, days = np.column_stack(keys)[order], dates[order]
    starts = np.flatnonzero(np.r_[True, (np.diff(sorted_keys, axis=0) != 0).any(axis=1)])
    stops = np.r_[starts[1:], len(days)]
    return [
        (tuple(sorted_keys[a].tolist()), (int(b - a), str(days[a]), str(days[b - 1])))
        for a, b in zip(starts, stops, strict=True)
    ]


def _codes(table: Table, name: str) -> np.ndarray:
    column = table[name]
    assert isinstance(column, Coded)
    return np.asarray(column.codes)


def _text(table: Table, name: str, code: int) -> str:
    column = table[name]
    assert isinstance(column, Coded)
    return column.values[code] if code >= 0 else ""
