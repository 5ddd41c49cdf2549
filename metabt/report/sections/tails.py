"""Tails: value at risk, expected shortfall, and the worst sessions with the sleeves that lost most in them."""

from __future__ import annotations

import numpy as np

from metabt.report import lines
from metabt.report.lines import percent
from metabt.report.run import Run
from metabt.report.section import Facts, Section
from metabt.report.sections.drawdowns import named

WORST = 10
"""Largest number of sessions listed."""
LEVELS = (0.95, 0.99)
"""Confidence of value at risk and expected shortfall."""


def tails(run: Run) -> Section:
    """Return the tails of the root and its children, and the root's worst sessions."""
    return Section("tails", "Tails", tables=[losses(run), worst(run)])


def losses(run: Run) -> Facts:
    """Return value at risk and expected shortfall by sleeve."""
    shown = [run.root, *run.children][: lines.MAX_CURVES]
    rows = []
    for path in shown:
        net = np.sort(run.streams.own(path, "net"))
        cells = [cell for level in LEVELS for cell in (percent(at_risk(net, level)), percent(shortfall(net, level)))]
        ends = (percent(net[0]), percent(net[-1])) if len(net) else ("\N{EN DASH}",) * 2
        rows.append((" " * path.count("/") + run.label(path), *cells, *ends))
    columns = [text for level in LEVELS for text in (f"VaR {level:.0%}", f"ES {level:.0%}")]
    note = (
        "Net returns of one session. VaR is the loss that is exceeded in 5 % (1 %) of the sessions; expected shortfall "
        "is the mean loss in the worst 5 % (1 %). Losses are positive."
        + lines.beyond(1 + len(run.children) - len(shown), "sleeves beyond the first are")
    )
    return Facts(("Sleeve", *columns, "Worst", "Best"), rows, note, "By sleeve")


def at_risk(net: np.ndarray, level: float) -> float:
    """Return the loss that is exceeded with probability `1 - level`, positive; `net` (n_sessions,) ascending."""
    return float(-np.quantile(net, 1.0 - level)) if len(net) else np.nan


def shortfall(net: np.ndarray, level: float) -> float:
    """Return the mean loss of the worst `1 - level` of the sessions, positive; `net` (n_sessions,) ascending."""
    count = max(int(np.ceil(len(net) * (1.0 - level) - 1e-9)), 1)
    return float(-net[:count].mean()) if len(net) else np.nan


def worst(run: Run) -> Facts:
    """Return the root's worst sessions and the children that lost most in them."""
    net = run.streams.own(run.root, "net")
    rows = []
    for t in np.argsort(net, kind="stable")[:WORST].tolist():
        row = (str(run.streams.dates[t]), percent(net[t]))
        rows.append((*row, named(run, run.shares.earned[t])) if run.children else row)
    columns = ("Session", "Return", "Caused by")[: len(rows[0])]
    note = "What a sleeve lost is its share of the portfolio at the close before, times its gross return."
    return Facts(
        columns, rows, note if run.children else "", "Worst sessions", kind="remark" if run.children else "numbers"
    )
