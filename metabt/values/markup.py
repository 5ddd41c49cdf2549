"""Markup: a small table as HTML that a notebook shows. Every text is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def table(head: str, headings: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> str:
    """Return a table as HTML, with a line above it and one beneath it where there is something to say.

    Parameters
    ----------
    head : text above the table; empty leaves it out
    headings : of the columns; the first column is of names, the others are of numbers
    rows : texts, as many as there are headings
    note : text beneath the table; empty leaves it out
    """
    top = "".join(_cell("th", place, text) for place, text in enumerate(headings))
    body = "".join(f"<tr>{''.join(_cell('td', place, text) for place, text in enumerate(row))}</tr>" for row in rows)
    above = f"<p><b>{escape(head)}</b></p>" if head else ""
    below = f"<p><small>{escape(note)}</small></p>" if note else ""
    return f"<div>{above}<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>{below}</div>"


def _cell(kind: str, place: int, text: str) -> str:
    return f'<{kind} style="text-align: {"right" if place else "left"}">{escape(text)}</{kind}>'
