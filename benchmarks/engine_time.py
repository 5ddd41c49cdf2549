"""Engine time: what metabt takes to plan, walk and assemble a work, in CPU seconds of one thread.

1. Prices are in memory, and trees resolved; nothing else is kept from one run to the next.
2. No cache, the executor in this process on one thread; kernels have been compiled or loaded by a run before.
3. The walk's laps say which stage took how long; what lies between them, and planning and assembling, is the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import process_time

from benchmarks.works import Work
from metabt.build.ports import Cache
from metabt.build.walk_result import WalkResult
from metabt.data.dataset import Dataset
from metabt.data.prices import Prices
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.local import Local
from metabt.portfolio.sleeve import Sleeve

PLAN, BETWEEN, RECORD = "plan", "between stages", "assemble"


@dataclass(frozen=True)
class EngineRun:
    """One run of a work."""

    stages: dict[str, float]
    """Seconds by stage, in the order of a walk; they sum to the engine's time."""
    n_blocks: int
    """Blocks that the work has: a sleeve over a year each, whether walked by the year or in one go."""
    trees: Sequence[Sleeve]
    """What was walked."""
    walked: WalkResult
    """What came out."""

    @property
    def seconds(self) -> float:
        """CPU seconds of the whole."""
        return sum(self.stages.values())


def run_engine(work: Work, cache: Cache | None = None) -> EngineRun:
    """Walk a work's trees once; with a cache, the digests of prices are known beforehand."""
    trees, prices = work.trees(), work.market.prices
    # roots of a forest are kept as a sweep keeps them: metrics of all, streams and decisions of the root
    keep = "summary" if len(trees) > 1 else "all"
    source = prices if cache is None else _digested(prices)
    began = process_time()
    engine = BacktestEngine(trees, {prices.name: source}, cache=cache, keep=keep, executor=Local(threads=1))
    plan = engine.plan
    planned = process_time()
    walked = engine.run()
    done = process_time()
    for position in range(len(trees)):
        engine.assemble(walked, position)
    ended = process_time()
    laps: dict[str, float] = {}
    for key in plan.nodes:
        for lap in walked.walks[key].laps:
            laps[lap.stage] = laps.get(lap.stage, 0.0) + lap.seconds
    between = max(done - planned - sum(laps.values()), 0.0)
    stages = {PLAN: planned - began, **laps, BETWEEN: between, RECORD: ended - done}
    return EngineRun(stages, plan.n_blocks, trees, walked)


def _digested(prices: Prices) -> Dataset:
    dataset = Dataset.of(prices)
    assert dataset.facts.digests  # asked for here, and remembered
    return dataset
