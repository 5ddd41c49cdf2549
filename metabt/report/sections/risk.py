"""Contribution to risk by sleeve: ex ante at every decision, and as it was realised."""

from __future__ import annotations

import numpy as np

from metabt.report import lines
from metabt.report.decisions import decided, largest
from metabt.report.lines import percent
from metabt.report.reading import numbers, where
from metabt.report.run import Run
from metabt.report.section import Chart, Facts, Section
from metabt.values.tables import texts

ROUNDING = 1e-9
"""A share of variance that is nothing but what rounding leaves of a fully invested stream."""


def risk(run: Run) -> Section | None:
    """Return shares of variance through time, and over the whole run."""
    if not run.children:
        return None
    made = decided(run.tables["decisions"], run.root)
    known = ~np.isnan(made.risk).all(axis=1)
    figures = []
    if known.any():
        # a decision without shares is drawn as nothing: those before it do not hold on
        dates, shares = lines.until(run.streams.dates[-1], made.dates, made.risk)
        figures.append(_ex_ante(run, made.items, dates, shares, int((~known).sum())))
    return Section("risk", "Contribution to risk", figures, [realised(run)])


def _ex_ante(run: Run, items: list[str], dates: np.ndarray, shares: np.ndarray, silent: int) -> Chart:
    drawn = sorted(largest(shares, lines.MAX_CURVES), key=lambda i: run.slots[f"{run.root}/{items[i]}"])
    keep = lines.thin(len(dates))
    paths = [f"{run.root}/{items[i]}" for i in drawn]
    traces = lines.stacked(
        [items[i] for i in drawn], [run.slots[path] for path in paths], shares[np.ix_(keep, drawn)], paths, "hv"
    )
    caption = (
        "Ex ante: shares of the variance that was expected at each decision of the portfolio; they sum to 100 %, and a "
        "sleeve that hedges the others is below zero."
        + (f" {silent:,} decisions in warm-up or in cash have none." if silent else "")
        + lines.thinned(len(dates), len(keep), "decisions")
        + lines.beyond(len(items) - len(drawn), "sleeves with less risk are")
    )
    layout = {"yaxis": {"tickformat": "~%"}}
    return Chart("risk-ex-ante", caption, traces, layout, lines.days(dates[keep]))


def realised(run: Run) -> Facts:
    """Return the realised share of variance of each child of every meta sleeve."""
    table = where(run.tables["risk"], "measure", "realised")
    shares: dict[str, dict[str, float]] = {}
    columns = zip(texts(table["path"]), texts(table["item"]), numbers(table, "contribution").tolist(), strict=True)
    for path, item, share in columns:
        shares.setdefault(path, {})[item] = share
    rows = []
    for path in run.paths:
        parent, _, item = path.rpartition("/")
        if parent in shares and item in shares[parent]:
            rows.append((" " * (path.count("/") - 1) + item, percent(shares[parent][item], 1)))
    cash = shares.get(run.root, {}).get("cash", 0.0)
    if "cash" not in [run.label(path) for path in run.children] and abs(cash) > ROUNDING:
        rows.append(("cash", percent(cash, 1)))
    return Facts(
        ("Sleeve", "Share of its parent's variance"),
        rows,
        "Realised, over the whole run: cov(s r, R) / var(R), between the sessions that all beneath a parent have.",
        "Realised",
    )
