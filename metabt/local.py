"""The local executor: every block in this process, one after another. It is the reference for all others.

1. For each partition in time order, for each sleeve that has sessions in it, children first:
2. gather its inputs: slices of its panel, or its children's blocks
3. ask the cache for the block under its key; else `advance`, and put what came out
4. drop what only the parents needed, once they have had it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from metabt.block import Block, Book, LeafState, MetaState
from metabt.errors import RunError
from metabt.fingerprint import code_digest, digest, library_versions
from metabt.forest import Node, Plan
from metabt.leaf import LeafInputs
from metabt.meta.walk import MetaInputs
from metabt.panel import Panel
from metabt.ports import Cache, Lap, Progress, Walk, WalkState
from metabt.sleeve import Leaf
from metabt.stopwatch import Stopwatch
from metabt.walk_forward import advance


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


def initial_state(node: Node) -> WalkState:
    """Return the state of a sleeve before its first session."""
    if isinstance(node.spec, Leaf):
        return LeafState.initial(len(node.spec.universe))
    return MetaState.initial(len(node.spec.children), node.layout.n_columns)


def block_key(node: Node, inputs: LeafInputs | MetaInputs, state: WalkState) -> str:
    """Return the digest that addresses a block: code, libraries, spec, start state and inputs."""
    return digest([code_digest("metabt.walk_forward"), library_versions(), node.spec.digest, state, inputs])


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
    shares = nothing if block.shares is block.book.after else block.shares
    return replace(block, book=book, shares=shares, earned_by_asset=nothing, gaps=None)


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
