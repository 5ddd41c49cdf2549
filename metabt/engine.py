"""BacktestEngine: plan a forest of trees, then walk it partition by partition.

1. plan: the union of the trees' distinct sleeves, children first (metabt.forest)
2. for each partition in time order, for each sleeve that has sessions in it:
   a. gather its inputs: slices of its panel, or its children's blocks
   b. ask the cache for the block under its key; else `advance` and put what came out
3. hand back, per sleeve, its blocks in time order (metabt.assembly turns them into tables)

An executor decides where step 2 runs; it holds no arithmetic. The local one is the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from time import perf_counter
from typing import Protocol

import numpy as np

from metabt.baselines import flatten_tree, join_panels
from metabt.block import Block, Book, LeafState, MetaState
from metabt.errors import ConfigError, RunError
from metabt.fingerprint import code_digest, digest, library_versions
from metabt.forest import Node, Plan, check_data, plan_forest
from metabt.leaf import LeafInputs
from metabt.meta.walk import MetaInputs
from metabt.panel import Panel
from metabt.sleeve import Leaf, Sleeve
from metabt.stopwatch import Stopwatch
from metabt.walk_forward import advance

State = LeafState | MetaState
Progress = Callable[[int, int, str], None]
"""Called with blocks done, blocks in all, and what was done last."""


@dataclass(frozen=True)
class Lap:
    """Time spent on one stage of one block."""

    partition: str
    """The partition's label."""
    stage: str
    """Stage name, as in metabt.stopwatch."""
    seconds: float
    """Wall seconds."""
    rows: int
    """Decisions or sessions it covered."""
    cache_hit: bool
    """The block was not computed but found."""


@dataclass
class Walk:
    """One sleeve, walked over all its partitions."""

    state: State
    """What the last partition left."""
    blocks: list[Block] = field(default_factory=list)
    """Its blocks in time order."""
    laps: list[Lap] = field(default_factory=list)
    """Where the time went."""


class Cache(Protocol):
    """Where blocks are remembered."""

    def get(self, key: Callable[[], str]) -> tuple[State, Block] | None:
        """Return what was put under the key, or None."""

    def put(self, key: Callable[[], str], state: State, block: Block) -> None:
        """Remember a block and the state after it, unless the key is taken."""


class NoCache:
    """Remembers nothing, and so never asks for the key."""

    def get(self, key: Callable[[], str]) -> None:
        """Find nothing."""

    def put(self, key: Callable[[], str], state: State, block: Block) -> None:
        """Keep nothing."""


class MemoryCache:
    """Remembers blocks for as long as the process lives."""

    def __init__(self) -> None:
        """Start empty."""
        self.blocks: dict[str, tuple[State, Block]] = {}

    def get(self, key: Callable[[], str]) -> tuple[State, Block] | None:
        """Return what was put under the key, or None."""
        return self.blocks.get(key())

    def put(self, key: Callable[[], str], state: State, block: Block) -> None:
        """Remember a block and the state after it, unless the key is taken."""
        self.blocks.setdefault(key(), (state, block))


class Executor(Protocol):
    """Where a plan is walked."""

    name: str
    """Name in configuration and in the `runs` table."""

    def walk(self, plan: Plan, cache: Cache, progress: Progress | None) -> Mapping[str, Walk]:
        """Walk every node over every partition; returns walks by spec digest."""


class Local:
    """In this process, one block after another: the reference."""

    name = "local"

    def walk(self, plan: Plan, cache: Cache, progress: Progress | None) -> dict[str, Walk]:
        """Walk every node over every partition; returns walks by spec digest."""
        markets = Markets(plan.panels)
        walks = {key: Walk(initial_state(node)) for key, node in plan.nodes.items()}
        roots, done = plan.roots(), 0
        for label in plan.labels:
            newest: dict[str, Block] = {}
            begun = {key: walk.state.started for key, walk in walks.items()}
            for key, node in plan.nodes.items():
                if label not in node.partitions:
                    continue
                inputs = _inputs(node, label, plan, markets, newest, begun)
                newest[key] = _step(node, label, inputs, walks[key], cache)
                done += 1
                if progress:
                    progress(done, plan.n_blocks, f"{label} {node.label}")
            for key, block in newest.items():
                walks[key].blocks.append(block if key in roots else _slim(block))
        return walks


def initial_state(node: Node) -> State:
    """Return the state of a sleeve before its first session."""
    if isinstance(node.spec, Leaf):
        return LeafState.initial(len(node.spec.universe))
    return MetaState.initial(len(node.spec.children), node.layout.n_columns)


def block_key(node: Node, inputs: LeafInputs | MetaInputs, state: State) -> str:
    """Return the digest that addresses a block: code, libraries, spec, start state and inputs."""
    return digest([code_digest(), library_versions(), node.spec.digest, state, inputs])


def _step(node: Node, label: str, inputs: LeafInputs | MetaInputs, walk: Walk, cache: Cache) -> Block:
    """Take one sleeve over one partition, from the cache where it is known; the walk's state moves on."""
    start, watch, began = walk.state, Stopwatch(), perf_counter()

    def key() -> str:
        return block_key(node, inputs, start)

    known = cache.get(key)
    try:
        walk.state, block = known or advance(node.spec, start, inputs, watch)
    except RunError as error:
        raise RunError(f"sleeve '{node.label}': {error}") from error
    if known:
        watch.laps.append(("block", perf_counter() - began, len(block.dates)))
    else:
        cache.put(key, walk.state, block)
    walk.laps += [Lap(label, stage, seconds, rows, known is not None) for stage, seconds, rows in watch.laps]
    return block


def _slim(block: Block) -> Block:
    """Return a block without what only its parent needed."""
    nothing = np.empty((0, 0))
    book = Book(nothing, nothing, block.book.traded, block.book.closed)
    return replace(block, book=book, earned_by_asset=nothing, gaps=None)


@dataclass(frozen=True)
class Market:
    """The columns of one leaf's universe over its whole calendar."""

    returns: np.ndarray
    """(n_sessions, n_assets)"""
    observed: np.ndarray
    """(n_sessions, n_assets) bool"""
    priced: np.ndarray
    """(n_sessions, n_assets) bool"""
    dollar_volume: np.ndarray | None
    """(n_sessions, n_assets)"""


class Markets:
    """The panels' columns by leaf, cut once."""

    def __init__(self, panels: Mapping[str, Panel]) -> None:
        """Take the prices by dataset."""
        self._panels = panels
        self._cut: dict[tuple[str, tuple[str, ...]], Market] = {}

    def of(self, leaf: Leaf) -> Market:
        """Return the columns of a leaf's universe."""
        key = (leaf.dataset, leaf.universe)
        if key not in self._cut:
            panel = self._panels[leaf.dataset].select(leaf.universe)
            self._cut[key] = Market(panel.returns, panel.observed, panel.priced, panel.dollar_volume)
        return self._cut[key]


def _inputs(
    node: Node, label: str, plan: Plan, markets: Markets, newest: Mapping[str, Block], begun: Mapping[str, bool]
) -> LeafInputs | MetaInputs:
    rows = node.partitions[label]
    dates = node.calendar.sessions[rows]
    if isinstance(node.spec, Leaf):
        return _leaf_inputs(node.spec, markets.of(node.spec), rows, dates)
    children = [child.digest for child in node.spec.children]
    nodes = [plan.nodes[key] for key in children]
    return MetaInputs(
        dates=dates,
        common=node.calendar.common[rows],
        children=[newest.get(key) for key in children],
        begun=[begun[key] for key in children],
        ends=np.array([n.calendar.sessions[-1] if n.calendar.ended else "NaT" for n in nodes], "datetime64[D]"),
        layouts=[n.layout for n in nodes],
        layout=node.layout,
    )


def _leaf_inputs(leaf: Leaf, market: Market, rows: slice, dates: np.ndarray) -> LeafInputs:
    before = min(leaf.lookback, rows.start)
    reach = slice(rows.start - before, rows.stop)
    volume = None if market.dollar_volume is None else market.dollar_volume[reach]
    return LeafInputs(dates, before, market.returns[reach], market.observed[reach], market.priced[rows], volume)


class BacktestEngine:
    """Walks a forest of trees over panels of prices."""

    def __init__(
        self,
        portfolios: Sequence[Sleeve],
        panels: Mapping[str, Panel],
        *,
        is_meta_backtest: bool | None = None,
        executor: Executor | None = None,
        cache: Cache | None = None,
    ) -> None:
        """Take the trees and the prices.

        Parameters
        ----------
        portfolios : trees to walk; distinct sleeves are walked once
        panels : prices by dataset
        is_meta_backtest : None walks each tree as it is; True insists that it has sleeves; False walks the flat
            baseline instead: one sleeve over the union of its leaves' universes under the root's optimizer
        executor : where to walk; default in this process
        cache : where blocks are remembered; default nowhere

        Raises
        ------
        ConfigError
            If `is_meta_backtest` asks for what a tree cannot be.
        """
        self.panels = dict(panels)
        self.portfolios = tuple(self._shape(tree, is_meta_backtest) for tree in portfolios)
        self.executor = executor or Local()
        self.cache = cache or NoCache()

    def _shape(self, tree: Sleeve, is_meta_backtest: bool | None) -> Sleeve:
        if is_meta_backtest is True and not tree.sleeves:
            raise ConfigError(
                f"portfolio '{tree.name}' is a single leaf, so it is no meta backtest; "
                "give it sleeves or leave is_meta_backtest unset"
            )
        if is_meta_backtest is not False or not tree.sleeves:
            return tree
        check_data(tree, self.panels)
        used: dict[str, set[str]] = {}
        for _, leaf in tree.leaves():
            used.setdefault(leaf.dataset, set()).update(leaf.universe)
        joined = join_panels([self.panels[name].select(sorted(used[name])) for name in sorted(used)])
        self.panels[joined.name] = joined
        return flatten_tree(tree, joined.name)

    @cached_property
    def plan(self) -> Plan:
        """What is going to be walked."""
        return plan_forest(self.portfolios, self.panels)

    def run(self, progress: Progress | None = None) -> Mapping[str, Walk]:
        """Walk the forest; returns walks by spec digest."""
        return self.executor.walk(self.plan, self.cache, progress)
