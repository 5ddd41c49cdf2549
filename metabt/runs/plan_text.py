"""Plan text: a planned tree in words, before anything is run."""

from __future__ import annotations

import numpy as np

from metabt.analysis.note_lines import ended_early, ineligible, not_converted, old_rates
from metabt.build.plan import Node, Plan
from metabt.portfolio.schedule import spelled
from metabt.portfolio.sleeve import Estimator, Leaf, Rules, Sleeve
from metabt.runs.plan_notes import PlanNotes


def plan_text(tree: Sleeve, plan: Plan, end: str | None = None) -> str:
    """Return the resolved tree, a line per sleeve, then the numbers of sleeves, sessions, partitions and blocks.

    `end` is the last session of the view, an ISO date; None is the root's last.
    """
    rows = [(path, sleeve, plan.nodes[sleeve.spec.digest]) for path, sleeve in tree.walk()]
    labels = ["  " * path.count("/") + sleeve.name for path, sleeve, _ in rows]
    width = max(len(label) for label in labels)
    lines = [
        f"{label.ljust(width)}  {_describe(sleeve, node)}"
        for label, (_, sleeve, node) in zip(labels, rows, strict=True)
    ]
    sessions = plan.nodes[tree.spec.digest].calendar.sessions
    last = sessions[-1] if end is None else min(sessions[-1], np.datetime64(end))
    distinct, blocks = len(plan.nodes), plan.n_blocks
    lines += [
        "",
        f"{len(rows)} sleeves, {distinct} distinct; sessions {sessions[0]} to {last}",
        f"{len(plan.labels)} partitions, {plan.labels[0]} to {plan.labels[-1]}: {blocks} blocks",
    ]
    return "\n".join(lines)


def plan_lines(notes: PlanNotes) -> list[str]:
    """Return what is known beforehand of planned trees, in words; nothing where there is nothing to say."""
    lines = []
    if notes.early_ends:
        end, times = notes.early_ends[0]
        lines.append(("" if times == notes.n_trees else f"{times} of {notes.n_trees}: ") + ended_early(end))
    lines += [f"returns of {name} are made by {steps}; trades are at observed closes" for name, steps in notes.steps]
    lines += [ineligible(notes.left_out)] if notes.left_out else []
    lines += [old_rates(notes.exchanges)] if notes.exchanges else []
    return [*lines, *([not_converted(notes.mixed)] if notes.mixed else [])]


def _describe(sleeve: Sleeve, node: Node) -> str:
    spec = sleeve.spec
    holds = f"{len(spec.universe)} of {spec.dataset}" if isinstance(spec, Leaf) else f"{len(spec.children)} sleeves"
    side = " short" if isinstance(spec, Leaf) and spec.direction == "short" else ""
    picks = f", {_spell(spec.selector)}" if isinstance(spec, Leaf) and spec.selector.name != "all" else ""
    if isinstance(spec, Leaf) and spec.signal is not None:
        long_short = ", long and short" if spec.short else ""
        return f"{holds}, signal {spec.signal}{long_short}; on its dates, lag {spec.lag}, {_charged(spec)}"
    weights, scheduled = _spell(sleeve.estimators["optimizer"]), _scheduled(spec, node)
    return (
        f"{holds}{side}{picks}, {weights}; {spelled(spec.schedule.plain())}, lookback {spec.lookback}, lag {spec.lag}, "
        f"{_charged(spec)}; {scheduled} scheduled sessions"
    )


def _charged(spec: Rules) -> str:
    return f"{spec.costs.commission_bp:g}+{spec.costs.slippage_bp:g} bp"


def _spell(estimator: Estimator) -> str:
    inside = ", ".join(f"{key}={value}" for key, value in estimator.params.items())
    return f"{estimator.name}({inside})" if inside else estimator.name


def _scheduled(spec: Rules, node: Node) -> int:
    if node.opens is not None:
        return int(node.opens.sum())
    dates = node.calendar.sessions[node.calendar.common]
    dates = dates if spec.start is None else dates[dates >= np.datetime64(spec.start)]
    return int(spec.schedule.opens(dates, None, 0).sum()) if len(dates) else 0
