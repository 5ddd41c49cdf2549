"""The newest decision of the root, and the newest flattened targets by asset."""

from __future__ import annotations

import numpy as np

from metabt.report.lines import percent
from metabt.report.reading import numbers, texts, where
from metabt.report.run import Run
from metabt.report.section import Facts, Section


def newest(run: Run) -> Section:
    """Return the root's newest decision and the newest targets."""
    return Section("newest", "Newest decisions", tables=[decision(run), targets(run)])


def decision(run: Run) -> Facts:
    """Return the root's newest decision: weight and share of risk by item."""
    decisions = where(run.tables["decisions"], "path", run.root)
    dates = numbers(decisions, "date")
    rows = np.flatnonzero(dates == dates.max()) if len(dates) else np.empty(0, int)
    items, status, reason = (texts(decisions, name) for name in ("item", "status", "reason"))
    weight, share = numbers(decisions, "weight"), numbers(decisions, "risk_contribution")
    cells = [
        (str(items[i]), percent(weight[i]), percent(share[i]), str(status[i] or ""), str(reason[i] or "")) for i in rows
    ]
    note = f"Decided on {dates.max()}." if len(dates) else "The portfolio has not decided anything yet."
    return Facts(("Item", "Weight", "Share of risk", "Status", "Reason"), cells, note, "Of the portfolio")


def targets(run: Run) -> Facts:
    """Return a table of what is held and what is to be held, by asset, the largest targets first."""
    orders = run.tables["orders"]
    symbols = texts(orders, "symbol")
    columns = [numbers(orders, name) for name in ("held", "target", "trade")]
    order = np.argsort(-np.abs(columns[1]), kind="stable")
    rows = [(str(symbols[i]), *(percent(column[i]) for column in columns)) for i in order]
    pending = bool(len(symbols)) and bool(numbers(orders, "pending").any())
    note = "Not traded yet when the data ended." if pending else "Already traded when the data ended."
    return Facts(("Asset", "Held", "Target", "Trade"), rows, note if rows else "Nothing is held.", "Of assets")
