"""The decisions of a meta sleeve on its children's realised net streams.

1. A child is live from its first non-empty decision, and eligible with `min_history` sessions of stream.
2. Warm-up, until the first decision at which every live child is eligible: 1/N over the live ones, or nothing (`wait`).
3. Afterwards the optimizer weights the eligible ones on the last min(lookback, shortest eligible history) sessions.
   Where it needs variance, children that are constant on these are left out, and the window is that of the others.
   Children that came later wait at 0 until they are eligible, and are named as waiting.

An optimizer that estimates nothing, such as `fixed`, has no warm-up and takes every live child.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.portfolio.built_estimators import bounded, build_optimizer
from metabt.portfolio.sleeve import Estimator, Meta
from metabt.walk.block import CONSTANT, HELD, NOT_LIVE, WAITING
from metabt.walk.decision import weigh
from metabt.walk.meta.aggregation import Streams, stretches
from metabt.walk.path_dependent import Pending


@dataclass(frozen=True)
class MetaDecisions:
    """What a meta sleeve decides at some of its common sessions."""

    weights: np.ndarray
    """(n_decisions, n_children)"""
    risk: np.ndarray
    """(n_decisions, n_children) ex ante, NaN in warm-up and in cash."""
    status: list[str]
    """(n_decisions,)"""
    reasons: np.ndarray
    """(n_decisions, n_children) int8"""
    kept: np.ndarray
    """(n_decisions,) bool: False where a `wait` warm-up takes no decision."""


def optimize_meta(
    spec: Meta,
    streams: Streams,
    rows: np.ndarray,
    live: np.ndarray,
    warm: bool,
    pending: Pending | None = None,
    measured: bool = True,
) -> MetaDecisions:
    """Decide at the common sessions `rows`, (n_decisions,); `live` is (n_decisions, n_children) bool.

    Decisions after the warm-up are taken all at once, or in stretches where the covariances of all would not fit; or,
    where `pending` is given, one after another by it. Shares of risk are NaN unless they are `measured`.
    """
    optimizer = build_optimizer(spec.optimizer)
    ready = live & (streams.lengths[rows] >= spec.history)
    eligible = ready if optimizer.needs_history else live
    done = warm_up_ends(spec, streams, rows, live, warm)
    given, weights, status = live.copy(), np.zeros(live.shape), ["warmup"] * len(rows)
    risk = np.full(live.shape, np.nan)
    early, late = np.flatnonzero(~done), np.flatnonzero(done)
    if len(early):
        equal = build_optimizer(bounded(Estimator("equal"), optimizer))
        windows, support = streams.candidates(rows[early], live[early], spec.history, spec.lookback).of(equal)
        weights[early], _ = equal.weigh(windows, support)
    for part in stretches(late, live.shape[1] ** 2) if len(late) else []:
        candidates = streams.candidates(rows[part], eligible[part], spec.history, spec.lookback)
        found = pending.weigh(rows[part], candidates) if pending else weigh(spec, candidates)
        weights[part], given[part] = found.weights, found.given
        if measured:
            known = ~((found.weights != 0.0) & ~ready[part]).any(axis=1)  # else there is no stream to estimate it on
            risk[part] = np.where(known[:, None], candidates.risk(found.weights, found.varied), np.nan)
        status[part[0] : part[-1] + 1] = found.status.tolist()
    left = np.where(live, np.where(eligible, CONSTANT, WAITING), NOT_LIVE)
    reasons = np.where(given, HELD, left).astype(np.int8)
    kept = done | (spec.warmup == "equal")
    return MetaDecisions(weights, risk, status, reasons, kept)


def warm_up_ends(spec: Meta, streams: Streams, rows: np.ndarray, live: np.ndarray, warm: bool) -> np.ndarray:
    """Return from which of the decisions at `rows` on warm-up is over, (n_decisions,) bool: it stays over.

    History alone counts, not what the streams do in it; `live` (n_decisions, n_children) bool.
    """
    some = np.asarray(live.any(axis=1))
    if not build_optimizer(spec.optimizer).needs_history:
        return some
    ready = some & ((streams.lengths[rows] >= spec.history) | ~live).all(axis=1)
    return np.asarray(np.maximum.accumulate(ready) | warm)
