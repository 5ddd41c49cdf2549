"""Threads: what a walk takes on several threads of one process beside one thread.

`python benchmarks/threads.py [--threads 2] [--rounds 5] [--works W2,W3]`

1. Works of `works.py`, and a leaf sweep: W2 with 16 lookbacks of its leaves in one forest. No cache; `run` alone is
   timed, in wall seconds, in alternating rounds of one process.
2. The speed-up is the median of the rounds' ratios. Of Amdahl's law follows which part of the walk threads do not
   share, `(threads / speed-up - 1) / (threads - 1)`: what Python does between kernels, and what one sleeve does alone.
3. What came out is compared by the bytes of every sleeve's stream and decisions.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter, process_time

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

from benchmarks import cache_cost
from benchmarks.works import works
from metabt.build.walk_result import WalkResult
from metabt.data.prices import Prices
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.local import Local
from metabt.portfolio.sleeve import Sleeve
from metabt.values.digests import array_digest

SWEEP = cache_cost.Size(16, 20, False)
"""16 lookbacks of 20 leaves."""


def timed(trees: Sequence[Sleeve], prices: Prices, threads: int) -> tuple[float, float, WalkResult]:
    """Return wall and CPU seconds of one walk on some threads, and what came out."""
    engine = BacktestEngine(trees, {prices.name: prices}, executor=Local(threads))
    assert engine.plan.n_blocks  # made here
    began, used = perf_counter(), process_time()
    walked = engine.run()
    return perf_counter() - began, process_time() - used, walked


def digests(walked: WalkResult) -> dict[str, str]:
    """Return one digest of every sleeve's stream and decisions by its spec."""
    blocks = {key: walk.whole for key, walk in walked.walks.items()}
    return {
        key: array_digest(it.gross, it.cost, it.net, it.turnover, it.decisions.weights, it.decisions.risk)
        for key, it in blocks.items()
    }


def main() -> None:
    """Print a line a work."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--works", default="W2,W3")
    asked = parser.parse_args()
    wanted = tuple(asked.works.split(","))
    cases: dict[str, Callable[[], tuple[Sequence[Sleeve], Prices]]] = {
        work.name: lambda work=work: (work.trees(), work.market.prices)  # type: ignore[misc]
        for work in works()
        if work.name.startswith(wanted)
    }
    swept = cache_cost.market(SWEEP).prices
    cases["leaf sweep"] = lambda: (cache_cost.trees(SWEEP, swept.symbols), swept)
    print(f"{'work':<20}{'1 thread':>10}{asked.threads:>4} threads{'speed-up':>10}{'not shared':>12}{'cpu':>7}  bits")
    for name, made in cases.items():
        trees, prices = made()
        timed(trees, prices, 1)  # kernels are loaded
        ones, severals = [], []
        for _ in range(asked.rounds):
            ones.append(timed(trees, prices, 1))
            severals.append(timed(trees, prices, asked.threads))
        speed = median(one[0] / several[0] for one, several in zip(ones, severals, strict=True))
        cpu = median(several[1] / one[1] for one, several in zip(ones, severals, strict=True))
        apart = (asked.threads / speed - 1) / (asked.threads - 1)
        same = "same" if digests(ones[-1][2]) == digests(severals[-1][2]) else "DIFFER"
        least = min(it[0] for it in ones), min(it[0] for it in severals)
        print(f"{name:<20}{least[0]:9.3f}s{least[1]:11.3f}s{speed:10.2f}{apart:12.0%}{cpu:7.2f}  {same}", flush=True)


if __name__ == "__main__":
    main()
