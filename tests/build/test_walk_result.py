"""A walk result: what is kept of a forest, what is made again when it is looked at, and what is counted."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from metabt.build import walk_result
from metabt.build.cache import MemoryCache, NoCache
from metabt.build.foreign_warnings import Heard
from metabt.build.inputs import Markets, Readings, initial_state
from metabt.build.plan import Plan
from metabt.build.ports import Lap, Sealed, Step
from metabt.build.walk_result import Walk, WalkResult
from metabt.engines.local import Local
from metabt.errors import RunError
from metabt.portfolio.handed_over import HandedOver
from metabt.portfolio.sleeve import Leaf
from metabt.walk.block import Assets
from metabt.walk.followed_rows import FollowedRows
from tests.shared.executors import LEAF, NESTED, WRAPPED, engine
from tests.shared.months import in_turn
from tests.shared.plain_estimators import InverseDeviation

OTHER = {**NESTED, "optimizer": "equal"}
"""A root over the same sleeves."""


def walked(plan: Plan, cache: Any = None) -> WalkResult:
    return Local(threads=1).walk(plan, cache or NoCache(), None)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return engine([NESTED, OTHER, WRAPPED], keep="summary").plan


def test_a_walk_adds_up_what_its_partitions_brought() -> None:
    (key,) = (plan := engine([LEAF]).plan).nodes
    block = walked(plan).walks[key].whole
    laps = [Lap(str(number), "holding", 1.0, number, False) for number in range(4)]
    heard = [Heard(f"w{number}", "", number) for number in range(4)]
    walk, ruin = Walk(initial_state(plan.nodes[key])), RunError("ruined")
    for number, found in enumerate([False, True, False, True]):
        state = replace(walk.state, index=number + 1)
        walk.add(
            Step("k", Sealed({"state": state, "block": block}, {}), found, (laps[number],), heard=(heard[number],))
        )
        assert walk.state is state and walk.failure is None
    assert (len(walk.blocks), walk.computed, walk.laps, walk.heard) == (4, 2, laps, heard)
    walk.add(Step(failure=ruin))
    walk.add(Step(failure=RunError("a later one")))
    assert walk.failure is ruin and (len(walk.blocks), walk.computed, walk.state.index) == (4, 2, 4)


@pytest.mark.parametrize("cached", [False, True])
def test_blocks_are_counted_by_sleeve_and_of_leaves_apart(plan: Plan, cached: bool) -> None:
    cache = MemoryCache() if cached else NoCache()
    found = walked(plan, cache)
    kept = {key: node for key, node in plan.nodes.items() if key not in plan.fleeting}
    leaves = [node for node in kept.values() if isinstance(node.spec, Leaf)]
    assert plan.fleeting and found.computed == sum(len(node.partitions) for node in kept.values())
    assert found.computed_leaves == sum(len(node.partitions) for node in leaves)
    if cached:
        again = walked(plan, cache)
        assert (again.computed, again.computed_leaves) == (0, 0)


def test_a_root_that_is_not_remembered_is_made_and_forgotten_with_the_answer(plan: Plan) -> None:
    found = walked(plan)
    roots = [plan.nodes[tree.spec.digest] for tree in plan.trees]
    for root in roots:
        key, below = root.spec.digest, set(found._opened)
        assert key in plan.fleeting and not found.walks[key].blocks
        whole = found.complete(root)
        book = whole.opened(root)
        assert book.block is whole.walks[key].whole and len(book.block.dates) == len(root.calendar.sessions)
        assert whole.opened(root) is book
        # counted, and nothing else of it stays; what it opened beneath goes with it
        assert not found.walks[key].blocks and found.walks[key].computed == len(root.partitions)
        assert set(found._opened) - below <= set(root.children) and key not in found._opened
        again = found.complete(root).opened(root)
        assert again is not book and again.block.net.tobytes() == book.block.net.tobytes()
    leaf = next(node for node in plan.nodes.values() if isinstance(node.spec, Leaf))
    assert found.complete(leaf) is found


class Warns(InverseDeviation):
    """Warns of every window."""

    def fit(self, X: np.ndarray) -> None:
        warnings.warn("thin ice", UserWarning, stacklevel=1)
        super().fit(X)


def test_what_a_root_warned_of_is_kept_with_the_forest_once_it_is_made() -> None:
    """As often as it decides, whether it is remembered or made later."""
    heard: list[list[Heard]] = []
    for options in ({}, {"keep": "summary"}):
        plan = engine([{**NESTED, "optimizer": HandedOver("Warns", {}, made=Warns)}], **options).plan
        found, root = walked(plan), plan.nodes[plan.trees[0].spec.digest]
        assert (root.spec.digest in plan.fleeting) == bool(options)
        block = found.complete(root).opened(root).block
        heard.append(list(found.walks[root.spec.digest].heard))
        made = block.decisions
        decided = [it for it, status in zip(made.rows, made.status, strict=True) if status == "ok"]
        assert len(decided) > 50
        assert heard[-1] == [Heard("UserWarning: thin ice", str(block.dates[decided[0]]), len(decided))]
    assert heard[0] == heard[1]


def test_a_root_that_is_made_later_has_the_bits_of_one_that_is_remembered(plan: Plan) -> None:
    whole = walked(engine([NESTED, OTHER, WRAPPED]).plan)
    found = walked(plan)
    for tree in plan.trees:
        root = plan.nodes[tree.spec.digest]
        one, other = found.complete(root).opened(root).block, whole.walks[tree.spec.digest].whole
        for name in ("gross", "cost", "net", "turnover", "netting", "traded"):
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


@pytest.mark.parametrize("gaps", [False, True])
def test_what_a_leaf_held_is_followed_again_where_all_hold_much(gaps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = engine([NESTED, LEAF], seed=3 + gaps).plan
    full = walked(plan)
    n_bytes = sum(
        np.asarray(full.walks[key].whole.held.after).nbytes for key, node in plan.nodes.items() if not node.children
    )
    for held, lean in ((n_bytes, False), (n_bytes - 1, True)):
        monkeypatch.setattr(walk_result, "HELD", held)
        found = walked(plan)
        for key, node in plan.nodes.items():
            block, expected = found.walks[key].whole, full.walks[key].whole
            if not isinstance(node.spec, Leaf):
                assert block.held.after.tobytes() == expected.held.after.tobytes()  # type: ignore[union-attr]
                continue
            assert isinstance(block.held, Assets) and isinstance(expected.held, Assets)
            assert isinstance(block.held.after, FollowedRows) == lean
            assert np.asarray(block.held.after).tobytes() == np.asarray(expected.held.after).tobytes()
            assert np.asarray(block.held.before).tobytes() == np.asarray(expected.held.before).tobytes()


def test_a_lean_block_keeps_no_hold_of_what_it_was_made_of(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of stored partitions that are put end to end, what was held before trades is copied out: they can go."""
    monkeypatch.setattr(walk_result, "HELD", 0)
    with in_turn():
        found, stored = walked(plan), walked(plan, MemoryCache())
    for key, node in plan.nodes.items():
        if isinstance(node.spec, Leaf):
            whole = stored.walks[key].whole
            block = found.lean(node, whole)
            assert isinstance(block.held, Assets) and isinstance(block.held.before, np.ndarray)
            assert isinstance(whole.held, Assets) and not isinstance(whole.held.before, np.ndarray)
            assert block.held.before.tobytes() == np.asarray(whole.held.before).tobytes()
            assert isinstance(block.held.after, FollowedRows)


def test_a_sleeve_is_walked_over_all_partitions_at_once_with_the_bits_of_one_after_another() -> None:
    plan = engine([NESTED]).plan
    with in_turn():
        one, other = walked(plan), walked(plan, MemoryCache())
    span = f"{plan.labels[0]}-{plan.labels[-1]}"
    for key, node in plan.nodes.items():
        found, expected = one.walks[key], other.walks[key]
        assert found.whole.net.tobytes() == expected.whole.net.tobytes()
        assert found.computed == len(node.partitions) == expected.computed
        assert len(found.blocks) == 1 and len(expected.blocks) == len(node.partitions)
        assert found.state.index == expected.state.index and found.failure is None
        assert {lap.partition for lap in found.laps} == {span}
        total = {lap.stage: 0 for lap in found.laps}
        for lap in expected.laps:
            total[lap.stage] += lap.rows
        assert {lap.stage: lap.rows for lap in found.laps} == total


@pytest.mark.parametrize("error", [RunError("ruined"), MemoryError("no room")])
def test_a_sleeve_that_fails_says_so_with_all_partitions_and_those_above_have_the_same(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, real = engine([NESTED]).plan, walk_result.advance
    bad = next(node for node in plan.nodes.values() if node.label == "root/a/x")

    def advance(spec: Any, *rest: Any) -> Any:
        if spec is bad.spec:
            raise error
        return real(spec, *rest)

    monkeypatch.setattr(walk_result, "advance", advance)
    found = walked(plan)
    n = len(bad.calendar.sessions)
    n_bytes = np.empty((n + 20, 3)).nbytes + np.empty((n, 3, 3)).nbytes
    memory = (
        f"sleeve 'root/a/x': it ran out of memory in partition {plan.labels[0]}-{plan.labels[-1]}, whose windows take "
        f"at most {n_bytes / 2**20:.1f} MiB (3 columns, {n} sessions) (no room); shorten its lookback or universe, or "
        "use a larger machine"
    )
    text = "sleeve 'root/a/x': ruined" if isinstance(error, RunError) else memory
    for key, node in plan.nodes.items():
        failed = node.label in ("root/a/x", "root/a", "root")
        walk = found.walks[key]
        assert (walk.failure is not None) == failed and bool(walk.blocks) != failed
        assert not failed or (str(walk.failure) == text and walk.computed == 0)


def test_what_sleeves_over_the_same_children_read_is_made_once_and_goes_with_the_last(plan: Plan) -> None:
    found = walked(plan)
    first, second, _ = (plan.nodes[tree.spec.digest] for tree in plan.trees)
    assert first.children == second.children
    read = found.inputs(first)
    assert found.inputs(second) is read
    found.forget(first, last=False)
    assert found.inputs(second) is read
    found.forget(second, last=True)
    assert found.inputs(second) is not read
    np.testing.assert_array_equal(found.inputs(second).dates, read.dates)


def test_what_is_measured_under_a_key_is_measured_once(plan: Plan) -> None:
    found, asked = walked(plan), list[str]()

    def measure(what: str) -> dict[str, float]:
        asked.append(what)
        return {what: float(len(asked))}

    keys = [("a", "x"), ("a", "y"), ("a", "x"), ("b", "x"), ("a", "y")]
    assert [found.noted(key, lambda it=key: measure("/".join(it))) for key in keys] == [
        {"a/x": 1.0},
        {"a/y": 2.0},
        {"a/x": 1.0},
        {"b/x": 3.0},
        {"a/y": 2.0},
    ]
    assert asked == ["a/x", "a/y", "b/x"]


def test_a_leaf_is_walked_on_what_it_is_given_to_read() -> None:
    plan = engine([LEAF]).plan
    (node,) = plan.nodes.values()
    result = WalkResult(plan, {node.spec.digest: Walk(initial_state(node))})
    walk = result.walk(node, Readings(plan, Markets(plan)))
    assert walk.whole.net.tobytes() == walked(plan).walks[node.spec.digest].whole.net.tobytes()
    assert walk.computed == len(node.partitions) and walk.heard == []
