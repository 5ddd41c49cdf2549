"""Point-in-time data: who was in the universes, what ended while it was held, cash, and other currencies.

1. Members of a drawn universe at a decision are its items without the reason `not a member`; they join and leave
   between two decisions.
2. Cash is what the root's book leaves after a session with trades: `1 - sum H`.
3. What a currency is held of is the sum of the weights of its assets then; what it was worth is the exchange's move
   from the first session to the last. A hedge is the row `fx:CUR` of the book.

A run without any of it has no such section.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from metabt.analysis.calendar_time import DAYS_PER_YEAR
from metabt.analysis.ended import Ended, ended, escaped
from metabt.build.dated.currencies import exchange_of
from metabt.data.dataset import Dataset
from metabt.data.point_in_time.currencies import currencies_of
from metabt.report import lines
from metabt.report.lines import percent
from metabt.report.reading import numbers
from metabt.report.run import Run
from metabt.report.section import Chart, Facts, Section
from metabt.values.tables import Coded, Table

OUTSIDE = "not a member"
"""Reason of what was not in the universe, or not known to be."""
HEDGE = "fx:"
"""How the hedge of a currency begins in a book."""
MAX_ROWS = 100
"""Largest number of rows of the table of ends."""


def dated(run: Run) -> Section | None:
    """Return what data in time did to a run; None where it has none of it."""
    datasets: Mapping[str, Dataset] = {} if run.again is None else run.again.datasets
    drawn = [path for path in run.paths if run.specs[path].get("drawn") is not None]
    histories = [(path, *_members(run.tables["decisions"], path)) for path in drawn]
    tables = [
        *([members(run, histories)] if histories else []),
        *_ends(run, datasets),
        *([cash(run)] if run.specs[run.root].get("cash") else []),
        *_currencies(run, datasets),
    ]
    if not tables:
        return None
    figures = [_through_time(run, histories)] if histories else []
    return Section("dated", "Point-in-time data", figures, tables)


History = tuple[str, np.ndarray, np.ndarray, np.ndarray]
"""A leaf's path, its decisions' dates (n_decisions,), and who was a member and was held, (n_decisions, n_items)."""


def _members(table: Table, path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the dates of a leaf's decisions, who was a member at each, and what was held from it."""
    of_path, item, reason = (_coded(table, name) for name in ("path", "item", "reason"))
    rows = np.flatnonzero(of_path.codes == of_path.values.index(path))
    dates, place = np.unique(numbers(table, "date")[rows], return_inverse=True)
    codes, column = np.unique(item.codes[rows], return_inverse=True)
    outside = reason.values.index(OUTSIDE) if OUTSIDE in reason.values else -2
    member, held = np.zeros((2, len(dates), len(codes)), bool)
    member[place, column] = reason.codes[rows] != outside
    held[place, column] = numbers(table, "weight")[rows] != 0
    return dates, member, held


def members(run: Run, histories: Sequence[History]) -> Facts:
    """Return a table of drawn universes: how many belong and are held, and how many join and leave a year."""
    rows = []
    for path, dates, member, held in histories:
        years = float((dates[-1] - dates[0]) / np.timedelta64(1, "D")) / DAYS_PER_YEAR
        came, went = (member[1:] & ~member[:-1]).sum(), (member[:-1] & ~member[1:]).sum()
        sold = (held[:-1] & ~member[1:]).sum()
        counts = (member.sum(axis=1), held.sum(axis=1))
        rows.append(
            (
                path,
                f"{member.any(axis=0).sum():,}",
                *(f"{each.mean():,.1f}" for each in counts),
                *(f"{each:,} ({each / years:,.1f} a year)" if years >= 1 else f"{each:,}" for each in (came, went)),
                f"{sold:,}",
            )
        )
    columns = ("Leaf", "Ever in it", "In it, mean", "Held, mean", "Joined", "Left", "Left while held")
    note = (
        "As of the leaf's decisions: who belongs is known by then and is drawn by its rule. What leaves is sold at the "
        "next decision."
    )
    return Facts(columns, rows, note, "Universes")


def _through_time(run: Run, histories: Sequence[History]) -> Chart:
    shown = histories[: lines.MAX_CURVES]
    traces: list[dict[str, Any]] = []
    for path, dates, member, held in shown:
        for name, counts, dash in (("in it", member.sum(axis=1), "solid"), ("held", held.sum(axis=1), "dot")):
            traces.append(
                {
                    "name": lines.label(f"{run.label(path)}, {name}"),
                    "path": path,
                    "slot": run.slots[path],
                    "mode": "lines",
                    "line": {"shape": "hv", "width": 1.4, "dash": dash},
                    "x": lines.days(dates),
                    "y": counts.tolist(),
                    "hovertemplate": "%{y}",
                }
            )
    caption = (
        "Assets in each universe at its decisions (solid), and those that are held from it (dotted)."
        + lines.beyond(len(histories) - len(shown), "universes beyond the first are")
    )
    return Chart("dated-members", caption, traces, {"yaxis": {"rangemode": "tozero"}}, height=18)


def _ends(run: Run, datasets: Mapping[str, Dataset]) -> Iterator[Facts]:
    """Yield a table of what ended while the root held it, and of what a stale closing spared an end."""
    if not datasets:
        return
    found = [
        *((it, "closed with its asset") for it in ended(run.tables, run.specs, datasets)),
        *((it, "closed before, after going stale") for it in escaped(run.tables, run.specs, datasets)),
    ]
    if not found:
        return
    found.sort(key=lambda each: (each[0].date, each[0].symbol))
    rows = [(str(it.date), it.symbol, percent(it.weight), it.how, _return(it), what) for it, what in found[:MAX_ROWS]]
    note = (
        "Weight is the root's, just before. A stated return is the delisting's own; an assumed one is what the leaf "
        "says of its kind. What was closed after going stale was sold at its last price and escaped that return."
    )
    if len(found) > MAX_ROWS:
        note += f" {len(found) - MAX_ROWS:,} later ones are not shown."
    yield Facts(
        ("Session", "Asset", "Weight", "Kind", "Return", "Holding"), rows, note, "Delistings and mergers", "words"
    )


def _return(it: Ended) -> str:
    if it.merged:
        return "at its terms"
    if it.included:
        return "in its prices"
    if not np.isnan(it.stated):
        return f"{it.stated:+.1%}"
    return f"{' or '.join(f'{each:+.1%}' for each in it.assumed)}, assumed"


def cash(run: Run) -> Facts:
    """Return a table of the root's cash after trades, by year."""
    dates, invested = _invested(run.tables["weights"])
    years, row = np.unique(dates.astype("datetime64[Y]"), return_inverse=True)
    idle = 1.0 - invested
    rows = [
        (str(year), *(percent(value) for value in (each.mean(), each.min(), each.max())))
        for year, each in ((year, idle[row == k]) for k, year in enumerate(years))
    ]
    stated = run.specs[run.root]["cash"]
    earns = f"It earns {stated['rate']}" if stated.get("rate") is not None else "It earns nothing"
    kept = f", and decisions keep {percent(stated['reserve'])} of it" if stated.get("reserve") else ""
    note = f"{earns}{kept}. Proceeds of shorts are cash as well. What it earned is a row of the attribution."
    return Facts(("Year", "Mean", "Least", "Most"), rows, note, "Cash after trades, of NAV")


def _invested(weights: Table, chosen: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the sessions with trades and the sums of target weights in each, of all symbols or some of them."""
    dates, row = np.unique(numbers(weights, "date"), return_inverse=True)
    target = numbers(weights, "target")
    return dates, np.bincount(row, target if chosen is None else np.where(chosen, target, 0.0), len(dates))


def _currencies(run: Run, datasets: Mapping[str, Dataset]) -> Iterator[Facts]:
    """Yield a table of currencies other than the tree's."""
    base = run.specs[run.root].get("currency")
    if base is None or not datasets:
        return
    weights = run.tables["weights"]
    symbols = _coded(weights, "symbol")
    rows = []
    for currency, (name, assets) in sorted(_foreign(datasets, base).items()):
        foreign = np.isin(symbols.codes, [symbols.values.index(it) for it in assets if it in symbols.values])
        hedge = symbols.codes == (symbols.values.index(HEDGE + currency) if HEDGE + currency in symbols.values else -2)
        if not foreign.any():
            continue
        (dates, held), (_, sold) = _invested(weights, foreign), _invested(weights, hedge)
        span = run.streams.dates[[0, -1]].astype("datetime64[D]")
        first, last = exchange_of(currency, currency, base, name, datasets).at(span).tolist()
        rows.append((currency, *(percent(value) for value in (held.mean(), held[-1], sold.mean(), last / first - 1.0))))
    if rows:
        columns = ("Currency", "Held, mean", f"Held on {str(dates[-1])[:10]}", "Hedges, mean", f"Move against {base}")
        note = (
            f"Weights after trades, of NAV. Returns are in {base}: an asset's own, and that of its currency since its "
            "last price. What a hedge earned is its row of the attribution."
        )
        yield Facts(columns, rows, note, "Currencies")


def _foreign(datasets: Mapping[str, Dataset], base: str) -> dict[str, tuple[str, list[str]]]:
    """Return currency -> a dataset with assets in it, and all assets in it."""
    found: dict[str, tuple[str, list[str]]] = {}
    for name, dataset in datasets.items():
        for asset, currency in currencies_of(name, dataset.facts.point_in_time.tables.get("assets")).items():
            if currency != base:
                found.setdefault(currency, (name, []))[1].append(asset)
    return found


def _coded(table: Table, name: str) -> Coded:
    column = table[name]
    assert isinstance(column, Coded)
    return column
