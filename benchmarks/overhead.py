"""Overhead: what a block costs beside its kernels.

The tree of a work is walked again with `equal` for an optimizer, once with its assets and once with two in each sleeve:
with two assets there is next to nothing to compute, and what is left is the engine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.engine_time import EngineRun, run_engine
from benchmarks.works import Portfolio, Rule, Work

EQUAL = Rule("equal")


@dataclass(frozen=True)
class Overhead:
    """CPU milliseconds a block."""

    n_blocks: int
    """Blocks of the tree."""
    whole: float
    """With `equal`, all assets: prices, moments for risk contributions, holding, recording, and the engine."""
    engine: float
    """With `equal`, two assets a sleeve: the engine."""


def overhead(work: Work) -> Overhead:
    """Measure a work's tree."""
    equal = replace(work, portfolios=(Portfolio(EQUAL, EQUAL),))
    thin = replace(equal, universes={name: symbols[:2] for name, symbols in work.universes.items()})
    whole, engine = (_best(it) for it in (equal, thin))
    return Overhead(whole.n_blocks, 1e3 * whole.seconds / whole.n_blocks, 1e3 * engine.seconds / engine.n_blocks)


def _best(work: Work) -> EngineRun:
    run_engine(work)
    return min((run_engine(work) for _ in range(5)), key=lambda it: it.seconds)
