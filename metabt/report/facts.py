"""Facts of a run as rows of text: metrics by sleeve, newest decisions, what was excluded, where numbers come from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metabt.report.reading import Tables, metrics, numbers, paths, root, texts, where

METRICS = {
    "cagr": "CAGR",
    "volatility": "Volatility",
    "sharpe": "Sharpe",
    "max_drawdown": "Max drawdown",
    "turnover": "Turnover p.a.",
    "cost": "Cost p.a.",
    "netting_benefit": "Netting benefit p.a.",
}
"""Metrics of the table of sleeves, and their headings."""
PLAIN = ("sharpe", "turnover")
"""Metrics that are no percentages."""


@dataclass(frozen=True)
class Facts:
    """A table of texts."""

    columns: tuple[str, ...]
    """Headings."""
    rows: Sequence[tuple[str, ...]]
    """Cells; leading spaces are levels of the tree."""
    note: str = ""
    """What to know about it, or what its being empty means."""
    prose: bool = False
    """Cells are words: aligned to the left, and broken where they are long."""


def metrics_table(tables: Tables) -> Facts:
    """Return the metrics of every sleeve, indented as the tree."""
    found = metrics(tables)
    rows = [
        (
            " " * path.count("/") + path.rpartition("/")[2],
            *(_number(name, found.get(path, {}).get(name)) for name in METRICS),
        )
        for path in paths(tables)
    ]
    note = "Net of costs. Turnover is half the sum of absolute trades; netting benefit is cost saved by netting them."
    return Facts(("Sleeve", *METRICS.values()), rows, note)


def decisions_table(tables: Tables) -> Facts:
    """Return the root's newest decision: weight and share of risk by child."""
    decisions = where(tables["decisions"], "path", root(tables))
    dates = numbers(decisions, "date")
    newest = np.flatnonzero(dates == dates.max()) if len(dates) else np.empty(0, int)
    columns = [texts(decisions, name) for name in ("item", "status", "reason")]
    rows = [
        (
            str(columns[0][i]),
            _percent(numbers(decisions, "weight")[i]),
            _percent(numbers(decisions, "risk_contribution")[i]),
            str(columns[1][i] or ""),
            str(columns[2][i] or ""),
        )
        for i in newest
    ]
    note = f"Decided on {dates.max()}." if len(dates) else "The portfolio has not decided anything yet."
    return Facts(("Item", "Weight", "Share of risk", "Status", "Reason"), rows, note)


def newest_table(tables: Tables) -> Facts:
    """Return what is held and what is wanted, by asset."""
    orders = tables["orders"]
    symbols = texts(orders, "symbol")
    columns = [numbers(orders, name) for name in ("held", "target", "trade")]
    order = np.argsort(-np.abs(columns[1]), kind="stable")
    rows = [(str(symbols[i]), *(_percent(column[i]) for column in columns)) for i in order]
    pending = bool(len(symbols)) and bool(numbers(orders, "pending").any())
    note = "Not traded yet when the data ended." if pending else "Already traded when the data ended."
    return Facts(("Asset", "Held", "Target", "Trade"), rows, note if rows else "Nothing is held.")


def silent_nothing(tables: Tables) -> Facts:
    """Return how often each sleeve decided other than plainly, and why items were left out."""
    decisions = tables["decisions"]
    made = {
        (path, date, status)
        for path, date, status in zip(
            texts(decisions, "path"), numbers(decisions, "date").tolist(), texts(decisions, "status"), strict=True
        )
    }
    counts = Counter((str(path), f"status {status}") for path, _, status in made if status != "ok")
    reasons = zip(texts(decisions, "path"), texts(decisions, "reason"), strict=True)
    counts.update((str(path), f"left out: {reason}") for path, reason in reasons if reason)
    stale = {path: values.get("stale_closed", 0.0) for path, values in metrics(tables).items()}
    counts.update({(path, "closed after going stale"): int(count) for path, count in stale.items() if count > 0})
    rows = [(path, what, f"{count:,}") for (path, what), count in sorted(counts.items())]
    return Facts(
        ("Sleeve", "What", "Times"), rows, "" if rows else "No decision fell back and nothing was left out.", True
    )


def provenance(run: Mapping[str, Any]) -> Facts:
    """Return where the numbers come from."""
    names = ("run_id", "snapshot", "engine", "versions", "started_at", "seconds", "status")
    rows = [(name, str(run[name])) for name in names if run.get(name) is not None]
    return Facts(("What", "Value"), rows, "The same configuration, data and code give the same run id.", True)


def _number(metric: str, value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.2f}" if metric in PLAIN else _percent(value)


def _percent(value: float) -> str:
    return f"{value:.2%}" if math.isfinite(value) else "–"
