"""The local executor, the reference for all others: every block in this process, on as many threads as it may use.

Where nothing is remembered, or nothing is known yet (metabt.build.cold_walk), each sleeve is walked over all partitions
at once; what is known in part, or changed, is walked from partition to partition.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from metabt.build.cached_walk import CachedWalk
from metabt.build.cold_walk import ColdWalk
from metabt.build.inputs import Markets, Readings, initial_state
from metabt.build.plan import Node, Plan
from metabt.build.ports import Cache, Progress, Step
from metabt.build.walk_result import Walk, WalkResult
from metabt.engines.side_by_side import Found, Wave, walk_groups, waves_of
from metabt.engines.usable_cpus import default_threads
from metabt.values.arguments import whole


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
            _walk_remembered(result, cache, progress, self.n_threads)
        else:
            walk_by_sleeve(result, progress, self.n_threads)
        return result


class _Told:
    """Progress, block by block."""

    def __init__(self, plan: Plan, progress: Progress | None) -> None:
        self._n_blocks, self._progress = plan.n_blocks if progress else 0, progress
        self._done = self._known = 0

    def block(self, label: str, node: Node, found: bool) -> None:
        """Tell of a block."""
        self._known += found
        self._done += 1
        if self._progress:
            self._progress(self._done, self._n_blocks, f"{label} {node.label}, {self._known} known")


def _walk_remembered(result: WalkResult, cache: Cache, progress: Progress | None, n_threads: int) -> None:
    """Walk what is cold sleeve by sleeve, all else partition by partition."""
    plan, told = result.plan, _Told(result.plan, progress)
    cold, left = ColdWalk(result, cache), set(plan.nodes) - plan.fleeting

    def note(node: Node, walk: Walk | None) -> None:
        if walk is not None:
            result.walks[node.spec.digest] = walk
            left.remove(node.spec.digest)
            for label in node.partitions:
                told.block(label, node, False)

    if cold.sleeves:
        waves = [
            [[node for node in group if node.spec.digest in cold.sleeves] for group in wave] for wave in waves_of(plan)
        ]
        _walk_waves(result, waves, cold.walk, note, n_threads, cache.publish)
    if left:
        _walk_by_partition(result, cache, told, left, n_threads)
    cache.flush()


def _walk_by_partition(result: WalkResult, cache: Cache, told: _Told, left: Set[str], n_threads: int) -> None:
    """Walk the sleeves that are `left` from one partition to the next; what is beneath them is found, or walked too."""
    plan = result.plan
    needed = _with_beneath(plan, left)
    waves = [[[node for node in group if node.spec.digest in needed] for group in wave] for wave in waves_of(plan)]
    walk = CachedWalk(plan, cache, ahead=True)

    def note(node: Node, step: Step) -> None:
        if node.spec.digest in left:
            result.walks[node.spec.digest].add(step)
            told.block(label, node, step.found)

    for label in plan.labels:
        walk.enter(label)
        for wave in waves:
            present = deque([node for node in group if label in node.partitions] for group in wave)
            # what is found, or was made before, is done sooner than threads are begun
            while present and not _is_computed(walk, present.popleft(), note):
                pass
            walk_groups(present, walk.step, note, n_threads)


def _with_beneath(plan: Plan, digests: Set[str]) -> Set[str]:
    """Return some sleeves and all beneath them."""
    found = set(digests)
    for digest in reversed(list(plan.nodes)):  # parents first
        if digest in found:
            found.update(plan.nodes[digest].children)
    return found


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
    between: Callable[[], None] = lambda: None,
) -> None:
    """Walk each node over all partitions; leaves that read the same go together, so that little is kept for later.

    `found` returns the walk of a sleeve that is known, or None; it is called on any thread. `between` is called once
    all leaves are walked, and each height of sleeves above them.
    """
    plan, done = result.plan, 0

    def work(node: Node, readings: Readings) -> Walk:
        return found(node) or result.walk(node, readings)

    def note(node: Node, walk: Walk) -> None:
        nonlocal done
        result.walks[node.spec.digest] = walk
        done += len(node.partitions)
        if progress:
            progress(done, plan.n_blocks, node.label)

    _walk_waves(result, waves_of(plan), work, note, n_threads, between)


def _walk_waves(
    result: WalkResult,
    waves: Sequence[Wave],
    work: Callable[[Node, Readings], Found],
    note: Callable[[Node, Found], None],
    n_threads: int,
    between: Callable[[], None] = lambda: None,
) -> None:
    """Call `work` for every sleeve of some waves, and let go of what nobody reads any more; `between` after a wave."""
    plan, readings = result.plan, Readings(result.plan, Markets(result.plan))
    readers = Counter(node.children for node in plan.nodes.values())  # fleeting ones among them read later

    def forgetting(node: Node) -> Found:
        found = work(node, readings)
        readers[node.children] -= 1
        result.forget(node, last=not readers[node.children])
        return found

    for wave in waves:
        walk_groups(wave, forgetting, note, n_threads)
        between()
