"""The decisions of a meta sleeve on its children's realised net streams.

1. A child is live from its first non-empty decision, and eligible with `min_history` sessions of stream that vary.
2. Warm-up, until the first decision at which every live child is eligible: 1/N over the live ones, or nothing (`wait`).
3. Afterwards the optimizer weights the eligible ones on the last min(lookback, shortest eligible history) sessions;
   children that came later wait at 0 until they are eligible, and are named as waiting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.portfolio.built_estimators import bounded, build_optimizer
from metabt.portfolio.sleeve import Estimator, Meta
from metabt.walk.block import HELD, NOT_LIVE, WAITING
from metabt.walk.decision import weigh
from metabt.walk.meta.aggregation import Streams
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
    warm: bool
    """Warm-up is over after the last of them."""


def optimize_meta(
    spec: Meta,
    streams: Streams,
    rows: np.ndarray,
    live: np.ndarray,
    warm: bool,
    pending: Pending | None = None,
) -> MetaDecisions:
    """Decide at the common sessions `rows`, (n_decisions,); `live` is (n_decisions, n_children) bool.

    Decisions after the warm-up are taken all at once or, where `pending` is given, one after another by it.
    """
    stops, lengths = streams.before + rows + 1, streams.lengths[rows]
    eligible = eligible_children(spec, streams, rows, live)
    done = warm_up_ends(live, eligible, warm)
    support = np.where(done[:, None], eligible, live)
    shortest = np.where(eligible, lengths, spec.lookback).min(axis=1)
    lengths = np.minimum(np.minimum(shortest, spec.lookback), stops)
    weights, status = np.zeros(live.shape), ["warmup"] * len(rows)
    risk = np.full(live.shape, np.nan)
    early, late = np.flatnonzero(~done), np.flatnonzero(done)
    if len(early):
        equal = build_optimizer(bounded(Estimator("equal"), build_optimizer(spec.optimizer)))
        weights[early], _ = equal.weigh(streams.windows(stops[early], lengths[early]), support[early])
    if len(late):
        windows = streams.windows(stops[late], lengths[late])
        weights[late], solved = (
            pending.weigh(rows[late], windows, support[late]) if pending else weigh(spec, windows, support[late])
        )
        risk[late] = windows.risk(weights[late])
        status[len(early) :] = solved
    reasons = np.where(live, np.where(support, HELD, WAITING), NOT_LIVE).astype(np.int8)
    kept = done | (spec.warmup == "equal")
    return MetaDecisions(weights, risk, status, reasons, kept, warm or bool(done.any()))


def eligible_children(spec: Meta, streams: Streams, rows: np.ndarray, live: np.ndarray) -> np.ndarray:
    """Return which children have a stream to be weighted by, (n_decisions, n_children) bool, those live among them."""
    lengths = streams.lengths[rows]
    varies = streams.varying(streams.before + rows + 1, np.minimum(lengths, spec.lookback))
    return live & (lengths >= spec.history) & varies


def warm_up_ends(live: np.ndarray, eligible: np.ndarray, warm: bool) -> np.ndarray:
    """Return from which decision on warm-up is over, (n_decisions,) bool: once over, it stays over."""
    ready = live.any(axis=1) & (eligible | ~live).all(axis=1)
    return warm | np.maximum.accumulate(ready)
