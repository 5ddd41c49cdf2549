"""Write a run as one HTML page.

1. Facts become tables: the tree with its metrics, what was excluded or fell back, where the numbers come from.
2. Charts become JSON beside the script that draws them; Plotly itself is written into the page.
3. A policy in the page forbids every connection, and every text from data or configuration is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from metabt.errors import StoreError
from metabt.report.charts import Chart, charts
from metabt.report.facts import Facts, decisions_table, metrics_table, newest_table, provenance, silent_nothing
from metabt.report.reading import Tables, root, texts

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
    drawn = charts(tables)
    parts = [
        f"<h1>{escape(str(run['portfolio']))}</h1><p class=sub>{escape(_subtitle(run))}</p>",
        _section("Sleeves", metrics_table(tables)),
        *map(_figure, drawn),
        _section("Newest decision of the portfolio", decisions_table(tables)),
        _section("Newest targets on assets", newest_table(tables)),
        _section("Nothing silent", silent_nothing(tables)),
        _section("Provenance", provenance(run)),
        f"<details><summary>Configuration</summary><pre>{escape(_configuration(run, tables))}</pre></details>",
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><meta name="color-scheme" content="light dark">'
        f"<style>{_resource('page.css')}</style></head><body><main>{''.join(parts)}</main>"
        f'<script type="application/json" id="figures">{_embedded(drawn)}</script>'
        f"<script>{get_plotlyjs()}</script><script>{_resource('page.js')}</script></body></html>"
    )


def _figure(chart: Chart) -> str:
    return (
        f'<section><h2>{escape(chart.title)}</h2><div class="chart" id="{chart.name}"></div>'
        f"<p class=sub>{escape(chart.caption)}</p></section>"
    )


def _section(title: str, facts: Facts) -> str:
    if not facts.rows:
        return f"<section><h2>{escape(title)}</h2><p class=sub>{escape(facts.note)}</p></section>"
    kind = " class=prose" if facts.prose else ""
    head = "".join(f"<th>{escape(column)}</th>" for column in facts.columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in facts.rows)
    return (
        f"<section><h2>{escape(title)}</h2><div class=wide><table{kind}><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div><p class=sub>{escape(facts.note)}</p></section>"
    )


def _cell(text: str) -> str:
    depth = len(text) - len(text.lstrip(" "))
    return f'<td style="--depth:{depth}">{escape(text.strip())}</td>' if depth else f"<td>{escape(text)}</td>"


def _embedded(drawn: list[Chart]) -> str:
    """Return JSON that cannot end the script element it stands in."""
    figures = {chart.name: {"data": chart.traces, "layout": chart.layout} for chart in drawn}
    return json.dumps(figures, allow_nan=False).replace("<", "\\u003c")


def _subtitle(run: Mapping[str, Any]) -> str:
    when = f", computed {str(run['started_at'])[:19]} UTC" if "started_at" in run else ""
    return f"run {str(run['run_id'])[:12]}{when}"


def _configuration(run: Mapping[str, Any], tables: Tables) -> str:
    """Return the configuration as it was stored, else the spec of every sleeve."""
    if "config" in run:
        return json.dumps(json.loads(run["config"]), indent=2, ensure_ascii=False)
    sleeves = tables["sleeves"]
    return "\n".join(
        f"{path}: {spec}" for path, spec in zip(texts(sleeves, "path"), texts(sleeves, "spec"), strict=True)
    )


def _resource(name: str) -> str:
    return (files("metabt.report") / name).read_text(encoding="utf-8")
