"""Write a run as one HTML page.

1. Sections turn the stored tables into figures and tables of text.
2. Tables become HTML; figures become JSON beside the script that draws them; Plotly itself is written into the page.
3. A policy in the page forbids every connection, and every text from data or configuration is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from metabt.errors import StoreError
from metabt.report.again import Again
from metabt.report.colours import DARK, LIGHT
from metabt.report.contents import sections
from metabt.report.markup import markup
from metabt.report.reading import Tables, root
from metabt.report.run import Run
from metabt.report.section import Section

if TYPE_CHECKING:
    from metabt.retrace import Origin

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

    @property
    def origin(self) -> Callable[[], Origin] | None:
        """Finds where it came from."""


def write_report(result: Reported, path: str | Path, baselines: bool | None = None) -> Path:
    """Write the page of a result in memory and return where; `baselines` is as in `Again.wanted`."""
    row = {"run_id": result.run_id, "portfolio": root(result.tables), "seconds": result.seconds}
    return write_page(path, Run(row, result.tables, Again.wanted(result.origin, baselines)))


def write_page(path: str | Path, run: Run) -> Path:
    """Write the page of a run as an HTML file and return where.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    text = render(run)
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"report '{path}' cannot be written: {error.strerror}; name another file") from error
    return Path(path)


def render(run: Run) -> str:
    """Return the page of a run as HTML."""
    from plotly.offline import get_plotlyjs

    title = f"{run.row['portfolio']} · {str(run.row['run_id'])[:12]}"
    built = sections(run)
    links = "".join(f'<a href="#{section.name}">{escape(section.title)}</a>' for section in built)
    head = (
        f"<h1>{escape(str(run.row['portfolio']))}</h1><p class=sub>{escape(_subtitle(run.row))}</p><nav>{links}</nav>"
    )
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
