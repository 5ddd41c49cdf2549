"""The local executor, the reference for all others: every block in this process, on as many threads as it may use.

Where nothing is remembered nothing is published between partitions, so each sleeve is walked over all of them at once.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from metabt.build.cached_walk import CachedWalk
from metabt.build.inputs import Markets, Readings, initial_state
from metabt.build.plan import Node, Plan
from metabt.build.ports import Cache, Progress, Step
from metabt.build.walk_result import Walk, WalkResult
from metabt.engines.side_by_side import walk_groups, waves_of
from metabt.engines.usable_cpus import default_threads
from metabt.values.arguments import whole
from metabt.values.freed_memory import give_back


@dataclass(frozen=True)
class Local:
    """Executor that walks in this process: `backtest(..., engine=Local(threads=2))`."""

    threads: int | None = None
    """Number of threads that walk sleeves; None is one per processor that this process may use, and one in a process
    that Ray has started. Bits are the same for any number."""

    name = "local"

    def __post_init__(self) -> None:
        """Check the settings.

        Raises
        ------
        ConfigError
            For a number of threads below 1.
        """
        if self.threads is not None:
            whole("threads", self.threads, 1)

    @property
    def n_threads(self) -> int:
        """Number of threads that it walks on in this process."""
        return self.threads or default_threads()

    def walk(self, plan: Plan, cache: Cache, progress: Progress | None) -> WalkResult:
        """Walk every node over every partition, but for roots that are walked when they are assembled.

        The engine calls it.

        Parameters
        ----------
        plan : Plan
            What to walk (metabt.build.plan).
        cache : Cache
            Where blocks are remembered.
        progress : callable, optional
            Called as `progress(done, blocks, last)`, on the caller's thread; None is silence.

        Returns
        -------
        WalkResult
            The walked sleeves, for `BacktestEngine.assemble`.
        """
        result = WalkResult(plan, {key: Walk(initial_state(node)) for key, node in plan.nodes.items()})
        if cache.remembers:
            _walk_by_partition(result, cache, progress, self.n_threads)
        else:
            walk_by_sleeve(result, progress, self.n_threads)
        return result


def _walk_by_partition(result: WalkResult, cache: Cache, progress: Progress | None, n_threads: int) -> None:
    """Walk one partition after another."""
    plan, waves = result.plan, waves_of(result.plan)
    walk, done, known = CachedWalk(plan, cache, ahead=True), 0, 0

    def note(node: Node, step: Step) -> None:
        nonlocal done, known
        result.walks[node.spec.digest].add(step)
        known += step.found
        done += 1
        if progress:
            progress(done, plan.n_blocks, f"{label} {node.label}, {known} known")

    for label in plan.labels:
        walk.enter(label)
        for wave in waves:
            present = deque([node for node in group if label in node.partitions] for group in wave)
            # what is found, or was made before, is done sooner than threads are begun
            while present and not _is_computed(walk, present.popleft(), note):
                pass
            walk_groups(present, walk.step, note, n_threads)
    cache.flush()


def _is_computed(walk: CachedWalk, group: Sequence[Node], note: Callable[[Node, Step], None]) -> bool:
    """Take a group over the partition; return whether anything of it had to be computed now."""
    computed = False
    for node in group:
        was_made = walk.is_made(node)
        step = walk.step(node)
        note(node, step)
        computed |= not (was_made or step.found)
    return computed


def walk_by_sleeve(
    result: WalkResult,
    progress: Progress | None,
    n_threads: int,
    found: Callable[[Node], Walk | None] = lambda node: None,
) -> None:
    """Walk each node over all partitions; leaves that read the same go together, so that little is kept for later.

    `found` returns the walk of a sleeve that is known, or None; it is called on any thread.
    """
    plan, readings, done = result.plan, Readings(result.plan, Markets(result.plan)), 0
    readers = Counter(node.children for node in plan.nodes.values())  # fleeting ones among them read later

    def work(node: Node) -> Walk:
        walk = found(node) or result.walk(node, readings)
        readers[node.children] -= 1
        result.forget(node, last=not readers[node.children])
        return walk

    def note(node: Node, walk: Walk) -> None:
        nonlocal done
        result.walks[node.spec.digest] = walk
        done += len(node.partitions)
        if progress:
            progress(done, plan.n_blocks, node.label)

    for wave in waves_of(plan):
        walk_groups(wave, work, note, n_threads)
        give_back()  # leaves leave small pieces behind, sleeves above them take large ones
