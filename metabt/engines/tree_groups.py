"""Tree groups: a sweep's forest, cut into groups of trees that are walked and assembled by themselves.

1. Trees over the same sleeves stand beside each other, so that few sleeves are in several groups.
2. What is in several groups is `shared`: it is walked once, before the groups that read it.
3. A group is worth some seconds of work, and its blocks fit into memory together.

Where a group is walked does not matter to what comes out: an Assembly makes and writes the tables of a tree in any
process, and returns the little that is told of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

from metabt.analysis.benchmark import Benchmark
from metabt.analysis.run_facts import RunFacts, run_facts
from metabt.analysis.run_tables import assemble
from metabt.build.cost_estimate import seconds_of
from metabt.build.foreign_warnings import Heard
from metabt.build.plan import Plan
from metabt.build.ports import Cache
from metabt.build.walk_result import WalkResult
from metabt.errors import MetabtError
from metabt.portfolio.sleeve import Sleeve

if TYPE_CHECKING:
    from metabt.lakehouse.runs.run_digests import Measured
    from metabt.lakehouse.runs.run_files import RunFiles, Writer

BATCH = 2**27
"""Bytes that the blocks of trees that are walked together hold, about."""
TREE = 5e-3
"""Seconds that a tree takes to be assembled and measured, beside the walk of its root."""
TRIED = 20
"""Trees of one assembly in which assets that were left out are looked for, at most."""


@dataclass(frozen=True)
class View:
    """How a tree is shown, and what its rows are named by."""

    run_id: str
    """Identity of its run."""
    end: Any = None
    """Last session; None is the last of its calendar."""
    benchmark: Benchmark | None = None
    """What its sleeves are measured against."""


@dataclass(frozen=True)
class Assembled:
    """What became of one tree."""

    facts: RunFacts | None
    """What is told of it; None where it failed."""
    measured: Measured | None
    """What is recorded of its tables; None where it failed."""
    error: str | None
    """Message of the error that ended it."""
    seconds: float
    """Time that it took to assemble."""


@dataclass(frozen=True)
class Finished:
    """What became of a group."""

    positions: tuple[int, ...]
    """Which trees of the forest it has."""
    trees: tuple[Assembled, ...]
    """What became of them, in that order."""
    files: RunFiles | None
    """Where their tables lie; None where it has none, or they are not all written yet."""
    heard: Mapping[str, Sequence[Heard]]
    """Spec digest -> warnings of foreign estimators."""
    computed: int
    """Blocks that were computed."""
    computed_leaves: int
    """Blocks of leaves among them."""
    stages: Mapping[str, float] = field(default_factory=dict)
    """Stage -> seconds of processor that computing took."""
    stored_bytes: int = 0
    """Bytes that were put into the cache."""


class Grouping:
    """The groups of a forest, and what they share."""

    def __init__(self, plan: Plan, known: Mapping[str, int], n_bytes: int, worth: float) -> None:
        """Cut a plan; `known` is spec digest -> blocks that are stored, `worth` the seconds that a group may take."""
        self._plan = plan
        self.costs = {
            key: seconds_of(node) * (len(node.partitions) - (0 if key in plan.fleeting else known.get(key, 0)))
            for key, node in plan.nodes.items()
        }
        self.groups = tuple(self._cut(n_bytes, worth))
        counts = Counter(key for group in self.groups for key in self._beneath(group))
        self.shared = frozenset(key for key, count in counts.items() if count > 1 and key not in plan.fleeting)

    def seconds(self, positions: Sequence[int]) -> float:
        """Return what some trees take together, by estimate."""
        return TREE * len(positions) + sum(self.costs[key] for key in self._beneath(positions))

    @property
    def first(self) -> Plan | None:
        """The plan of what is shared and has blocks that are not stored; None where there is nothing of it."""
        if not any(self.costs[key] > 0 for key in self.shared):
            return None
        nodes = {key: node for key, node in self._plan.nodes.items() if key in self.shared}
        labels = {label for node in nodes.values() for label in node.partitions}
        kept = tuple(label for label in self._plan.labels if label in labels)
        return replace(self._plan, trees=(), nodes=nodes, labels=kept, fleeting=frozenset())

    def _beneath(self, positions: Sequence[int]) -> frozenset[str]:
        trees = (self._plan.trees[position] for position in positions)
        return frozenset(sleeve.spec.digest for tree in trees for _, sleeve in tree.walk())

    def _cut(self, n_bytes: int, worth: float) -> Iterator[tuple[int, ...]]:
        """Yield the groups: batches that fit into memory, cut where they take longer than a group may."""
        for batch in self._plan.batches(n_bytes):
            group: list[int] = []
            held: set[str] = set()
            seconds = 0.0
            for position in batch:
                own = self._beneath([position])
                more = TREE + sum(self.costs[key] for key in own - held)
                if group and seconds + more > worth:
                    yield tuple(group)
                    group, held, seconds = [], set(), 0.0
                    more = TREE + sum(self.costs[key] for key in own)
                group.append(position)
                held |= own
                seconds += more
            if group:
                yield tuple(group)


class Assembly:
    """Makes the tables of trees that were walked, and writes them down."""

    def __init__(self, cache: Cache, keep: str, writer: Writer) -> None:
        """Write with `writer`; `cache` is where blocks are remembered, `keep` which tables are made."""
        self._cache, self._keep, self.writer = cache, keep, writer
        self._n_left = TRIED

    def add(self, tree: Sleeve, walked: WalkResult, view: View) -> Assembled:
        """Make the tables of a tree, and return what is told of it, or the error that ended it."""
        began = perf_counter()
        try:
            completed = walked.complete(walked.plan.nodes[tree.spec.digest])
            tables = assemble(tree, completed, view.end, benchmark=view.benchmark, cache=self._cache, keep=self._keep)
        except MetabtError as error:
            return Assembled(None, None, str(error), perf_counter() - began)
        facts = run_facts(tree, tables, walked.plan.datasets if self._n_left else None)
        self._n_left = 0 if facts.left_out else max(self._n_left - 1, 0)
        measured = self.writer.add(view.run_id, tree.name, tables)
        return Assembled(facts, measured, None, perf_counter() - began)
