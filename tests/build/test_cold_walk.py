"""Cold walks: sleeves walked over all partitions at once leave the bytes of those walked from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from metabt.build import cold_walk, walk_result
from metabt.build.cache import MemoryCache
from metabt.build.cache.disk import DiskCache
from metabt.build.cold_walk import cold_sleeves
from metabt.build.keys import Histories
from metabt.build.plan import Plan
from metabt.build.ports import Cache
from metabt.build.walk_result import WalkResult
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.local import Local
from metabt.errors import MetabtError
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from metabt.walk.block import Assets
from metabt.walk.followed_rows import FollowedRows
from tests.build.test_walked_ahead import Digests, Remembering, walked
from tests.shared import laws, trees
from tests.shared.executors import LEAF, NESTED, WRAPPED, alike, engine, outcomes, years
from tests.shared.months import market, monthly
from tests.shared.panels import stocks


def cold(plan: Plan, cache: Remembering, threads: int = 1) -> Digests:
    """Return key -> digests of what the local executor computed."""
    cache.put_by_key.clear()
    Local(threads).walk(plan, cache, None)
    return dict(cache.put_by_key)


def at_its_time(plan: Plan) -> Digests:
    return walked(plan, Remembering(), ahead=False)


@settings(max_examples=40)
@given(trees.portfolios(), laws.SEEDS, st.sampled_from([1, 1, 3]))
def test_blocks_of_random_trees_have_the_same_keys_and_bytes(tree: dict[str, Any], seed: int, threads: int) -> None:
    plan = engine([tree], seed).plan
    assert cold(plan, Remembering(), threads) == at_its_time(plan)


@settings(max_examples=40)
@given(trees.portfolios(), laws.SEEDS, st.sampled_from([1, 1, 3]))
def test_so_have_those_of_many_short_partitions(tree: dict[str, Any], seed: int, threads: int) -> None:
    with monthly():
        plan = engine([tree], seed).plan
        assert cold(plan, Remembering(), threads) == at_its_time(plan)


@settings(max_examples=40)
@given(trees.portfolios(), laws.SEEDS, st.booleans(), st.booleans())
def test_so_have_those_of_data_with_gaps_that_end(tree: dict[str, Any], seed: int, gaps: bool, ended: bool) -> None:
    prices = market(seed, gaps, ended)
    with monthly():
        try:
            sleeve = resolve(tree, symbols={name: held.symbols for name, held in prices.items()})
            plan = BacktestEngine([sleeve], prices).plan
        except MetabtError:
            reject()
        assert cold(plan, Remembering()) == at_its_time(plan)


@settings(max_examples=15)
@given(trees.portfolios(), laws.SEEDS, st.integers(60, 300))
def test_so_have_those_that_appended_data_add(tree: dict[str, Any], seed: int, later: int) -> None:
    frames = years(seed)
    with monthly():
        plans = [
            _plan(tree, {name: frame.iloc[: len(frame) - less] for name, frame in frames.items()})
            for less in (later, 0)
        ]
        cache = Remembering()
        first, second = (cold(plan, cache) for plan in plans)
        whole = at_its_time(plans[1])
    assert {**first, **second}.items() >= whole.items() and second.items() <= whole.items()


def _plan(tree: dict[str, Any], frames: dict[str, Any]) -> Plan:
    prices = {name: to_prices(name, frame) for name, frame in frames.items()}
    symbols = {name: held.symbols for name, held in prices.items()}
    return BacktestEngine([resolve(tree, symbols=symbols)], prices).plan


@settings(max_examples=10)
@given(trees.portfolios(), laws.SEEDS, st.integers(0, 2**32 - 1))
def test_so_have_those_of_which_any_are_missing(tree: dict[str, Any], seed: int, draw: int) -> None:
    rng, cache = np.random.default_rng(draw), Remembering()
    with monthly():
        plan = engine([tree], seed).plan
        stored = walked(plan, cache, ahead=False)
        missing = {key for key in stored if rng.random() < 0.5}
        cache.forget(missing)
        again = cold(plan, cache)
    assert again == {key: stored[key] for key in stored if key in missing}


@settings(max_examples=10)
@given(trees.portfolios(), laws.SEEDS)
def test_a_forest_whose_leaves_are_followed_again_has_the_same_tables(tree: dict[str, Any], seed: int) -> None:
    job = engine([tree], seed, cache=MemoryCache(), executor=Local(threads=1))
    with patch.object(walk_result, "HELD", 0):
        lean = outcomes(job)
    assert alike(lean, outcomes(engine([tree], seed)))


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Return the sleeve and the number of partitions of every cold walk."""
    seen: list[tuple[str, int]] = []
    for name in ("leaf_over", "meta_over"):
        monkeypatch.setattr(cold_walk, name, _noting(getattr(cold_walk, name), seen))
    return seen


def _noting(over: Any, seen: list[tuple[str, int]]) -> Any:
    def noted(spec: Any, state: Any, inputs: Any, stops: Sequence[int], watch: Any) -> Any:
        seen.append((spec.digest, len(stops)))
        return over(spec, state, inputs, stops, watch)

    return noted


def test_a_tree_of_which_nothing_is_known_is_walked_once(spans: list[tuple[str, int]]) -> None:
    plan = engine([NESTED]).plan
    assert cold(plan, Remembering()) == at_its_time(plan)
    assert spans == [(key, len(plan.nodes[key].partitions)) for key, _ in spans]
    assert sorted(key for key, _ in spans) == sorted(plan.nodes)


def test_a_second_run_finds_every_block(spans: list[tuple[str, int]]) -> None:
    plan, cache = engine([NESTED]).plan, Remembering()
    cold(plan, cache)
    spans.clear()
    assert cold(plan, cache) == {} and spans == []


def found_cold(plan: Plan, cache: Cache) -> set[str]:
    return set(cold_sleeves(plan, cache, Histories(plan)))


def test_what_shares_a_sleeve_with_what_is_not_cold_is_walked_at_its_time() -> None:
    turning = {**NESTED, "name": "turning", "optimizer": {"name": "min_variance", "turnover_penalty": 0.0005}}
    plan = engine([turning, WRAPPED]).plan
    alone = engine([WRAPPED]).plan
    assert found_cold(plan, MemoryCache()) == set(alone.nodes)
    assert cold(plan, Remembering()) == at_its_time(plan)


def test_what_is_known_in_part_is_walked_at_its_time(spans: list[tuple[str, int]]) -> None:
    plan, cache = engine([NESTED, WRAPPED]).plan, Remembering()
    stored = walked(
        engine([NESTED["sleeves"]["b"] | {"name": "b", **NESTED["defaults"], "dataset": "coins"}]).plan, cache, False
    )
    found = found_cold(plan, cache)
    assert found == set(engine([WRAPPED]).plan.nodes)
    again = cold(plan, cache)
    assert {**stored, **again} == at_its_time(plan) and not again.keys() & stored.keys()
    assert {key for key, _ in spans} == found


def test_leaves_that_are_large_are_walked_at_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = engine([NESTED]).plan
    monkeypatch.setattr(cold_walk, "TOGETHER", 8 * 700 * (3 + cold_walk.STREAMS))
    assert found_cold(plan, MemoryCache()) == set()
    assert cold(plan, Remembering()) == at_its_time(plan)


def test_a_sleeve_of_which_a_later_block_is_known_is_given_up() -> None:
    plan = engine([LEAF]).plan
    cache = Remembering()
    stored = walked(plan, cache, ahead=False)
    first, second, *_ = stored
    cache.forget(key for key in stored if key != second)
    assert cold(plan, cache).keys() == stored.keys() - {second}


def test_who_is_ruined_leaves_its_blocks_up_to_there_and_others_all() -> None:
    frame = stocks(3, 1300).assign(AA=lambda it: it["AA"].where(it.index < it.index[1000], 1e9))
    rules = {name: LEAF[name] for name in ("lookback", "schedule", "dataset", "costs")}
    tree = {"name": "root", "optimizer": "equal", "defaults": rules}
    leaves = {"bad": {"universe": ["AA", "BB"], "direction": "short"}, "good": {"universe": ["BB", "CC"]}}
    plan = _plan({**tree, "sleeves": leaves}, {"stocks": frame})
    cache = Remembering()
    result = Local(1).walk(plan, cache, None)
    assert dict(cache.put_by_key) == at_its_time(plan)
    failures = {node.label: str(result.walks[key].failure) for key, node in plan.nodes.items()}
    assert "ruined" in failures["root/bad"] and failures["root"] == failures["root/bad"]
    assert failures["root/good"] == "None"
    assert result.walks[next(k for k, n in plan.nodes.items() if n.label == "root/good")].computed == len(plan.labels)


def test_what_is_kept_of_leaves_that_hold_much_is_followed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk_result, "HELD", 0)
    plan = engine([NESTED]).plan
    result: WalkResult = Local(1).walk(plan, Remembering(), None)
    held = [walk.whole.held for walk in result.walks.values()]
    assert all(isinstance(it.after, FollowedRows) for it in held if isinstance(it, Assets))
    assert result.computed == plan.n_blocks


def test_what_another_process_has_stored_is_not_cold(tmp_path: Path) -> None:
    plan = engine([NESTED]).plan
    with DiskCache(tmp_path / ".cache") as cache:
        assert found_cold(plan, cache) == set(plan.nodes)
        Local(1).walk(plan, cache, None)
    with DiskCache(tmp_path / ".cache") as again:
        assert found_cold(plan, again) == set()
        assert Local(1).walk(plan, again, None).computed == 0


@pytest.mark.parametrize("less", [0, 1])
def test_a_leaf_is_large_once_its_blocks_take_more_than_there_is_room_for(
    less: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its assets and its streams, eight bytes each a session; of a tree with a large leaf nothing is cold."""
    plan = engine([NESTED]).plan
    leaves = [node for node in plan.nodes.values() if not node.children]
    largest = max(np.empty((len(node.calendar.sessions), len(node.spec.universe) + 8)).nbytes for node in leaves)  # type: ignore[union-attr]
    monkeypatch.setattr(cold_walk, "TOGETHER", largest - less)
    assert found_cold(plan, MemoryCache()) == (set() if less else set(plan.nodes))
