"""The memory estimate: it grows with what grows, and comes near to what is allocated."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.build import memory_estimate as module
from metabt.build.memory_estimate import (
    CHUNK,
    LIBRARIES,
    MORE,
    PRICES,
    READING,
    SLEEVES,
    STARTED,
    TABLES,
    MemoryEstimate,
    actor_memory,
    memory_estimate,
)
from metabt.build.plan import Node, Plan, plan_forest
from metabt.data.dataset import Dataset
from metabt.data.prices import Prices
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.local import Local
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Leaf
from tests.shared import panels, trees
from tests.shared.laws import examples

RULES = {"lookback": 60, "schedule": "weekly", "dataset": "stocks"}


def job(n_leaves: int, keep: str = "all", n_trees: int = 1, **more: Any) -> BacktestEngine:
    """Return the engine of a tree of leaves over five stocks each."""
    prices = to_prices("stocks", panels.stocks(3, 900))
    names = list(prices.symbols)
    sleeves = {f"s{i:03d}": {"universe": names[:5], "lookback": 40 + i} for i in range(n_leaves)}
    settings = {"name": "root", "defaults": {**RULES, **more}, "sleeves": sleeves}
    forest = [resolve({**settings, "lookback": 60 + i}, symbols={"stocks": prices.symbols}) for i in range(n_trees)]
    return BacktestEngine(forest, {"stocks": prices}, keep=keep, executor=Local(threads=1))


def of(job: BacktestEngine) -> MemoryEstimate:
    return memory_estimate(job.plan, job.keep)


@pytest.mark.parametrize(("keep", "schedule"), [("all", "weekly"), ("summary", "weekly"), ("all", {"every": 2})])
def test_it_comes_near_to_what_arrays_take(keep: str, schedule: Any) -> None:
    """Within a factor of two of what NumPy asks for at the peak, prices left aside: they are there already."""
    warm = job(2, keep, schedule=schedule)
    warm.assemble(warm.run())
    it = job(120, keep, schedule=schedule)
    estimate = of(it)
    wanted = (estimate.total - STARTED - estimate.parts[PRICES]) / MORE
    tracemalloc.start()
    tables = it.assemble(it.run())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert tables and 0.5 < wanted / peak < 2.0, (wanted / 2**20, peak / 2**20)


def test_each_part_grows_with_what_it_is_of() -> None:
    few, many = of(job(10)), of(job(20))
    assert many.parts[SLEEVES] == pytest.approx(2 * few.parts[SLEEVES], rel=0.1)
    assert many.parts[READING] > 1.8 * few.parts[READING]
    assert many.parts[PRICES] == few.parts[PRICES]
    one, three = of(job(10, "summary", 1)), of(job(10, "summary", 3))
    assert three.parts[TABLES] == pytest.approx(3 * one.parts[TABLES], rel=1e-6)
    assert one.parts[TABLES] < few.parts[TABLES] / 4
    assert of(job(10, schedule={"every": 1})).parts[SLEEVES] > few.parts[SLEEVES]


def test_what_is_remembered_is_held_in_every_session_and_what_is_spilled_tree_by_tree() -> None:
    it = job(10, "summary", 3)
    plain, cached = (memory_estimate(it.plan, "summary", remembers=flag) for flag in (False, True))
    assert cached.parts[SLEEVES] >= plain.parts[SLEEVES]
    dense = 8 * 10 * 5 * len(next(iter(it.plan.nodes.values())).calendar.sessions)
    assert cached.parts[SLEEVES] > MORE * dense
    spilled = memory_estimate(it.plan, "summary", spilled=True)
    assert spilled.parts[TABLES] == pytest.approx(plain.parts[TABLES] / 3, rel=1e-6)


def test_the_largest_part_is_named_and_parts_add_up() -> None:
    estimate = of(job(10))
    assert estimate.total == sum(estimate.parts.values())
    name, size = estimate.largest
    assert size == max(estimate.parts.values()) and estimate.parts[name] == size
    assert replace(estimate, parts={**estimate.parts, TABLES: 2**40}).largest == (TABLES, 2**40)


APART = {"weekly": 5, "monthly": 21}
"""Period -> sessions from one decision to the next."""


@cache
def market(volumes: frozenset[str] = frozenset()) -> dict[str, Prices]:
    """Return prices of stocks and coins, of some of them with volumes."""
    found = {name: to_prices(name, frame) for name, frame in panels.market(1).items()}
    return {name: replace(it, volume=np.ones_like(it.close)) if name in volumes else it for name, it in found.items()}


def forest(settings: list[dict[str, Any]], prices: dict[str, Prices], *, fleeting: bool = False) -> Plan:
    symbols = {name: it.symbols for name, it in prices.items()}
    datasets = {name: Dataset.of(it) for name, it in prices.items()}
    return plan_forest([resolve(it, symbols=symbols) for it in settings], datasets, fleeting=fleeting)


def shape(node: Node) -> tuple[int, int, int]:
    """Return the sessions, decisions and items of a sleeve."""
    n_sessions, schedule = len(node.calendar.sessions), node.spec.schedule
    children = () if isinstance(node.spec, Leaf) else node.spec.children
    n_items = len(node.spec.universe) if isinstance(node.spec, Leaf) else len(children)
    return n_sessions, n_sessions // (schedule.every or APART[str(schedule.period)]), n_items


def n_columns(spec: Any) -> int:
    return len(spec.universe) if isinstance(spec, Leaf) else sum(n_columns(child) for child in spec.children)


@given(
    st.lists(trees.portfolios(), min_size=1, max_size=3),
    st.booleans(),
    st.sampled_from(["all", "summary"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 2**40]),
    st.sampled_from([1_000, 2**40]),
    st.frozensets(st.sampled_from(["stocks", "coins"])),
)
@examples(30)
def test_every_part_is_what_its_arrays_come_to(
    settings: list[dict[str, Any]],
    fleeting: bool,
    keep: str,
    remembers: bool,
    spilled: bool,
    held: int,
    chunk: int,
    volumes: frozenset[str],
) -> None:
    """Whatever the forest: a column of eight bytes for each number, and one for each flag."""
    plan = forest(settings, market(volumes), fleeting=fleeting)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "HELD", held)
        patched.setattr(module, "CHUNK", chunk)
        found = memory_estimate(plan, keep, remembers=remembers, spilled=spilled).parts
    roots = {tree.spec.digest for tree in plan.trees}
    kept = streams = dense = widest = 0
    read = set()
    for digest, node in plan.nodes.items():
        n_sessions, n_decisions, n_items = shape(node)
        if isinstance(node.spec, Leaf):
            read.add(node.spec.dataset)
            dense += np.empty((n_sessions, n_items)).nbytes
        else:
            covariances = np.empty((n_decisions, n_items, n_items)).nbytes
            books = 2 * np.empty((n_decisions, n_columns(node.spec))).nbytes
            widest = max(widest, 60 * n_sessions * n_items + min(covariances + books, chunk))
        if digest in plan.fleeting:
            assert fleeting and digest in roots
            continue
        streams += np.empty((n_sessions, 5)).nbytes
        # weights, risk and a reason; before and after
        kept += n_decisions * n_items * (np.empty(4).nbytes + np.empty(1, np.int8).nbytes)
    tables = []
    for tree in plan.trees:
        sleeves = [plan.nodes[it.spec.digest] for _, it in tree.walk()]
        rows = [shape(node) for node in (sleeves if keep == "all" else sleeves[:1])]
        books = 64 * shape(sleeves[0])[1] * n_columns(tree.spec) if keep == "all" else 0
        tables.append(sum(64 * n_sessions + 40 * n_decisions * n_items for n_sessions, n_decisions, n_items in rows))
        tables[-1] += books
    prices = 0
    for name in read:
        it = market(volumes)[name]
        matrices = (it.close, it.returns, it.returns_by_asset, it.observed, it.priced, it.volume)
        prices += sum(matrix.nbytes for matrix in matrices if matrix is not None)
    bytes_of = {
        PRICES: prices,
        SLEEVES: streams + kept + (dense if remembers or dense <= held else 0),
        READING: widest,
        TABLES: max(tables) if spilled else sum(tables),
    }
    assert found == {LIBRARIES: 200 * 2**20, **{name: int(1.35 * it) for name, it in bytes_of.items()}}


@pytest.mark.parametrize("n_sessions", [300, 1500])
@pytest.mark.parametrize("volume", [False, True])
@pytest.mark.parametrize("gaps", [False, True])
def test_prices_come_near_to_what_is_held_of_them(n_sessions: int, volume: bool, gaps: bool) -> None:
    """Within a factor of two of all arrays that a walk leaves of them."""
    prices = to_prices("stocks", panels.stocks(3, n_sessions, gaps=gaps))
    prices = replace(prices, volume=np.ones_like(prices.close)) if volume else prices
    leaf = {"name": "leaf", **RULES, "universe": ["AA", "CC", "EE"], "selector": "log_mps" if volume else "all"}
    it = BacktestEngine([resolve(leaf, symbols={"stocks": prices.symbols})], {"stocks": prices})
    estimate = of(it)
    it.run()
    read = it.plan.datasets["stocks"].since(0)
    arrays = {id(array): array.nbytes for array in vars(read).values() if isinstance(array, np.ndarray)}
    assert "returns" in vars(read)
    assert 0.5 < estimate.parts[PRICES] / sum(arrays.values()) < 2.0, (estimate.parts[PRICES], sum(arrays.values()))


def test_an_actor_holds_prices_of_a_window_what_is_formed_at_a_time_and_blocks_of_a_partition() -> None:
    plan = job(3).plan
    longest = max(rows.stop - rows.start for node in plan.nodes.values() for rows in node.partitions.values())
    n_symbols = len(plan.datasets["stocks"].facts.symbols)
    leaves = [key for key, node in plan.nodes.items() if isinstance(node.spec, Leaf)]
    for keys in (leaves[:1], leaves):
        blocks = sum(16 * longest * plan.nodes[key].layout.n_columns for key in keys)
        prices, formed = 34 * (longest + plan.lookback) * n_symbols, 8 * longest * 5**2
        assert actor_memory(plan, keys) == STARTED + int(MORE * (prices + formed + blocks))
    (root,) = set(plan.nodes) - set(leaves)  # it reads no prices
    blocks = 16 * longest * plan.nodes[root].layout.n_columns
    assert actor_memory(plan, [root]) == STARTED + int(MORE * (8 * longest * 3**2 + blocks))
    assert actor_memory(plan, []) == STARTED


def test_what_is_formed_at_a_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = job(1).plan
    leaf = next(key for key, node in plan.nodes.items() if isinstance(node.spec, Leaf))
    before = actor_memory(plan, [leaf])
    monkeypatch.setattr(module, "CHUNK", 10)
    assert CHUNK > 10 and actor_memory(plan, [leaf]) < before


def test_an_actor_reads_the_datasets_of_its_own_leaves_each_with_its_symbols() -> None:
    held = {
        name: to_prices(name, frame)
        for name, frame in (("stocks", panels.stocks(3, 900)), ("coins", panels.coins(3, 900)))
    }
    sleeves = {name: {"universe": list(it.symbols)[:2], "dataset": name} for name, it in held.items()}
    symbols = {name: it.symbols for name, it in held.items()}
    tree = resolve({"name": "root", "defaults": RULES, "sleeves": sleeves}, symbols=symbols)
    plan = plan_forest([tree], {name: Dataset.of(it) for name, it in held.items()})
    leaves = {node.spec.dataset: key for key, node in plan.nodes.items() if isinstance(node.spec, Leaf)}
    assert len({len(it.symbols) for it in held.values()}) == 2

    def prices(*names: str) -> float:
        nodes = [plan.nodes[leaves[name]] for name in names]
        longest = max(rows.stop - rows.start for node in nodes for rows in node.partitions.values())
        rest = 8 * longest * 2**2 + sum(16 * longest * node.layout.n_columns for node in nodes)
        taken = (actor_memory(plan, [leaves[name] for name in names]) - STARTED) / MORE - rest
        return taken / 34 / (longest + plan.lookback)

    for names in (("stocks",), ("coins",), ("stocks", "coins")):
        assert prices(*names) == pytest.approx(sum(len(symbols[name]) for name in names), abs=1e-3)
