"""Showing: results in a line, for a prompt, and as a small table, for a notebook.

1. A line has the portfolio, the run, its period and the root's key metrics, whatever the size of the run.
2. A table has a row for each sleeve, the first `ROWS` of them, and its head is that line.
3. Every text from configuration or data is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from reprlib import repr as short

import numpy as np

from metabt.analysis.summary import COLUMNS, metrics_by_path, with_growth
from metabt.values.markup import table
from metabt.values.tables import Table, texts

ROWS = 30
"""Sleeves of a table: beyond them it is a page of its own."""
INDENT = 2 * "\N{NO-BREAK SPACE}"
"""Before a sleeve's name, for every level above it."""
KEYS = ("total_return", "cagr", "volatility", "sharpe", "max_drawdown")
"""Metrics of a line."""


def line(kind: str, run_id: str, tables: Mapping[str, Table], notes: Sequence[str]) -> str:
    """Return a run as one line: `Result('demo', run 3f2a91c07b12, 1990-07-05 to 2022-12-28, ...)`."""
    return f"{kind}({'; '.join([', '.join(identity(run_id, tables)), *_measured(tables), *notes])})"


def identity(run_id: str, tables: Mapping[str, Table]) -> list[str]:
    """Return name, run, period and number of sleeves, as far as the tables have them."""
    paths = _paths(tables)
    name = [short(paths[0])] if paths else []
    sleeves = [f"{len(paths):,} sleeve{'s' * (len(paths) != 1)}"] if paths else []
    return [*name, *([f"run {run_id[:12]}"] if run_id else []), *_period(tables, paths), *sleeves]


def rows_of_sleeves(tables: Mapping[str, Table]) -> tuple[list[str], list[list[str]], int]:
    """Return headings, the first rows and the number of all rows of a table of sleeves and benchmark."""
    values, paths = _metrics(tables), _paths(tables)
    every = [*paths, *(path for path in values if path not in set(paths))]
    names = with_growth(list(COLUMNS), [values.get(path, {}) for path in every])
    rows = [
        [
            INDENT * path.count("/") + path.rpartition("/")[2],
            *cells(values[path], names),
        ]
        for path in every[:ROWS]
        if path in values
    ]
    return ["Sleeve", *(COLUMNS[name][0] for name in names)], rows, len(every)


def cells(values: Mapping[str, float], names: Sequence[str]) -> list[str]:
    """Return metrics as texts, a dash where there is none."""
    return [_number(name, values.get(name, np.nan)) for name in names]


def html(head: str, headings: Sequence[str], rows: Sequence[Sequence[str]], left: int = 0, notes: str = "") -> str:
    """Return a head, a table, how many rows were left out, and notes, as HTML; every text is escaped."""
    more = f"{left:,} more; summary() has all. " if left > 0 else ""
    return table(head, headings, rows, f"{more}{notes}".strip())


def _measured(tables: Mapping[str, Table]) -> list[str]:
    paths, values = _paths(tables), _metrics(tables)
    root = values.get(paths[0], {}) if paths else {}
    shown = [name for name in with_growth(list(KEYS), [root]) if np.isfinite(root.get(name, np.nan))]
    text = ", ".join(f"{_label(name)} {_number(name, root[name])}" for name in shown)
    return [text] if text else []


def _label(name: str) -> str:
    heading = COLUMNS[name][0]
    return heading if heading in ("CAGR", "Sharpe") else heading.lower()


def _number(name: str, value: float) -> str:
    return COLUMNS[name][1].format(value).strip() if np.isfinite(value) else "-"


def _metrics(tables: Mapping[str, Table]) -> dict[str, dict[str, float]]:
    return metrics_by_path(tables["metrics"]) if "metrics" in tables else {}


def _paths(tables: Mapping[str, Table]) -> list[str]:
    return list(texts(tables["sleeves"]["path"])) if "sleeves" in tables else []


def _period(tables: Mapping[str, Table], paths: Sequence[str]) -> list[str]:
    if "returns" not in tables or not paths:
        return []
    returns = tables["returns"]
    own = np.asarray(returns["date"])[np.array([path == paths[0] for path in texts(returns["path"])], bool)]
    return [f"{own.min().astype('datetime64[D]')} to {own.max().astype('datetime64[D]')}"] if len(own) else []
