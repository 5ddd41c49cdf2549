"""Summary: the metrics of every sleeve of a run, a line each, indented as the tree is, and of its benchmark last."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metabt.values.tables import Table, texts

COLUMNS = {
    "cagr": ("CAGR", "{:8.2%}"),
    "volatility": ("Volatility", "{:10.2%}"),
    "sharpe": ("Sharpe", "{:7.2f}"),
    "max_drawdown": ("Max drawdown", "{:12.2%}"),
    "turnover": ("Turnover", "{:8.2f}"),
    "cost": ("Cost", "{:7.3%}"),
    "netting_benefit": ("Netting benefit", "{:15.3%}"),
}
"""Metric -> its heading and format."""


def summary(tables: Mapping[str, Table]) -> str:
    """Return the summary table of a run, from its tables."""
    paths = texts(tables["sleeves"]["path"])
    values = _metrics(tables["metrics"])
    labels = {path: "  " * path.count("/") + path.rpartition("/")[2] for path in paths}
    labels |= {path: path for path, _ in values if path not in labels}  # the benchmark's
    width = max(len("Sleeve"), *(len(label) for label in labels.values()))
    lines = [_heading(paths[0], tables["returns"])]
    lines.append("  ".join(["Sleeve".ljust(width), *(text.rjust(_width(form)) for text, form in COLUMNS.values())]))
    for path, label in labels.items():
        cells = [_cell(values[path, name], form) for name, (_, form) in COLUMNS.items()]
        lines.append("  ".join([label.ljust(width), *cells]))
    return "\n".join(lines)


def _metrics(table: Table) -> dict[tuple[str, str], float]:
    keys = zip(texts(table["path"]), texts(table["metric"]), strict=True)
    values = table["value"]
    assert isinstance(values, np.ndarray)
    return dict(zip(keys, values.tolist(), strict=True))


def _heading(root: str, returns: Table) -> str:
    dates = returns["date"]
    assert isinstance(dates, np.ndarray)
    own = dates[[path == root for path in texts(returns["path"])]]
    first, last = (str(date.astype("datetime64[D]")) for date in (own.min(), own.max()))
    return f"{root}: {first} to {last}, per year, net of costs"


def _width(form: str) -> int:
    return len(form.format(0.0))


def _cell(value: float, form: str) -> str:
    return form.format(value) if np.isfinite(value) else "-".rjust(_width(form))
