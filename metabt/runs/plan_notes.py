"""Plan notes: what can be known of a run before it is walked.

1. The dataset that is going to end it early.
2. The assets that are going to be ineligible at most decisions of their leaf for lack of data. The closes of assets
   with gaps are read for it, those of each dataset once.
3. The steps between prices and returns.
4. The currencies whose rates of exchange are old or missing, and those that are not converted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np

from metabt.analysis.coverage import coverage_of, decided_on, with_gaps
from metabt.analysis.left_out import LEAVES, LIFE, LeftOut, in_order, measured
from metabt.analysis.run_notes import EarlyEnd, early_end
from metabt.build.dated.currencies import Holder, OldExchange, mixed_currencies, old_exchanges
from metabt.build.plan import Plan
from metabt.build.step_checks import steps_of
from metabt.data.dataset import Dataset
from metabt.lakehouse.price_source import wanted
from metabt.portfolio.sleeve import Leaf


@dataclass(frozen=True)
class PlanNotes:
    """What is known beforehand of the trees of a plan."""

    n_trees: int
    """Their number."""
    early_ends: tuple[tuple[EarlyEnd, int], ...] = ()
    """What is going to end some of them early, with their number, the most frequent first."""
    left_out: tuple[LeftOut, ...] = ()
    """Assets that are going to be ineligible at most decisions, for lack of data."""
    steps: tuple[tuple[str, str], ...] = ()
    """Dataset, and the steps between its prices and its returns, in the order in which they are applied."""
    exchanges: tuple[OldExchange, ...] = ()
    """Currencies whose rates of exchange are old or missing in sessions of a leaf."""
    mixed: tuple[str, ...] = ()
    """Currencies that a tree which states none holds beside each other."""


def plan_notes(plan: Plan, ends: Iterable[str | None]) -> PlanNotes:
    """Return what is known beforehand; `ends` are the last sessions that were asked for, one a tree."""
    stated = list(ends)
    found: Counter[EarlyEnd] = Counter()
    for tree, end in zip(plan.trees, stated, strict=True):
        ended = early_end({name: plan.datasets[name] for name in wanted([tree])}, end)
        found.update([ended] if ended else [])
    last = None if None in stated or not stated else max(np.datetime64(end) for end in stated)
    return PlanNotes(
        len(plan.trees),
        tuple(found.most_common()),
        tuple(in_order(list(islice(_lacking(plan, last), LEAVES)))),
        tuple((name, "; then ".join(texts)) for name, texts in _steps(plan).items()),
        *_currencies(plan),
    )


def _currencies(plan: Plan) -> tuple[tuple[OldExchange, ...], tuple[str, ...]]:
    found: dict[OldExchange, None] = {}
    mixed: tuple[str, ...] = ()
    if all("assets" not in dataset.facts.point_in_time.tables for dataset in plan.datasets.values()):
        return (), ()
    for tree in plan.trees:
        holders = [Holder(path, it.dataset, it.universe, it.stale_after) for path, it in tree.leaves()]
        if tree.spec.currency is None:
            mixed = mixed or mixed_currencies(holders, plan.datasets)
        else:
            found |= dict.fromkeys(old_exchanges(holders, tree.spec.currency, plan.datasets))
    return tuple(sorted(found, key=lambda it: -it.old - it.unknown)), mixed


def _steps(plan: Plan) -> dict[str, list[str]]:
    read = {name: plan.datasets[name] for name in wanted(plan.trees) if name in plan.datasets}
    return {name: [step.text for step in steps_of(dataset)] for name, dataset in read.items() if dataset.step}


def _lacking(plan: Plan, end: np.datetime64 | None) -> Iterable[LeftOut]:
    gaps = {name: frozenset(with_gaps(plan.datasets[name], symbols)) for name, symbols in wanted(plan.trees).items()}
    for node in plan.nodes.values():
        if isinstance(node.spec, Leaf) and node.spec.signal is None and node.spec.dataset in gaps:
            symbols = sorted(gaps[node.spec.dataset] & set(node.spec.universe))
            sessions = decided_on(node.spec, node.calendar.sessions, end, node.opens)
            if symbols and len(sessions):
                dataset = plan.datasets[node.spec.dataset]
                often = _often(dataset, symbols, node.spec, sessions)
                found = measured(node.label, node.spec.plain(), dataset, often, sessions) if often else []
                yield from (it for it in found if it.cause != LIFE)


def _often(dataset: Dataset, symbols: list[str], spec: Leaf, sessions: np.ndarray) -> Mapping[str, int]:
    """Return symbol -> decisions at which it is going to be ineligible, where these are most."""
    found = coverage_of(dataset, symbols, sessions, spec.lookback)
    times = (~found.eligible(spec.min_coverage)).sum(axis=0).tolist()
    return {symbol: n for symbol, n in zip(found.symbols, times, strict=True) if n > len(sessions) / 2}
