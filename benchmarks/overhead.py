"""Overhead: what a block costs beside its kernels.

The tree of a work is walked again with `equal` for an optimizer, once with its assets and then with two in each sleeve:
with two assets there is next to nothing to compute, and what is left is the engine. With a cache it walks partition by
partition, and seals each block under a key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.engine_time import run_engine
from benchmarks.works import Portfolio, Rule, Work
from metabt.build.cache import MemoryCache
from metabt.build.ports import Cache

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
    cached: float
    """The same through a cache that is empty: with keys, digests and blocks of a year."""


def overhead(work: Work) -> Overhead:
    """Measure a work's tree."""
    equal = replace(work, portfolios=(Portfolio(EQUAL, EQUAL),))
    thin = replace(equal, universes={name: symbols[:2] for name, symbols in work.universes.items()})
    n_blocks = run_engine(thin).n_blocks
    return Overhead(n_blocks, _best(equal), _best(thin), _best(thin, MemoryCache))


def _best(work: Work, cache: Callable[[], Cache | None] = lambda: None) -> float:
    """Return the least milliseconds a block of several runs."""
    runs = [run_engine(work, cache()) for _ in range(6)]
    return min(1e3 * it.seconds / it.n_blocks for it in runs)
