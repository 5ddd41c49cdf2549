"""Attribution: where the return came from, sleeve by sleeve, and why it differs from choosing nothing.

1. Contributions to return, linked over time (metabt.analysis.attribution.contributions): stacked through time, and as a
   tree.
2. Brinson's effects against the tree of equal weights (metabt.report.sections.effects).
3. Every table says how far the sums of its levels are from what they should be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metabt.report import lines
from metabt.report.attribution_rows import AttributionRow, by_sleeve, closing, listed, most_assets
from metabt.report.decisions import largest
from metabt.report.lines import percent
from metabt.report.replayed import Missing
from metabt.report.run import Run
from metabt.report.section import Branch, Chart, Facts, Folded, Section
from metabt.report.sections.effects import by_level, effects

if TYPE_CHECKING:
    from metabt.analysis.attribution.accrual import Accrual
    from metabt.runs.replay import Attributed

DASH = "\N{EN DASH}"


def attribution(run: Run) -> Section | None:
    """Return the section: contributions and effects; None where the run is not to be walked again."""
    if run.again is None:
        return None
    found = run.again.attributed
    if isinstance(found, Missing):
        return Section("attribution", "Attribution", tables=[Facts((), (), f"There is none: {found.reason}")])
    tables: list[Facts | Folded] = [contributions(run, found), by_level(run, found), effects(run, found)]
    return Section("attribution", "Attribution", [_through_time(run, found.accrual)], tables)


def contributions(run: Run, found: Attributed) -> Folded:
    """Return the contributions to the portfolio's return as a tree, asset within sleeve within parent."""
    amounts, most = by_sleeve(found.contributions), most_assets(run.specs)
    total = found.totals[0]

    def row(amount: AttributionRow, path: str) -> Branch:
        share = percent(amount.root / total, 1) if total else DASH
        own = percent(sum(other.own for other in amounts[path])) if path in amounts else ""
        root = DASH if amount.kind == "costs" and not amount.root else percent(amount.root)
        shown = (amount.item, root, share if root != DASH else DASH, percent(amount.own), own)
        return Branch(shown, beneath(path) if path in amounts else ())

    def beneath(path: str) -> list[Branch]:
        beside = {f"{path}/{amount.item}": amount for amount in amounts[path] if amount.kind == "child"}
        rows = [row(beside[child], child) for child in sorted(beside, key=run.paths.index)]
        assets = [amount for amount in amounts[path] if amount.kind == "asset"]
        one_by_one, rest = listed([amount.root for amount in assets], most)
        rows += [row(assets[place], "") for place in one_by_one]
        if rest:
            sums = (sum(assets[i].own for i in rest), sum(assets[i].root for i in rest))
            rows.append(row(AttributionRow(f"{len(rest):,} others", "asset", *sums), ""))
        return [*rows, *(row(amount, "") for amount in amounts[path] if amount.kind in ("cash", "costs"))]

    root = Branch((run.label(run.root), percent(total), percent(1.0, 1), "", percent(total)), beneath(run.root))
    note = (
        "Linked over time by Carino's factors, so that amounts of single sessions add up to the compounded return. "
        "What is folded into a row adds up to what it contributed to the portfolio and, in the column of parents, to "
        "its own return. The portfolio pays for the trades that are left once its sleeves' are netted, which is why "
        f"costs beneath it are nothing to it. {closing(_gap(run, amounts, total))}"
    )
    columns = ("Item", "To the portfolio", "Share", "To its parent", "Own return")
    return Folded(columns, root, note, "Contribution to return")


def _gap(run: Run, amounts: dict[str, list[AttributionRow]], total: float) -> float:
    """Return the largest absolute difference between a sleeve's contribution and the sum of its items'."""
    gaps = [abs(sum(amount.root for amount in amounts[run.root]) - total)]
    for path, rows in amounts.items():
        nav = run.streams.own(path, "nav")
        gaps.append(abs(sum(amount.own for amount in rows) - (nav[-1] - 1.0 if len(nav) else 0.0)))
        for amount in rows:
            below = amounts.get(f"{path}/{amount.item}") if amount.kind == "child" else None
            if below is not None:
                gaps.append(abs(sum(other.root for other in below) - amount.root))
    return max(gaps)


def _through_time(run: Run, accrual: Accrual) -> Chart:
    keep = lines.thin(len(accrual.dates), lines.MAX_POINTS // 2)
    costs = len(accrual.items) - 1
    drawn: list[int] = largest(accrual.values[-1:, :costs], lines.MAX_CURVES).tolist()
    paths = {i: f"{run.root}/{accrual.items[i]}" for i in drawn}
    drawn = sorted(drawn, key=lambda i: run.slots.get(paths[i], 1 + i))
    values = accrual.values[np.ix_(keep, np.array([*drawn, costs]))]
    names, slots = [accrual.items[i] for i in drawn], [run.slots.get(paths[i], 1 + i) for i in drawn]
    rest = np.setdiff1d(np.arange(costs), drawn)
    if len(rest):
        values = np.column_stack([values, accrual.values[np.ix_(keep, rest)].sum(axis=1)])
    labels = [*names, "costs", *([f"{len(rest):,} others"] if len(rest) else [])]
    traces = lines.stacked(labels, [*slots, lines.OTHERS, *([lines.OTHERS] if len(rest) else [])], values)
    caption = (
        "What each has contributed so far, linked over the whole time: at the end the areas add up to the total "
        f"return, {percent(float(accrual.values[-1].sum()))}; what took away is below zero."
        + lines.thinned(len(accrual.dates), len(keep))
    )
    layout = {"yaxis": {"tickformat": "~%"}}
    return Chart("contribution", caption, traces, layout, lines.days(accrual.dates[keep]), 26)
