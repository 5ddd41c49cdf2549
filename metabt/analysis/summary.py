"""Summary: the metrics of every sleeve of a run, a line each, indented as the tree is, and of its benchmark last.

Growth is the CAGR. A stream of less than a year has none: beside it, or in its place where nobody has one, stands the
total return.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from metabt.values.tables import Table, texts

COLUMNS = {
    "total_return": ("Total return", "{:12.2%}"),
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
    values = metrics_by_path(tables["metrics"])
    labels = {path: "  " * path.count("/") + path.rpartition("/")[2] for path in paths}
    labels |= {path: path for path in values if path not in labels}  # the benchmark's
    width = max(len("Sleeve"), *(len(label) for label in labels.values()))
    names = with_growth(list(COLUMNS), [values[path] for path in labels])
    headings = [text.rjust(_width(form)) for text, form in map(COLUMNS.__getitem__, names)]
    beyond = beyond_cash(json.loads(texts(tables["sleeves"]["spec"])[0]))
    lines = [_heading(paths[0], tables["returns"]) + beyond, "  ".join(["Sleeve".ljust(width), *headings])]
    for path, label in labels.items():
        cells = [_cell(values[path].get(name, np.nan), COLUMNS[name][1]) for name in names]
        lines.append("  ".join([label.ljust(width), *cells]))
    return "\n".join(lines)


def beyond_cash(spec: Mapping[str, Any]) -> str:
    """Return, for a heading, beyond which rate of cash ratios are; empty where a root's resolved spec states none."""
    rate = spec.get("cash", {}).get("rate")
    if rate is None:
        return ""
    return f", ratios beyond cash at {rate if isinstance(rate, str) else format(rate, '.2%')}"


def with_growth(names: Sequence[str], rows: Iterable[Mapping[str, float]]) -> list[str]:
    """Return the metrics of a table with those by which its rows tell their growth.

    Parameters
    ----------
    names : metrics of which `cagr` and `total_return` are shown where they are needed; what is missing is left out
    rows : the metrics of each row, by name

    Returns
    -------
    `names` without `total_return` where every row that has a return has a CAGR, and without `cagr` where none has
    """
    grown = [row.get("cagr", np.nan) for row in rows if np.isfinite(row.get("total_return", np.nan))]
    there = np.isfinite(grown)
    gone = {"total_return": bool(there.all()), "cagr": len(there) > 0 and not there.any()}
    return [name for name in names if not gone.get(name, False)]


def metrics_by_path(table: Table) -> dict[str, dict[str, float]]:
    """Return path -> metric -> value."""
    found: dict[str, dict[str, float]] = {}
    values = np.asarray(table["value"]).tolist()
    for path, metric, value in zip(texts(table["path"]), texts(table["metric"]), values, strict=True):
        found.setdefault(path, {})[metric] = value
    return found


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
