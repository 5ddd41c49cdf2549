"""Sections as HTML: every text is escaped here, and nowhere else does a table become markup."""

from __future__ import annotations

from dataclasses import replace
from html import escape

from metabt.report.section import Branch, Chart, Facts, Folded, Section

ABREAST = 9
"""Columns beside the first that a table of numbers has at most; nine are three of A, B and their difference."""
TALL = 40
"""Rows of a table that scrolls in a box of its own."""


def markup(section: Section) -> str:
    """Return a section as HTML."""
    figures = "".join(map(_figure, section.figures))
    parts = [f"<div class=beside>{figures}</div>" if section.side_by_side else figures, *map(_table, section.tables)]
    if section.text:
        parts.append(f"<details><summary>Configuration</summary><pre>{escape(section.text)}</pre></details>")
    return f'<section id="{section.name}"><h2>{escape(section.title)}</h2>{"".join(parts)}</section>'


def _figure(chart: Chart) -> str:
    said = f"{chart.caption} {chart.hint}".strip()
    return (
        f'<figure><div class=chart id="figure-{chart.name}" style="--lines:{chart.height}"></div>'
        f"<figcaption class=sub>{escape(said)}</figcaption></figure>"
    )


def _table(facts: Facts | Folded) -> str:
    title = f"<h3>{escape(facts.title)}</h3>" if facts.title else ""
    note = f"<p class=sub>{escape(facts.note)}</p>" if facts.note else ""
    if isinstance(facts, Folded):
        head = f'<div class="row head">{"".join(f"<span>{escape(column)}</span>" for column in facts.columns)}</div>'
        rows = f'<div class=tree style="--columns:{len(facts.columns) - 1}">{head}{_branch(facts.root, 0)}</div>'
        return f"{title}<div class=wide tabindex=0>{rows}</div>{note}"
    if not facts.rows:
        return title + note
    return title + "".join(map(_box, _parts(facts))) + note


def _parts(facts: Facts) -> list[Facts]:
    """Return a table of many columns as several with the same first one: paper and phones show no more beside it."""
    n_columns = len(facts.columns) - 1
    if facts.kind != "numbers" or n_columns <= ABREAST:
        return [facts]
    cuts = [slice(first, first + ABREAST) for first in range(1, n_columns + 1, ABREAST)]
    parts = [((facts.columns[0], *facts.columns[cut]), [(row[0], *row[cut]) for row in facts.rows]) for cut in cuts]
    whole = [replace(facts, columns=columns, rows=rows) for columns, rows in parts]
    return [whole[0], *(replace(part, paths=(), sparks=()) for part in whole[1:])]


def _box(facts: Facts) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in _with_spark(facts, facts.columns, "Growth"))
    body = "".join(f"<tr>{_row(facts, place)}</tr>" for place in range(len(facts.rows)))
    box = "wide tall" if len(facts.rows) > TALL else "wide"
    return (
        f'<div class="{box}" tabindex=0><table class={facts.kind}><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _branch(branch: Branch, depth: int) -> str:
    """Return a row, and in it those beneath; the first level is open."""
    name, *others = branch.cells
    cells = f"<span>{escape(name)}</span>" + "".join(f"<span>{escape(cell)}</span>" for cell in others)
    at = f'class=row style="--depth:{depth}"' if depth else "class=row"
    if not branch.beneath:
        return f"<div {at}>{cells}</div>"
    beneath = "".join(_branch(other, depth + 1) for other in branch.beneath)
    return f"<details{'' if depth else ' open'}><summary {at}>{cells}</summary>{beneath}</details>"


def _with_spark(facts: Facts, cells: tuple[str, ...], spark: str) -> tuple[str, ...]:
    return (cells[0], spark, *cells[1:]) if facts.sparks else cells


def _row(facts: Facts, place: int) -> str:
    first, *others = facts.rows[place]
    depth = len(first) - len(first.lstrip(" "))
    text = escape(first.strip())
    if place < len(facts.paths):
        text = f'<button type=button data-path="{escape(facts.paths[place])}" aria-pressed=false>{text}</button>'
    cells = [f'<td style="--depth:{depth}">{text}</td>' if depth else f"<td>{text}</td>"]
    if facts.sparks:
        cells.append(f"<td>{_curve(facts.sparks[place])}</td>")
    last = len(others) - 1  # a year is deeper than a month
    cells += [f"<td{_tint(facts, cell, 2 if i == last else 6)}>{escape(cell)}</td>" for i, cell in enumerate(others)]
    return "".join(cells)


def _curve(points: str) -> str:
    if not points:
        return ""
    return f'<svg class=spark viewBox="0 0 100 24" aria-hidden=true><polyline points="{points}"/></svg>'


def _tint(facts: Facts, cell: str, steps: int) -> str:
    """Return the class of a return's cell: how deep its colour is, so many steps a percent."""
    if facts.kind != "tint" or not cell.endswith("%"):
        return ""
    value = float(cell[:-1].replace("\N{MINUS SIGN}", "-"))
    return f" class={'up' if value >= 0 else 'down'} style=--deep:{min(round(abs(value) * steps), 60)}%"
