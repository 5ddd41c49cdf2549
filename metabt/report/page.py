"""Write a run, some side by side, or a sweep, as one HTML page.

1. Sections turn the stored tables into figures and tables of text.
2. Tables become HTML; figures become JSON beside the script that draws them; Plotly itself is written into the page.
3. A policy in the page forbids every connection, and every text from data or configuration is escaped.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from metabt.errors import MetabtError, StoreError
from metabt.lakehouse.catalog.local_paths import refuse_address
from metabt.report.colours import DARK, LIGHT
from metabt.report.comparison.pair import Pair
from metabt.report.contents import Told, sections
from metabt.report.heading import of_both, of_one, of_sweep
from metabt.report.markup import markup
from metabt.report.reading import Tables
from metabt.report.replayed import Replayed
from metabt.report.run import Run
from metabt.report.section import Section
from metabt.report.several.beside import Beside
from metabt.report.sweep.tried import Tried
from metabt.runs.input_differences import Difference, request_differences
from metabt.values.tables import texts

if TYPE_CHECKING:
    from metabt.runs.replay import Origin

POLICY = "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:"
"""Content security policy: the page may load nothing that it does not carry, and run no script but its own two."""


class Reported(Protocol):
    """The attributes of a result that its page reads."""

    @property
    def run_id(self) -> str:
        """Digest of configuration, data and code."""

    @property
    def tables(self) -> Tables:
        """Tables by name."""

    @property
    def seconds(self) -> float:
        """Engine time, seconds."""

    @property
    def origin(self) -> Callable[[], Origin] | None:
        """Returns the run's origin, to walk it again; None where that is not known."""


def write_report(result: Reported, path: str | Path, baselines: bool | None = None) -> Path:
    """Write the page of a result in memory and return where; `baselines` is as in `Replayed.wanted`."""
    return write_page(path, run_of(result, Replayed.wanted(result.origin, baselines)))


def write_comparison(result: Reported, other: Reported, path: str | Path) -> Path:
    """Write the page of two results and return where; neither is walked again.

    Raises
    ------
    ConfigError
        If both are one run, or have no time in common.
    StoreError
        If the file cannot be written.
    """
    found, untold = _differences(result, other)
    return write_page(path, Pair(run_of(result), run_of(other), found, untold))


def run_of(result: Reported, again: Replayed | None = None) -> Run:
    """Return a result in memory as a run."""
    parents_first = texts(result.tables["sleeves"]["path"])
    row = {"run_id": result.run_id, "portfolio": parents_first[0], "seconds": result.seconds}
    return Run(row, result.tables, again, Replayed(result.origin))


def _differences(result: Reported, other: Reported) -> tuple[list[Difference], str]:
    """Return the differences between the inputs of two results, and the reason where they are not known, else ''."""
    if result.origin is None or other.origin is None:
        return [], "it is not known where both came from; take them from metabt.backtest or metabt.load"
    try:
        return request_differences(result.origin().request, other.origin().request), ""
    except MetabtError as error:
        return [], str(error)


def write_page(path: str | Path, told: Told) -> Path:
    """Write the page of a run, of some side by side, or of a sweep, as an HTML file and return where.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    check_folder(path)
    text = render(told)
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"report '{path}' cannot be written: {error.strerror}; name another file") from error
    return Path(path)


def check_folder(path: str | Path) -> None:
    """Raise StoreError where a file cannot be written for want of its folder, before any work is done for it."""
    refuse_address(path, "report")
    folder = Path(path).parent
    if not folder.is_dir():
        raise StoreError(
            f"report '{path}' cannot be written: there is no folder '{folder}'; make it, or name another file"
        )


def render(told: Told) -> str:
    """Return the page of a run, of some side by side, or of a sweep, as HTML."""
    if isinstance(told, Beside):
        heading = f"{len(told.labels):,} runs side by side"
        return _document(heading, heading, [" \u00b7 ".join(told.labels)], sections(told))
    if isinstance(told, Tried):
        heading = f"Sweep of {' and '.join(told.portfolios)}"
        return _document(f"{heading} \u00b7 {told.sweep_id[:12]}", heading, of_sweep(told), sections(told))
    if isinstance(told, Pair):
        names, ids = zip(*((str(run.row["portfolio"]), str(run.row["run_id"])[:12]) for run in told.runs), strict=True)
        heading = " and ".join(dict.fromkeys(names))
        return _document(f"{heading} · {' · '.join(ids)}", heading, of_both(told), sections(told))
    name = str(told.row["portfolio"])
    return _document(f"{name} · {str(told.row['run_id'])[:12]}", name, of_one(told), sections(told))


def _document(title: str, heading: str, lines: Sequence[str], built: Sequence[Section]) -> str:
    from plotly.offline import get_plotlyjs

    links = "".join(f'<a href="#{section.name}">{escape(section.title)}</a>' for section in built)
    said = "".join(f"<p class=sub>{escape(line)}</p>" for line in lines)
    scripts = get_plotlyjs(), _resource("page.js")
    policy = POLICY.format(scripts=" ".join(map(_hash, scripts)))
    head = f"<header><h1>{escape(heading)}</h1>{said}</header><nav>{links}</nav>"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><meta name="color-scheme" content="light dark">'
        f"<style>{_resource('page.css')}</style></head><body><main>{head}{''.join(map(markup, built))}</main>"
        f'<script type="application/json" id="palettes">{json.dumps({"light": LIGHT, "dark": DARK})}</script>'
        f'<script type="application/json" id="figures">{_embedded(built)}</script>'
        f"<script>{scripts[0]}</script><script>{scripts[1]}</script></body></html>"
    )


def _embedded(built: Sequence[Section]) -> str:
    """Return the figures as JSON that cannot end the script element around it."""
    drawn = {
        chart.name: {
            "data": chart.traces,
            "layout": chart.layout,
            "x": chart.x,
            **({} if chart.choices is None else {"choices": chart.choices}),
        }
        for section in built
        for chart in section.figures
    }
    return json.dumps(drawn, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _hash(script: str) -> str:
    """Return the source by which a policy lets one inline script run: the digest of its text."""
    return f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"


def _resource(name: str) -> str:
    return (files("metabt.report") / name).read_text(encoding="utf-8")
