"""Walking ahead: leaves that are walked over many partitions at once leave the bytes of those walked at their time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metabt.build import walked_ahead
from metabt.build.cache import MemoryCache
from metabt.build.cache.disk import DiskCache
from metabt.build.cached_walk import CachedWalk
from metabt.build.keys import BLOCK
from metabt.build.plan import Plan
from metabt.build.ports import Sealed
from metabt.engines.backtest_engine import BacktestEngine
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from metabt.walk.block import Block, LeafState
from tests.shared import laws, trees
from tests.shared.executors import LEAF, NESTED, engine
from tests.shared.months import monthly
from tests.shared.panels import stocks

Digests = dict[str, dict[str, str]]


class Remembering(MemoryCache):
    """A cache that says what was put into it, and forgets what it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.put_by_key: Digests = {}

    def forget(self, keys: Iterable[str]) -> None:
        for key in keys:
            del self.objects[key]

    def put(self, key: str, kind: str, parts: Any) -> Sealed:
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
    """Return the leaf and the number of sessions of every time that a leaf is walked over several partitions."""
    seen: list[tuple[str, int]] = []
    leaf_over = walked_ahead.leaf_over

    def noted(spec: Any, state: Any, inputs: Any, stops: Any, watch: Any) -> list[tuple[LeafState, Block]]:
        if len(stops) > 1:
            seen.append((spec.digest, len(inputs.dates)))
        return leaf_over(spec, state, inputs, stops, watch)

    monkeypatch.setattr(walked_ahead, "leaf_over", noted)
    return seen


@settings(max_examples=15)
@given(trees.portfolios(), laws.SEEDS)
def test_blocks_of_random_trees_have_the_same_bytes(tree: dict[str, Any], seed: int) -> None:
    plan = engine([tree], seed).plan
    assert walked(plan, Remembering(), ahead=True) == walked(plan, Remembering(), ahead=False)


@settings(max_examples=10)
@given(trees.portfolios(), laws.SEEDS)
def test_so_have_those_of_many_short_partitions(tree: dict[str, Any], seed: int) -> None:
    with monthly():
        plan = engine([tree], seed).plan
        assert walked(plan, Remembering(), ahead=True) == walked(plan, Remembering(), ahead=False)


@settings(max_examples=10)
@given(trees.portfolios(), laws.SEEDS, st.sampled_from([100, 1_000, 10_000]))
def test_so_have_those_of_leaves_that_are_walked_over_few_of_them(tree: dict[str, Any], seed: int, most: int) -> None:
    with monthly(), patch.object(walked_ahead, "TOGETHER", most):
        plan = engine([tree], seed).plan
        assert walked(plan, Remembering(), ahead=True) == walked(plan, Remembering(), ahead=False)


@settings(max_examples=10)
@given(trees.portfolios(), laws.SEEDS, st.integers(0, 2**32 - 1))
def test_so_have_those_of_which_any_are_missing(tree: dict[str, Any], seed: int, draw: int) -> None:
    rng, cache = np.random.default_rng(draw), Remembering()
    with monthly():
        plan = engine([tree], seed).plan
        stored = walked(plan, cache, ahead=False)
        missing = {key for key in stored if rng.random() < 0.5}
        cache.forget(missing)
        again = walked(plan, cache, ahead=True)
    assert again == {key: stored[key] for key in stored if key in missing}


def test_a_leaf_of_which_nothing_is_known_is_walked_once(spans: list[tuple[str, int]]) -> None:
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
    ("missing", "over"), [([4], []), ([4, 5], [2]), ([3, 4, 5], [2]), ([2, 3, 4, 5, 6, 7], [2, 4])]
)
def test_what_is_missing_in_the_middle_is_walked_over_one_two_and_four_partitions(
    long: Plan, spans: list[tuple[str, int]], missing: list[int], over: list[int]
) -> None:
    cache = Remembering()
    stored = walked(long, cache, ahead=False)
    keys = list(stored)
    assert len(keys) == len(long.labels) >= 10
    cache.forget(keys[place] for place in missing)
    assert walked(long, cache, ahead=True) == {keys[place]: stored[keys[place]] for place in missing}
    (node,) = long.nodes.values()
    rows = [node.partitions[label] for label in long.labels]
    begins = [missing[0] + 2**power - 1 for power in range(1, 1 + len(over))]
    expected = [rows[begin + count - 1].stop - rows[begin].start for begin, count in zip(begins, over, strict=True)]
    assert [n_sessions for _, n_sessions in spans] == expected


def test_where_blocks_are_found_again_it_begins_with_one_partition(long: Plan, spans: list[tuple[str, int]]) -> None:
    cache = Remembering()
    keys = list(walked(long, cache, ahead=False))
    cache.forget([keys[1], keys[3], keys[5]])
    assert list(walked(long, cache, ahead=True)) == [keys[1], keys[3], keys[5]]
    assert spans == []


def test_less_is_walked_at_once_where_it_would_take_too_much(
    long: Plan, spans: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_their_time = walked(long, Remembering(), ahead=False)
    ((_, node),) = long.nodes.items()
    for bound in ("KEPT", "TOGETHER"):
        for partitions in (1, 2, 3):
            with monkeypatch.context() as patched:
                patched.setattr(walked_ahead, bound, 8 * (5 + walked_ahead.STREAMS) * 263 * partitions)
                assert walked(long, Remembering(), ahead=True) == at_their_time
            most = max([n_sessions for _, n_sessions in spans], default=0)
            assert most <= 263 * partitions and bool(spans) == (partitions > 1)
            assert sum(n_sessions for _, n_sessions in spans) <= len(node.calendar.sessions)
            spans.clear()


def test_who_looks_at_what_it_holds_is_walked_at_its_time(spans: list[tuple[str, int]]) -> None:
    plan = engine([{**LEAF, "optimizer": {"name": "min_variance", "turnover_penalty": 0.0005}}]).plan
    assert walked(plan, Remembering(), ahead=True) == walked(plan, Remembering(), ahead=False)
    assert spans == []


def test_who_has_a_plugin_is_walked_at_its_time(spans: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walked_ahead, "plugin_versions", lambda spec: {"theirs": "1"})
    walked(engine([LEAF]).plan, Remembering(), ahead=True)
    assert spans == []


def test_who_is_ruined_leaves_its_blocks_up_to_there(long: Plan) -> None:
    prices = to_prices("stocks", stocks(3, 2600).assign(AA=lambda it: it["AA"].where(it.index < "2027-06-01", 1e9)))
    (sleeve,) = [resolve({**LEAF, "direction": "short", "universe": ["AA", "BB"]}, symbols={"stocks": prices.symbols})]
    plan = BacktestEngine([sleeve], {"stocks": prices}).plan
    ends = []
    for ahead in (False, True):
        cache = Remembering()
        walk = CachedWalk(plan, cache, ahead=ahead)
        steps = []
        for label in plan.labels:
            walk.enter(label)
            steps += [walk.step(node) for node in plan.remembered(label)]
        ends.append(([(step.key, str(step.failure)) for step in steps], cache.put_by_key))
    assert ends[0] == ends[1]
    assert "ruined on 2027-06-01" in ends[0][0][-1][1] and 5 < len(ends[0][1]) < len(plan.labels)


def test_the_walk_goes_on_from_what_a_cache_returns(long: Plan) -> None:
    """It returns what is stored, and that may have been made in another way."""

    class Stubborn(Remembering):
        """Has something else stored for the third block, which it says when that is put."""

        def put(self, key: str, kind: str, parts: Any) -> Sealed:
            if len(self.put_by_key) == 2:
                parts = {**parts, "state": replace(parts["state"], index=7)}
            return super().put(key, kind, parts)

    assert walked(long, Stubborn(), ahead=True) == walked(long, Stubborn(), ahead=False)


@pytest.mark.parametrize("n_leaves", [1, 2, 3, 4])
def test_what_is_kept_for_later_is_shared_out_among_the_leaves(
    spans: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch, n_leaves: int
) -> None:
    """All of them together may keep what one of them alone may."""
    prices = to_prices("stocks", stocks(3, 2600))
    leaves = {f"s{i}": {**LEAF, "lag": i} for i in range(n_leaves)}
    for leaf in leaves.values():
        del leaf["name"]
    tree = {"name": "root", "lookback": 9, "schedule": "yearly", "sleeves": leaves}
    plan = BacktestEngine([resolve(tree, symbols={"stocks": prices.symbols})], {"stocks": prices}).plan
    kept = 8 * (5 + walked_ahead.STREAMS) * 263 * 8
    monkeypatch.setattr(walked_ahead, "KEPT", kept)
    walked(plan, Remembering(), ahead=True)
    most = {key: max(n for leaf, n in spans if leaf == key) for key, _ in spans}
    assert len(most) == n_leaves
    rows = sum(most.values()) * 8 * (5 + walked_ahead.STREAMS)
    assert kept / 2 < rows <= kept  # each of them rounds down to whole partitions


@pytest.mark.parametrize("partitions", [1, 2, 3])
def test_as_much_is_walked_at_once_in_the_middle_as_at_first(
    long: Plan, spans: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch, partitions: int
) -> None:
    """What counts is how much it is, not how far from the first session it ends."""
    cache = Remembering()
    keys = list(walked(long, cache, ahead=False))
    monkeypatch.setattr(walked_ahead, "TOGETHER", 8 * (5 + walked_ahead.STREAMS) * 263 * partitions)
    cache.forget(keys[4:])
    walked(long, cache, ahead=True)
    (node,) = long.nodes.values()
    rows, at, wanted, before = [node.partitions[label] for label in long.labels], 5, [], 1
    while at < len(rows):
        # twice as many as before, as long as they are not too many, and no further than there are any
        count = min(2 * before, partitions, len(rows) - at)
        wanted += [rows[at + count - 1].stop - rows[at].start] if count > 1 else []
        at, before = at + count, count
    assert [n_sessions for _, n_sessions in spans] == wanted and bool(wanted) == (partitions > 1)


@pytest.mark.parametrize("first", ["2021-12-31", "2021-12-30", "2021-06-01"])
@pytest.mark.parametrize("missing", [[1], [1, 2], [0, 2], [2]])
def test_however_short_the_first_partition_is_what_is_missing_after_it_is_walked(
    first: str, missing: list[int]
) -> None:
    prices = to_prices("stocks", stocks(3, 600, first=first))
    (sleeve,) = [resolve(LEAF, symbols={"stocks": prices.symbols})]
    plan = BacktestEngine([sleeve], {"stocks": prices}).plan
    cache = Remembering()
    stored = walked(plan, cache, ahead=False)
    keys = list(stored)
    cache.forget(keys[place] for place in missing)
    assert walked(plan, cache, ahead=True) == {keys[place]: stored[keys[place]] for place in missing}


class Disturbed(Exception):
    """What ends a test's walk."""


def test_other_processes_find_none_of_what_is_put_together_or_all(long: Plan, tmp_path: Path) -> None:
    """One claim on the first block is enough: who finds it finds those that follow."""
    (node,), keys = long.nodes.values(), list(walked(long, Remembering(), ahead=False))
    with DiskCache(tmp_path / ".cache") as cache, DiskCache(tmp_path / ".cache") as other:
        walk = CachedWalk(long, cache, ahead=True)
        walk.enter(long.labels[0])
        assert walk.step(node).key == keys[0]
        assert [other.known(key, BLOCK) for key in keys] == [None] * len(keys)
        cache.flush()
        assert None not in [other.known(key, BLOCK) for key in keys]
    assert len(list((tmp_path / ".cache" / "packs").iterdir())) == 1


def test_what_is_put_together_is_nowhere_if_that_fails(tmp_path: Path) -> None:
    key = "ab" * 32
    with DiskCache(tmp_path / ".cache") as cache:
        with pytest.raises(Disturbed), cache.claim(key), cache.together():
            cache.put(key, BLOCK, {"state": LeafState.initial(2)})
            raise Disturbed
        with cache.claim(key):
            assert cache.get(key, BLOCK) is None
        cache.put(key, BLOCK, {"state": LeafState.initial(2)})
        assert cache.get(key, BLOCK) is not None
