"""The memory estimate: it grows with what grows, and comes near to what is allocated."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from metabt.build.memory_estimate import (
    MORE,
    PRICES,
    READING,
    SLEEVES,
    STARTED,
    TABLES,
    MemoryEstimate,
    memory_estimate,
)
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.local import Local
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from tests.shared import panels

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
