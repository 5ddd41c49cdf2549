"""Deciding ahead: where a leaf's blocks are not known, its decisions of many partitions are made at once.

1. A decision depends on its own window alone: made together, decisions have the bits of those made one partition after
   another. What is held is followed partition by partition.
2. At its first partition a leaf decides for all. Where blocks turn out to be missing later on, it decides for one
   partition, then for two, four, ...: there what was decided in vain is never more than what was needed.
3. Leaves that look at what they hold decide at their time, and so do those with plug-ins, whose warnings and failures
   belong to a partition.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from metabt.build.inputs import Markets, Readings
from metabt.build.keys import plugin_versions
from metabt.build.plan import Node
from metabt.portfolio.built_estimators import build_optimizer
from metabt.portfolio.sleeve import Leaf
from metabt.walk.block import Decisions, LeafState
from metabt.walk.leaf import LeafInputs, decide
from metabt.walk.stopwatch import Stopwatch
from metabt.walk.timing import schedule

KEPT = 2**28
"""Bytes that decisions for later partitions may take; beyond it leaves decide at their time."""


@dataclass(frozen=True)
class _Decided:
    """What a leaf has decided for some partitions."""

    stop: int
    """First row of its calendar that it has not decided for."""
    count: int
    """Number of partitions."""
    decisions: Decisions | None
    """By rows of its calendar; None where they were made for one partition and are gone."""

    @property
    def n_bytes(self) -> int:
        return 0 if self.decisions is None else _bytes(*self.decisions.weights.shape)


class Ahead:
    """Inputs of leaves whose prices of all partitions are here, with their decisions where these were made before."""

    def __init__(self, markets: Markets, readings: Readings) -> None:
        """Take where prices come from; nothing is decided yet."""
        self._markets, self._readings = markets, readings
        self._decided: dict[str, _Decided] = {}
        self._waits: dict[str, bool] = {}
        self._bytes = 0

    def inputs(self, node: Node, label: str, state: LeafState, watch: Stopwatch) -> LeafInputs:
        """Return the inputs of a leaf for one partition, `state` being what the partition before left."""
        rows, digest = node.partitions[label], node.spec.digest
        known = self._decided.get(digest)
        if known is None or known.stop <= rows.start:
            known = self._next(node, label, state, known, watch)
            self._keep(digest, known)
        if known.decisions is None:
            return self._readings.of(node, rows)
        if known.stop == rows.stop:  # the last of them
            self._keep(digest, replace(known, decisions=None))
        first, last = np.searchsorted(known.decisions.rows, [rows.start, rows.stop])
        cut = known.decisions
        decided = Decisions(
            cut.rows[first:last] - rows.start,
            cut.weights[first:last],
            cut.risk[first:last],
            cut.status[first:last],
            cut.reasons[first:last],
        )
        market = self._markets.within(_leaf(node), rows)
        dates = node.calendar.sessions[rows]
        return LeafInputs(dates, 0, market.returns, market.observed, market.priced, decided=decided)

    def _next(self, node: Node, label: str, state: LeafState, before: _Decided | None, watch: Stopwatch) -> _Decided:
        """Decide for the partitions from `label` on, for as many as seems right."""
        labels = list(node.partitions)
        at, start = labels.index(label), node.partitions[label].start
        count = len(labels)
        if at:
            count = 2 * before.count if before is not None and before.stop == start else 1
        count = min(count, len(labels) - at)
        span = slice(start, node.partitions[labels[at + count - 1]].stop)
        if count == 1 or not self._may(node, state, span):
            return _Decided(node.partitions[label].stop, 1, None)
        decisions = decide(_leaf(node), state, self._readings.of(node, span), watch)
        return _Decided(span.stop, count, replace(decisions, rows=decisions.rows + start))

    def _may(self, node: Node, state: LeafState, span: slice) -> bool:
        leaf = _leaf(node)
        waits = self._waits.get(leaf.digest)
        if waits is None:
            waits = self._waits[leaf.digest] = build_optimizer(leaf.optimizer).path_dependent or bool(
                plugin_versions(leaf)
            )
        if waits:
            return False
        opens, _ = schedule(leaf, state, node.calendar.sessions[span])
        return self._bytes + _bytes(int(opens.sum()), len(leaf.universe)) <= KEPT

    def _keep(self, digest: str, decided: _Decided) -> None:
        before = self._decided.get(digest)
        self._bytes += decided.n_bytes - (before.n_bytes if before else 0)
        self._decided[digest] = decided


def _leaf(node: Node) -> Leaf:
    assert isinstance(node.spec, Leaf)  # meta sleeves decide by what their children earn
    return node.spec


def _bytes(n_decisions: int, n_assets: int) -> int:
    """Return what decisions take: weights, risk and reasons."""
    return 17 * n_decisions * n_assets
