"""Point-in-time data: who was in the universes, what ended while it was held, cash, and other currencies.

1. Members of a drawn universe at a decision are its items without the reason `not a member`; they join and leave
   between two decisions.
2. Cash is what the root's book leaves after a session with trades: `1 - sum H`, hedges aside, which take no money. What
   it earned are the rows of cash of the attribution, of the root and of all beneath it; its rate is compounded by year.
3. What a currency is held of is the sum of the weights of its assets then; what it was worth is the exchange's move
   from the first session to the last. A hedge is the row `fx:CUR` of the book.
4. What a currency's assets and its hedge contributed are their rows of the attribution, of all leaves that hold them.

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
from metabt.data.point_in_time.hedging import hedge_name, is_hedge
from metabt.report import lines
from metabt.report.attribution_rows import AttributionRow, by_sleeve
from metabt.report.cash import accrual, named
from metabt.report.lines import percent
from metabt.report.reading import numbers
from metabt.report.replayed import Missing
from metabt.report.run import Run
from metabt.report.section import Chart, Facts, Section
from metabt.report.universes import History, coded, place_of
from metabt.values.tables import Table

MAX_ROWS = 100
"""Largest number of rows of the table of ends."""


def dated(run: Run) -> Section | None:
    """Return what data in time did to a run; None where it has none of it."""
    decisions = run.tables["decisions"]
    drawn = [path for path in run.paths if run.specs[path].get("drawn") is not None]
    histories = [History.of(decisions, path) for path in drawn]
    tables = [
        *([members(histories)] if histories else []),
        *_ends(run, run.datasets),
        *([cash(run)] if run.specs[run.root].get("cash") else []),
        *_currencies(run, run.datasets),
    ]
    if not tables:
        return None
    seen = [it for it in histories if len(it.dates)]
    figures = [_through_time(run, seen)] if seen else []
    return Section("dated", "Point-in-time data", figures, tables)


def members(histories: Sequence[History]) -> Facts:
    """Return a table of drawn universes: how many belong, may be held and are, and how many join and leave a year."""
    rows: list[tuple[str, ...]] = []
    for it in histories:
        if not len(it.dates):  # nobody ever was in it
            rows.append((it.path, "0", *("",) * 6, "no decision"))
            continue
        years = float((it.dates[-1] - it.dates[0]) / np.timedelta64(1, "D")) / DAYS_PER_YEAR
        came, went = (it.member[1:] & ~it.member[:-1]).sum(), (it.member[:-1] & ~it.member[1:]).sum()
        counts = (it.member.sum(axis=1), it.eligible.sum(axis=1), it.held.sum(axis=1))
        rows.append(
            (
                it.path,
                f"{it.member.any(axis=0).sum():,}",
                *(f"{each.mean():,.1f}" for each in counts),
                *(f"{each:,} ({each / years:,.1f} a year)" if years >= 1 else f"{each:,}" for each in (came, went)),
                f"{np.count_nonzero(it.dropped):,}",
                _largest(it),
            )
        )
    columns = ("Leaf", "Ever in it", "In it, mean", "Eligible, mean", "Held, mean", "Joined", "Left")
    note = (
        "As of the leaf's decisions: who belongs is known by then and is drawn by its rule; eligible is who has the "
        "prices that a decision takes. What leaves is sold at the next decision. The largest of these is that by "
        "weight in the leaf, as decided before it left, and the decision that sold it."
    )
    return Facts((*columns, "Left while held", "Largest of these"), rows, note, "Universes", "remark")


def _largest(history: History) -> str:
    """Return the largest holding that left its universe: name, weight and the decision that sold it."""
    sizes = np.abs(history.dropped)
    if not sizes.any():
        return ""
    row, column = divmod(int(sizes.argmax()), sizes.shape[1])
    weight = percent(float(history.dropped[row, column]))
    return f"{history.items[column]}, {weight}, {str(history.dates[row + 1])[:10]}"


def _through_time(run: Run, histories: Sequence[History]) -> Chart:
    shown = histories[: lines.MAX_CURVES]
    traces: list[dict[str, Any]] = []
    for it in shown:
        for name, who, dash in (
            ("in it", it.member, "solid"),
            ("eligible", it.eligible, "dash"),
            ("held", it.held, "dot"),
        ):
            traces.append(
                {
                    "name": lines.label(f"{run.label(it.path)}, {name}"),
                    "path": it.path,
                    "slot": run.slots[it.path],
                    "mode": "lines",
                    "line": {"shape": "hv", "width": 1.4, "dash": dash},
                    "x": lines.days(it.dates),
                    "y": who.sum(axis=1).tolist(),
                    "hovertemplate": "%{y}",
                }
            )
    caption = (
        "Assets in each universe at its decisions (solid), those that could be held (dashed), those that are (dotted)."
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
    """Return a table of the root's cash after trades, and of what its rate paid, by year."""
    weights, dates = run.tables["weights"], run.streams.dates
    symbols = coded(weights, "symbol")
    traded, invested = _invested(weights, ~np.array([is_hedge(it) for it in symbols.values])[symbols.codes])
    idle, of_traded, of_session = 1.0 - invested, traded.astype("datetime64[Y]"), dates.astype("datetime64[Y]")
    paid = accrual(run, run.root)
    rows = []
    for year in np.unique(np.concatenate([of_traded, of_session])):
        held = idle[of_traded == year]
        shares = (held.mean(), held.min(), held.max()) if len(held) else (np.nan,) * 3
        earned = () if paid is None else (np.prod(1.0 + paid.returns[of_session == year]) - 1.0,)
        rows.append((str(year), *(percent(float(value)) for value in (*shares, *earned))))
    kept = run.specs[run.root]["cash"].get("reserve")
    note = (
        f"It earns {named(run)}{f', and decisions keep {percent(kept)} of it' if kept else ''}. Proceeds of shorts are "
        "cash as well; hedges take no money and are left out." + _earned_by_cash(run)
    )
    if paid is not None and paid.unknown:
        note += f" In {paid.unknown:,} sessions before the first row of its rate it earned nothing."
    columns = ("Year", "Mean", "Least", "Most", *(() if paid is None else ("Its rate",)))
    return Facts(columns, rows, note, "Cash after trades, of NAV")


def _earned_by_cash(run: Run) -> str:
    found = _contributed(run)
    if found is None:
        return ""
    amount = sum(row.root for row in found if row.kind == "cash")
    hedged = any(row.kind == "asset" and is_hedge(row.item) for row in found)
    besides = ", with the interest on the notional of hedges, which these pay back" if hedged else ""
    return f" It contributed {percent(amount)} to the total return{besides}."


def _contributed(run: Run) -> list[AttributionRow] | None:
    """Return what every item of every sleeve contributed; None of a page without attribution."""
    found = None if run.again is None else run.again.attributed
    if found is None or isinstance(found, Missing):
        return None
    return [row for rows in by_sleeve(found.contributions).values() for row in rows]


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
    symbols, contributed = coded(weights, "symbol"), _contributed(run)
    rows = []
    for currency, (name, assets) in sorted(_foreign(datasets, base).items()):
        foreign = np.isin(symbols.codes, [symbols.values.index(it) for it in assets if it in symbols.values])
        sold_by = hedge_name(currency)
        hedge = symbols.codes == place_of(symbols, sold_by)
        if not foreign.any():
            continue
        (dates, held), (_, sold) = _invested(weights, foreign), _invested(weights, hedge)
        span = run.streams.dates[[0, -1]].astype("datetime64[D]")
        first, last = exchange_of(currency, currency, base, name, datasets).at(span).tolist()
        amounts = () if contributed is None else (_sum(contributed, {*assets}), _sum(contributed, {sold_by}))
        values = (held.mean(), held[-1], sold.mean(), last / first - 1.0, *amounts)
        rows.append((currency, *(percent(value) for value in values)))
    if rows:
        columns = ["Currency", "Held, mean", f"Held on {str(dates[-1])[:10]}", "Hedges, mean", f"Move against {base}"]
        note = (
            f"Weights after trades, of NAV. Returns are in {base}: an asset's own, and that of its currency since its "
            "last price. "
        )
        if contributed is not None:
            columns += ["Assets contributed", "Hedges contributed"]
            note += "Contributions are to the total return, before costs; that of a hedge has the interest on its "
            note += "notional in it, as a cost, which cash has earned."
        yield Facts(tuple(columns), rows, note, "Currencies")


def _sum(rows: Sequence[AttributionRow], names: set[str]) -> float:
    """Return what the assets of some names contributed to the portfolio, in all leaves."""
    return float(sum(row.root for row in rows if row.kind == "asset" and row.item in names))


def _foreign(datasets: Mapping[str, Dataset], base: str) -> dict[str, tuple[str, list[str]]]:
    """Return currency -> a dataset with assets in it, and all assets in it."""
    found: dict[str, tuple[str, list[str]]] = {}
    for name, dataset in datasets.items():
        for asset, currency in currencies_of(name, dataset.facts.point_in_time.tables.get("assets")).items():
            if currency != base:
                found.setdefault(currency, (name, []))[1].append(asset)
    return found
