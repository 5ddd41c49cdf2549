"""Pieces: a work cut into the walks that a peer makes, each with the weights that metabt decided there.

1. A leaf's piece is the returns of its assets; leaves that several configurations share are one piece.
2. A root's piece is the streams of its children. A peer's own would differ a little from metabt's, so it is given
   metabt's, and weights can be compared alone.
3. A subset takes the first sleeves, and the first windows of every walk; `scale` says how much of the work a piece
   stands for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.engine_time import EngineRun
from benchmarks.works import STEP, Rule, Work


@dataclass(frozen=True)
class Subset:
    """The part of a work that a peer walks."""

    sleeves: int = 1_000
    """The first of them."""
    windows: int = 100_000
    """The first of each walk."""

    def said(self, work: Work) -> str:
        """Return the part in words."""
        counts = {
            "sleeves": len(work.universes),
            "windows": n_windows(len(work.market.prices.dates) - 1, work.leaves[0]),
        }
        taken = {"sleeves": self.sleeves, "windows": self.windows}
        return ", ".join(f"{taken[key]} of {n} {key}" for key, n in counts.items() if taken[key] < n) or "all"


@dataclass(frozen=True)
class Piece:
    """One walk."""

    rule: Rule
    """How its columns are weighted."""
    X: np.ndarray
    """(n_sessions, n_columns) simple returns."""
    weights: np.ndarray
    """(n_decisions, n_columns) that metabt decided, over the whole of the work."""
    scale: float
    """How much of the work it stands for: twice as much where half of the windows, or of the sleeves, are left out."""

    def apart(self, theirs: np.ndarray) -> float:
        """Return max |dw| over the decisions that both took."""
        n = min(len(self.weights), len(theirs))
        return float(np.abs(self.weights[:n] - theirs[:n]).max())


def pieces(work: Work, run: EngineRun, subset: Subset) -> Iterator[Piece]:
    """Yield the walks of a part of a work, leaves first."""
    first = {str(it.leaf): position for position, it in reversed(list(enumerate(work.portfolios)))}
    names = list(work.universes)[: subset.sleeves]
    for rule in work.leaves:
        for name in names:
            X = np.ascontiguousarray(work.market.prices.returns[1:, work.columns(name)])
            weights = _leaf_weights(run, first[str(rule)], name)
            yield _piece(rule, X, weights, subset, len(work.universes) / len(names))
    for position, portfolio in enumerate(work.portfolios):
        if portfolio.root is not None:
            yield _piece(portfolio.root, _streams(run, position), _root_weights(run, position), subset, 1.0)


def n_windows(n_rows: int, rule: Rule) -> int:
    """Return how many windows a walk over rows of returns has."""
    return len(range(rule.lookback, n_rows, STEP))


def _piece(rule: Rule, X: np.ndarray, weights: np.ndarray, subset: Subset, scale: float) -> Piece:
    part = X[: rule.lookback + STEP * subset.windows]
    return Piece(rule, part, weights, scale * n_windows(len(X), rule) / n_windows(len(part), rule))


def _leaf_weights(run: EngineRun, position: int, name: str) -> np.ndarray:
    tree = run.trees[position]
    leaf = next((it for it in tree.sleeves if it.name == name), tree)
    return run.walked.walks[leaf.spec.digest].whole.decisions.weights


def _streams(run: EngineRun, position: int) -> np.ndarray:
    """Return the net returns of a root's children from where all of them have begun, (n_sessions, n_children)."""
    blocks = [run.walked.walks[child.spec.digest].whole for child in run.trees[position].ordered]
    begin = max(block.begin for block in blocks)
    return np.stack([block.net[begin:] for block in blocks], axis=1)


def _root_weights(run: EngineRun, position: int) -> np.ndarray:
    """Return the weights that metabt decided in a root after its warm-up."""
    spec, walked = run.trees[position].spec, run.walked
    decisions = walked.complete(walked.plan.nodes[spec.digest]).walks[spec.digest].whole.decisions
    return decisions.weights[np.array(decisions.status) != "warmup"]
