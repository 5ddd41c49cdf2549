"""Deciding ahead: leaves that decide for many partitions at once leave the bytes of those that decide at their time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from metabt.build import decided_ahead
from metabt.build.cache import MemoryCache
from metabt.build.cached_walk import CachedWalk
from metabt.build.plan import Plan
from metabt.build.ports import Sealed
from metabt.engines.backtest_engine import BacktestEngine
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from metabt.walk.block import Decisions
from tests.shared import laws, trees
from tests.shared.executors import LEAF, NESTED, engine
from tests.shared.panels import stocks

Digests = dict[str, dict[str, str]]


class Remembering(MemoryCache):
    """A cache that says what was put into it, and forgets what it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.put_by_key: Digests = {}
        self.forgotten: set[str] = set()

    def get(self, key: str, kind: str) -> Sealed | None:
        return None if key in self.forgotten else super().get(key, kind)

    def put(self, key: str, kind: str, parts: Any) -> Sealed:
        self.forgotten.discard(key)
        sealed = super().put(key, kind, parts)
        self.put_by_key[key] = dict(sealed.digests)
        return sealed


def walked(plan: Plan, cache: Remembering, ahead: bool) -> Digests:
    """Return key -> digests of what was computed."""
    cache.put_by_key.clear()
    walk = CachedWalk(plan, cache, ahead=ahead)
    for label in plan.labels:
        walk.enter(label)
        for node in plan.remembered(label):
            walk.step(node)
    return dict(cache.put_by_key)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Return the leaf and the number of sessions of every time that a leaf decides ahead."""
    seen: list[tuple[str, int]] = []
    decide = decided_ahead.decide

    def noted(spec: Any, state: Any, inputs: Any, watch: Any) -> Decisions:
        seen.append((spec.digest, len(inputs.dates)))
        return decide(spec, state, inputs, watch)

    monkeypatch.setattr(decided_ahead, "decide", noted)
    return seen


@settings(max_examples=15)
@given(trees.portfolios(), laws.SEEDS)
def test_blocks_of_random_trees_have_the_same_bytes(tree: dict[str, Any], seed: int) -> None:
    plan = engine([tree], seed).plan
    assert walked(plan, Remembering(), ahead=True) == walked(plan, Remembering(), ahead=False)


def test_a_leaf_of_which_nothing_is_known_decides_once(spans: list[tuple[str, int]]) -> None:
    plan = engine([NESTED]).plan
    ahead = walked(plan, Remembering(), ahead=True)
    leaves = {key: node for key, node in plan.nodes.items() if not node.children}
    assert dict(spans) == {key: len(node.calendar.sessions) for key, node in leaves.items()} and len(spans) == 4
    assert all(len(node.partitions) > 2 for node in leaves.values())
    assert ahead == walked(plan, Remembering(), ahead=False)


@pytest.fixture(scope="module")
def long() -> Plan:
    """Return the plan of one leaf over ten years."""
    prices = to_prices("stocks", stocks(3, 2600))
    (sleeve,) = [resolve(LEAF, symbols={"stocks": prices.symbols})]
    return BacktestEngine([sleeve], {"stocks": prices}).plan


@pytest.mark.parametrize(
    ("missing", "decided"), [([4], []), ([4, 5], [2]), ([3, 4, 5], [2]), ([2, 3, 4, 5, 6, 7], [2, 4])]
)
def test_what_is_missing_in_the_middle_is_decided_for_one_two_and_four_partitions(
    long: Plan, spans: list[tuple[str, int]], missing: list[int], decided: list[int]
) -> None:
    cache = Remembering()
    stored = walked(long, cache, ahead=False)
    keys = list(stored)
    assert len(keys) == len(long.labels) >= 10
    cache.forgotten = {keys[place] for place in missing}
    assert walked(long, cache, ahead=True) == {keys[place]: stored[keys[place]] for place in missing}
    (node,) = long.nodes.values()
    rows = [node.partitions[label] for label in long.labels]
    begins = [missing[0] + 2**power - 1 for power in range(1, 1 + len(decided))]
    expected = [rows[begin + count - 1].stop - rows[begin].start for begin, count in zip(begins, decided, strict=True)]
    assert [n_sessions for _, n_sessions in spans] == expected


def test_where_blocks_are_found_again_it_begins_with_one_partition(long: Plan, spans: list[tuple[str, int]]) -> None:
    cache = Remembering()
    keys = list(walked(long, cache, ahead=False))
    cache.forgotten = {keys[1], keys[3], keys[5]}
    assert list(walked(long, cache, ahead=True)) == [keys[1], keys[3], keys[5]]
    assert spans == []


def test_decisions_that_would_take_too_much_are_made_at_their_time(
    long: Plan, spans: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decided_ahead, "KEPT", 1000)
    assert walked(long, Remembering(), ahead=True) == walked(long, Remembering(), ahead=False)
    assert spans == []


def test_who_looks_at_what_it_holds_decides_at_its_time(spans: list[tuple[str, int]]) -> None:
    plan = engine([{**LEAF, "optimizer": {"name": "min_variance", "turnover_penalty": 0.0005}}]).plan
    assert walked(plan, Remembering(), ahead=True) == walked(plan, Remembering(), ahead=False)
    assert spans == []


def test_who_has_a_plugin_decides_at_its_time(spans: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decided_ahead, "plugin_versions", lambda spec: {"theirs": "1"})
    walked(engine([LEAF]).plan, Remembering(), ahead=True)
    assert spans == []
