"""A cached walk: what it claims, finds, computes and says of it, sleeve by sleeve and partition by partition."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from metabt.build import cached_walk
from metabt.build.cache import MemoryCache, NoCache
from metabt.build.cached_walk import CachedWalk, ended
from metabt.build.plan import Node, Plan
from metabt.build.ports import Sealed, Step
from metabt.errors import RunError
from metabt.portfolio.sleeve import Leaf
from tests.shared.executors import LEAF, NESTED, engine


class Asked(MemoryCache):
    """A cache that notes what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.claims: list[str] = []
        self.puts: list[str] = []
        self.published = 0

    def claim(self, key: str) -> AbstractContextManager[None]:
        self.claims.append(key)
        return super().claim(key)

    def put(self, key: str, kind: str, parts: Any) -> Sealed:
        self.puts.append(key)
        return super().put(key, kind, parts)

    def publish(self) -> None:
        self.published += 1


@pytest.fixture(scope="module")
def plan() -> Plan:
    return engine([NESTED]).plan


Steps = list[tuple[str, Node, Step]]


def steps(plan: Plan, cache: MemoryCache | NoCache, *, ahead: bool = False, **failed: RunError) -> Steps:
    walk, found = CachedWalk(plan, cache, ahead=ahead), []
    walk.failures.update(failed)
    for label in plan.labels:
        walk.enter(label)
        for node in plan.remembered(label):
            made = walk.is_made(node)
            assert made in (True, False)
            step = walk.step(node)
            found.append((label, node, step))
            assert not made or (ahead and not step.found and not node.children)
    return found


def test_only_what_is_not_found_is_claimed_and_put(plan: Plan) -> None:
    cache = Asked()
    first = steps(plan, cache)
    assert cache.claims == cache.puts == [step.key for _, _, step in first] and len(set(cache.puts)) == plan.n_blocks
    assert not any(step.found for _, _, step in first)
    before = cache.published
    again = steps(plan, cache)
    assert len(cache.claims) == len(cache.puts) == plan.n_blocks
    assert cache.published - before == len(plan.labels) + 1  # as each is entered, and the one ahead of the first
    for (_, _, one), (_, _, other) in zip(first, again, strict=True):
        assert other.found and other.key == one.key and other.sealed is one.sealed


def test_what_is_made_ahead_is_claimed_once_a_leaf(plan: Plan) -> None:
    cache = Asked()
    found = steps(plan, cache, ahead=True)
    n_leaves = sum(isinstance(node.spec, Leaf) for node in plan.nodes.values())
    n_above = sum(len(node.partitions) for node in plan.nodes.values() if node.children)
    assert len(cache.claims) == n_leaves + n_above and len(cache.puts) == plan.n_blocks
    assert {step.key for _, _, step in found} == set(cache.puts)


@pytest.mark.parametrize("cached", ["computed", "ahead", "found", "nothing"])
def test_laps_are_of_the_partition_and_cover_its_sessions_and_decisions(plan: Plan, cached: str) -> None:
    cache = NoCache() if cached == "nothing" else MemoryCache()
    if cached == "found":
        steps(plan, cache)
    held: dict[str, int] = {}
    for label, node, step in steps(plan, cache, ahead=cached == "ahead"):
        assert step.sealed is not None and step.failure is None and (step.key == "") == (cached == "nothing")
        block = step.sealed.parts["block"]
        n_sessions = node.partitions[label].stop - node.partitions[label].start
        np.testing.assert_array_equal(block.dates, node.calendar.sessions[node.partitions[label]])
        rows = {lap.stage: lap.rows for lap in step.laps}
        assert {lap.partition for lap in step.laps} == {label} and len(rows) == len(step.laps)
        assert all(lap.seconds >= 0 and lap.cache_hit == (cached == "found") for lap in step.laps)
        if cached == "found":
            assert rows == {"block": n_sessions}
        elif not node.children:
            assert rows["holding"] == n_sessions
            held[node.spec.digest] = held.get(node.spec.digest, 0) + rows.get("optimization", 0)
    decided = {key: 0 for key in held}
    for _, node, step in steps(plan, MemoryCache()):
        if node.spec.digest in decided and step.sealed is not None:
            decided[node.spec.digest] += len(step.sealed.parts["block"].decisions.rows)
    assert all(0 < held[key] <= decided[key] for key in held)


def test_what_has_failed_is_not_walked_and_nor_is_what_stands_on_it(plan: Plan) -> None:
    leaf = next(key for key, node in plan.nodes.items() if node.label == "root/a/x")
    why = RunError("it has ended")
    cache = Asked()
    for _, node, step in steps(plan, cache, **{leaf: why}):
        failed = node.label in ("root/a/x", "root/a", "root")
        assert (step.failure is why) == failed and (step.sealed is None) == failed
    assert len(cache.puts) == sum(
        len(it.partitions) for it in plan.nodes.values() if it.label not in ("root/a/x", "root/a", "root")
    )


@pytest.mark.parametrize("error", [RunError("ruined"), MemoryError("Unable to allocate 5 GiB")])
def test_a_sleeve_that_fails_is_named_with_its_partition_and_the_others_go_on(
    plan: Plan, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, label = cached_walk.advance, plan.labels[1]
    bad = next(node for node in plan.nodes.values() if node.label == "root/a/y")
    rows = bad.partitions[label]

    def advance(spec: Any, state: Any, inputs: Any, watch: Any) -> Any:
        if (
            spec is bad.spec
            and len(inputs.dates) == rows.stop - rows.start
            and inputs.dates[0] == bad.calendar.sessions[rows][0]
        ):
            raise error
        return real(spec, state, inputs, watch)

    monkeypatch.setattr(cached_walk, "advance", advance)
    found = steps(plan, MemoryCache())
    n_bytes = np.empty((rows.stop - rows.start + 20, 4)).nbytes + np.empty((rows.stop - rows.start, 4, 4)).nbytes
    memory = (
        f"sleeve 'root/a/y': it ran out of memory in partition {label}, whose windows take at most "
        f"{n_bytes / 2**20:.1f} MiB (4 columns, {rows.stop - rows.start} sessions) (Unable to allocate 5 GiB); shorten "
        "its lookback or universe, or use a larger machine"
    )
    text = "sleeve 'root/a/y': ruined" if isinstance(error, RunError) else memory
    for where, node, step in found:
        fails = node.label in ("root/a/y", "root/a", "root") and where >= label
        assert (str(step.failure) == text) == fails == (step.failure is not None)
    assert str(ended(bad, label, rows, error)) == text  # type: ignore[arg-type]


def test_what_was_made_elsewhere_is_adopted_as_if_it_had_been_made_here(plan: Plan) -> None:
    cache = MemoryCache()
    made = {(label, node.label): step for label, node, step in steps(plan, cache)}
    walk = CachedWalk(plan, Asked())
    for label in plan.labels:
        walk.enter(label)
        for node in plan.remembered(label):
            if isinstance(node.spec, Leaf):
                step = made[label, node.label]
                assert walk.adopt(node, step) is step and walk.states[node.spec.digest] is step.sealed.parts["state"]  # type: ignore[union-attr]
            else:
                step = walk.step(node)
                assert not step.found and replace(step, laps=(), sealed=None) == replace(
                    made[label, node.label], laps=(), sealed=None
                )


def test_a_single_leaf_is_walked_with_and_without_a_cache_to_the_same_numbers() -> None:
    plan = engine([LEAF]).plan
    for (_, _, one), (_, _, other) in zip(steps(plan, NoCache()), steps(plan, MemoryCache()), strict=True):
        assert one.sealed is not None and other.sealed is not None
        assert one.sealed.parts["block"].net.tobytes() == other.sealed.parts["block"].net.tobytes()
        assert one.sealed.digests == {} and set(other.sealed.digests) == {"state", "block"}
