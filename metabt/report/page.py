"""Write a run as one HTML page.

1. Sections turn the stored tables into figures and tables of text.
2. Tables become HTML; figures become JSON beside the script that draws them; Plotly itself is written into the page.
3. A policy in the page forbids every connection, and every text from data or configuration is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from metabt.errors import StoreError
from metabt.report.colours import DARK, LIGHT
from metabt.report.contents import sections
from metabt.report.markup import markup
from metabt.report.reading import Tables, root
from metabt.report.run import Run
from metabt.report.section import Section

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
"""What the page may load: nothing that it does not carry."""


class Reported(Protocol):
    """What of a result its page needs."""

    @property
    def run_id(self) -> str:
        """Digest of configuration, data and code."""

    @property
    def tables(self) -> Tables:
        """Tables by name."""

    @property
    def seconds(self) -> float:
        """Engine time."""


def write_report(result: Reported, path: str | Path) -> Path:
    """Write the page of a result in memory and return where; raises what `write_page` raises."""
    run = {"run_id": result.run_id, "portfolio": root(result.tables), "seconds": result.seconds}
    return write_page(path, run, result.tables)


def write_page(path: str | Path, run: Mapping[str, Any], tables: Tables) -> Path:
    """Write the page of a run and return where.

    Parameters
    ----------
    path : str or Path
        The HTML file.
    run : mapping
        The columns of `runs`, or at least run_id and portfolio.
    tables : mapping
        Table name -> columns, as in the lakehouse.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    text = render(run, tables)
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"report '{path}' cannot be written: {error.strerror}; name another file") from error
    return Path(path)


def render(run: Mapping[str, Any], tables: Tables) -> str:
    """Return the page of a run as HTML."""
    from plotly.offline import get_plotlyjs

    title = f"{run['portfolio']} · {str(run['run_id'])[:12]}"
    built = sections(Run(run, tables))
    links = "".join(f'<a href="#{section.name}">{escape(section.title)}</a>' for section in built)
    head = f"<h1>{escape(str(run['portfolio']))}</h1><p class=sub>{escape(_subtitle(run))}</p><nav>{links}</nav>"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><meta name="color-scheme" content="light dark">'
        f"<style>{_resource('page.css')}</style></head><body><main>{head}{''.join(map(markup, built))}</main>"
        f'<script type="application/json" id="palettes">{json.dumps({"light": LIGHT, "dark": DARK})}</script>'
        f'<script type="application/json" id="figures">{_embedded(built)}</script>'
        f"<script>{get_plotlyjs()}</script><script>{_resource('page.js')}</script></body></html>"
    )


def _embedded(built: Sequence[Section]) -> str:
    """Return JSON that cannot end the script element it stands in."""
    drawn = {
        chart.name: {"data": chart.traces, "layout": chart.layout, "x": chart.x}
        for section in built
        for chart in section.figures
    }
    return json.dumps(drawn, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _subtitle(run: Mapping[str, Any]) -> str:
    when = f", computed {str(run['started_at'])[:19]} UTC" if "started_at" in run else ""
    return f"run {str(run['run_id'])[:12]}{when}"


def _resource(name: str) -> str:
    return (files("metabt.report") / name).read_text(encoding="utf-8")
