"""Memory estimate: what a plan will take at its peak, before it runs, in bytes of this process.

1. Prices: closes and returns of the datasets that are read, and their flags.
2. Sleeves: a stream each, decisions, and what is held around trades; leaves that hold little keep all of it.
3. Reading: what the widest meta sleeve sees of its children, one sleeve at a time.
4. Tables: of one tree, and of a sweep what is kept of each tree until all are stored.

It is what arrays come to; MORE stands for what an allocator and Python's own objects take beside them. Whether a plan
is refused depends on it (metabt.engines.usable_memory), and never what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metabt.build.plan import Node, Plan
from metabt.build.walk_result import HELD
from metabt.portfolio.sleeve import Leaf, Meta, Sleeve

LIBRARIES, PRICES = "Python and its libraries", "prices"
SLEEVES, READING = "streams, decisions and holdings of sleeves", "streams and covariances that one sleeve reads"
TABLES = "tables"
"""What takes memory."""
MORE = 1.35
"""Bytes of the process for a byte of arrays."""
STARTED = 200 * 2**20
"""Bytes of the process before it reads a price."""
STREAM, READ = 40, 60
"""Bytes of a session of a stream, and of a session of a child that is read."""
DECISION, AROUND = 17, 16
"""Bytes of a decision on an item, and of what is held before and after a trade of it."""
CHUNK = 3 * 2**26
"""Bytes of covariances and books that are formed at a time, at most."""
RETURN_ROW, DECISION_ROW, BOOK_ROW = 64, 40, 64
"""Bytes of a row of the tables of returns, of decisions, and of weights and contributions together."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that a plan takes at its peak, by what takes them."""

    parts: Mapping[str, int]
    """What takes them, in words -> bytes."""

    @property
    def total(self) -> int:
        """All bytes."""
        return sum(self.parts.values())

    @property
    def largest(self) -> tuple[str, int]:
        """What takes most, and its bytes."""
        return max(self.parts.items(), key=lambda part: part[1])


def memory_estimate(plan: Plan, keep: str, *, remembers: bool = False, spilled: bool = False) -> MemoryEstimate:
    """Return what a plan takes whose trees' tables are kept as `keep` says: "all" or "summary".

    Where a cache `remembers`, blocks hold what is held in every session; tables that are `spilled` are in memory tree
    by tree.
    """
    walked = [node for key, node in plan.nodes.items() if key not in plan.fleeting]
    metas = [node for node in plan.nodes.values() if isinstance(node.spec, Meta)]
    names = {node.home for node in walked if isinstance(node.spec, Leaf)}
    prices = sum(_prices(plan, name) for name in names)
    tables = [_tables(plan, keep, tree) for tree in plan.trees]
    parts = {
        PRICES: prices,
        SLEEVES: sum(_kept(plan, node) for node in walked) + _held(walked, remembers),
        READING: max((_read(plan, node) for node in metas), default=0),
        TABLES: max(tables) if spilled else sum(tables),
    }
    return MemoryEstimate({LIBRARIES: STARTED, **{name: int(MORE * it) for name, it in parts.items()}})


def actor_memory(plan: Plan, keys: Sequence[str]) -> int:
    """Return what a process takes that walks some sleeves, given by their spec digests, from partition to partition."""
    nodes = [plan.nodes[key] for key in keys]
    names = {node.home for node in nodes if isinstance(node.spec, Leaf)}
    n_sessions = max((rows.stop - rows.start for node in nodes for rows in node.partitions.values()), default=0)
    prices = sum(34 * (n_sessions + plan.lookback) * len(plan.datasets[name].facts.symbols) for name in names)
    formed = max((min(8 * n_sessions * _items(node) ** 2, CHUNK) for node in nodes), default=0)
    blocks = sum(16 * n_sessions * node.layout.n_columns for node in nodes)
    return STARTED + int(MORE * (prices + formed + blocks))


def _prices(plan: Plan, name: str) -> int:
    facts = plan.datasets[name].facts
    return len(facts.dates) * len(facts.symbols) * (34 if facts.has_volume else 26)


def _decisions(plan: Plan, node: Node) -> int:
    spec = node.spec
    if isinstance(spec, Leaf) and spec.signal is not None:
        return len(plan.datasets[spec.dataset].facts.signal(spec.signal, spec.universe, spec.start).sessions)
    return int(node.n_decisions)


def _items(node: Node) -> int:
    return len(node.spec.universe) if isinstance(node.spec, Leaf) else len(node.spec.children)


def _kept(plan: Plan, node: Node) -> int:
    """Return the bytes of a sleeve's stream, of its decisions, and of what it holds around trades."""
    n_sessions = len(node.calendar.sessions)
    return STREAM * n_sessions + _decisions(plan, node) * _items(node) * (DECISION + AROUND)


def _held(walked: list[Node], remembers: bool) -> int:
    """Return the bytes of what leaves hold in all sessions, where blocks have it or it is little enough to be kept."""
    leaves = [node for node in walked if isinstance(node.spec, Leaf)]
    dense = sum(8 * len(node.calendar.sessions) * node.layout.n_columns for node in leaves)
    return dense if remembers or dense <= HELD else 0


def _read(plan: Plan, node: Node) -> int:
    """Return the bytes of what a meta sleeve lays side by side, and of what it forms at a time."""
    n_sessions, n_children = len(node.calendar.sessions), _items(node)
    rows = _decisions(plan, node)
    formed = 8 * rows * (n_children**2 + 2 * node.layout.n_columns)
    return READ * n_sessions * n_children + min(formed, CHUNK)


def _tables(plan: Plan, keep: str, tree: Sleeve) -> int:
    """Return the bytes of the tables of one tree."""
    root, total = plan.nodes[tree.spec.digest], 0
    for node in [plan.nodes[it.spec.digest] for _, it in tree.walk()] if keep == "all" else [root]:
        total += RETURN_ROW * len(node.calendar.sessions) + DECISION_ROW * _decisions(plan, node) * _items(node)
    return total + (BOOK_ROW * _decisions(plan, root) * root.layout.n_columns if keep == "all" else 0)
