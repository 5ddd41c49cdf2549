"""Best: the configurations that did best, with what they were set to."""

from __future__ import annotations

from metabt.analysis.summary import COLUMNS, with_growth
from metabt.report.section import Facts, Section
from metabt.report.sweep.tried import METRICS, Tried, told
from metabt.values.chances import chance
from metabt.values.ranges import plural

SHOWN = 100
"""Configurations that the page lists."""


def best(tried: Tried) -> Section:
    """Return the table of the best configurations, by Sharpe ratio."""
    ranked = tried.ranked[:SHOWN]
    rows = [{name: float(tried.metrics[name][place]) for name in METRICS} for place in ranked]
    names = with_growth(METRICS, rows)
    cells = [
        (
            str(rank),
            tried.run_ids[place][:12],
            *(told(tried.settings[place].get(key)) for key in tried.keys),
            *_cells(tried, int(place), [_cell(row[name], COLUMNS[name][1]) for name in names]),
        )
        for rank, (place, row) in enumerate(zip(ranked, rows, strict=True), start=1)
    ]
    first, *others = (COLUMNS[name][0] for name in names)
    headings = ("Rank", "Run", *tried.keys.values(), first, *(["p luck"] if tried.luck else []), *others)
    return Section("best", "The best of them", tables=[Facts(headings, cells, _note(tried), kind="words")])


def _cells(tried: Tried, place: int, figures: list[str]) -> list[str]:
    """Return the cells of a configuration's metrics, after the first of them how likely it is luck."""
    return [figures[0], *([chance(tried.p_luck(place))] if tried.luck else []), *figures[1:]]


def _note(tried: Tried) -> str:
    n_all, n_done = len(tried.run_ids), len(tried.done)
    left = f" The other {plural(n_all - SHOWN, 'configuration')} are in `metabt sql`." if n_all > SHOWN else ""
    have = f"{n_done:,} of {plural(n_all, 'configuration')} have one"
    said = (
        "" if tried.evidence is None else "".join(f" {text[0].upper()}{text[1:]}." for text in tried.evidence.lines())
    )
    return f"Ranked by Sharpe ratio, per year, net of costs; {have}.{left}{said}"


def _cell(value: float, form: str) -> str:
    return form.format(value).strip() if value == value else "\N{EN DASH}"
