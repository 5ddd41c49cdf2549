"""The parts that a key is made of: each function of keys by itself, with what it must tell apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from metabt.build import keys
from metabt.build.keys import (
    INITIAL,
    Lineage,
    basis,
    made_by,
    made_with,
    node_key,
    plan_basis,
    plugin_versions,
)
from metabt.build.plan import Node, Plan
from metabt.build.sleeve_code import kind_of
from metabt.portfolio.sleeve import Estimator, Leaf, Meta
from metabt.values.reached_code import Code
from tests.shared.executors import NESTED, WRAPPED, engine

SHA = re.compile(r"[0-9a-f]{64}")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return engine([NESTED, WRAPPED]).plan


@pytest.fixture
def forgetful() -> Iterator[None]:
    basis.cache_clear()
    yield
    basis.cache_clear()


def leaf(*names: str, selector: str = "all") -> Leaf:
    optimizer, *others = (Estimator(name) for name in names)
    return Leaf(dataset="d", universe=("A",), optimizer=optimizer, fallback=tuple(others), selector=Estimator(selector))


def test_plug_ins_are_named_with_the_versions_of_all_that_they_require_and_of_their_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    required = {("optimizer", "one"): {"solver": "1.0", "maths": "2.1"}, ("selector", "pick"): {"picker": "0.3"}}
    files = {("optimizer", "one"): {"solver (files)": "ab12"}, ("optimizer", "two"): {"other (files)": "cd34"}}
    monkeypatch.setattr(keys, "requirements", lambda *named: required.get(named, {}))
    monkeypatch.setattr(keys, "sources", lambda *named: files.get(named, {}))
    spec = leaf("one", "two", selector="pick")
    expected = {"solver": "1.0", "maths": "2.1", "picker": "0.3", "solver (files)": "ab12", "other (files)": "cd34"}
    assert plugin_versions(spec) == expected
    assert plugin_versions(Meta(children=(spec,), optimizer=Estimator("two"), fallback=())) == {"other (files)": "cd34"}
    assert plugin_versions(leaf("equal")) == {}


@pytest.mark.usefixtures("forgetful")
def test_a_basis_is_one_digest_of_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for code, version, machine, number in ("aaaa", "baaa", "abaa", "aaba", "aaab"):
        monkeypatch.setattr(keys, "code_of_kind", lambda kind, it=(code, version): Code(it[0], {}, {"numpy": it[1]}))
        monkeypatch.setattr(keys, "numeric_platform", lambda it=machine: {"machine": it})
        monkeypatch.setattr(keys, "FORMAT", ord(number))
        basis.cache_clear()
        found[code, version, machine, number] = basis(("leaf", "all", "equal"))
    assert len(set(found.values())) == 5
    assert all(isinstance(it, str) and SHA.fullmatch(it) for it in found.values())


def test_a_basis_is_one_digest_of_what_really_is_there(plan: Plan) -> None:
    found = {kind_of(node.spec): basis(kind_of(node.spec)) for node in plan.nodes.values()}
    assert len(set(found.values())) == len(found) > 3
    assert all(isinstance(it, str) and SHA.fullmatch(it) for it in found.values())


def test_what_a_sleeve_is_made_by_tells_its_basis_its_spec_and_its_plug_ins_apart() -> None:
    one, other = leaf("equal"), leaf("erc")
    found = [
        made_with(one, "a", {}),
        made_with(other, "a", {}),
        made_with(one, "b", {}),
        made_with(one, "a", {"x": "1"}),
        made_with(one, "a", {"x": "2"}),
        made_with(one, "a", {"y": "1"}),
        made_with(one, "a", {"x": "1", "y": "1"}),
    ]
    assert len(set(found)) == len(found) and all(SHA.fullmatch(it) for it in found)
    assert made_with(one, "a", {"x": "1", "y": "2"}) == made_with(one, "a", {"y": "2", "x": "1"})
    assert made_by(one) == made_with(one, basis(kind_of(one)), {})


def test_two_processes_share_the_basis_of_a_plan_if_they_share_that_of_each_sleeve(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the order of its sleeves, and not what they are set to."""
    turned = replace(plan, nodes=dict(reversed(plan.nodes.items())))
    assert plan_basis(plan) == plan_basis(turned) and SHA.fullmatch(plan_basis(plan))
    assert plan_basis(plan) != plan_basis(plan.part([1]))
    before = plan_basis(plan)
    monkeypatch.setattr(keys, "requirements", lambda kind, name: {"solver": "1"} if name == "hrp" else {})
    with_plugin = plan_basis(plan)
    monkeypatch.setattr(keys, "requirements", lambda kind, name: {"solver": "2"} if name == "hrp" else {})
    assert len({before, with_plugin, plan_basis(plan)}) == 3


def a_leaf(plan: Plan) -> Node:
    return next(node for node in plan.nodes.values() if isinstance(node.spec, Leaf) and node.spec.dataset == "stocks")


def cut(node: Node, rows: slice) -> Node:
    return replace(node, partitions={"part": rows})


def test_where_a_partition_begins_within_what_it_reads_is_in_its_key(plan: Plan) -> None:
    """The same window of prices has ten sessions to walk, or all."""
    node = a_leaf(plan)
    states: dict[str, str | None] = {node.spec.digest: "s"}
    assert node.spec.lookback == 20
    found = [node_key(plan, cut(node, rows), "part", states, {}, "m") for rows in (slice(0, 30), slice(20, 30))]
    assert found[0] != found[1]


def test_a_key_of_a_leaf_has_its_state_its_making_and_no_other_sleeve(plan: Plan) -> None:
    node, label = a_leaf(plan), plan.labels[1]
    own = node.spec.digest
    base = node_key(plan, node, label, {own: "s"}, {}, "m")
    assert base != node_key(plan, node, label, {own: "t"}, {}, "m")
    assert base != node_key(plan, node, label, {own: "s"}, {}, "n")
    assert base != node_key(plan, node, plan.labels[0], {own: "s"}, {}, "m")
    others: dict[str, str | None] = dict.fromkeys(plan.nodes, "x")
    assert base == node_key(plan, node, label, {**others, own: "s"}, others, "m")


@pytest.mark.parametrize("which", ["outputs", "states"])
def test_a_key_of_a_meta_sleeve_has_what_each_sleeve_beneath_it_has_left(plan: Plan, which: str) -> None:
    root, label = plan.nodes[plan.trees[0].spec.digest], plan.labels[0]
    beneath = {sleeve.spec.digest for _, sleeve in plan.trees[0].walk()}
    digests: dict[str, dict[str, str | None]] = {it: dict.fromkeys(plan.nodes, "x") for it in ("outputs", "states")}

    def key(**changes: Any) -> str:
        found = {**digests, **changes}
        return node_key(plan, root, label, found["states"], found["outputs"], "m")

    moved = {it for it in plan.nodes if key(**{which: {**digests[which], it: "y"}}) != key()}
    own = {root.spec.digest} if which == "outputs" else set()  # it has not been walked yet
    assert moved == beneath - own


def test_a_key_of_a_meta_sleeve_has_its_calendar_and_the_ends_of_its_children(plan: Plan) -> None:
    root, label = plan.nodes[plan.trees[0].spec.digest], plan.labels[0]
    states: dict[str, str | None] = dict.fromkeys(plan.nodes, "x")

    def key(node: Node, of: Plan = plan) -> str:
        return node_key(of, node, label, states, states, "m")

    common, sessions = root.calendar.common.copy(), root.calendar.sessions.copy()
    common[3] ^= True
    sessions[0] -= np.timedelta64(1)
    found = [
        key(root),
        *(
            key(replace(root, calendar=replace(root.calendar, **it)))
            for it in ({"common": common}, {"sessions": sessions})
        ),
    ]
    child = plan.nodes[root.children[0]]
    ended = {**plan.nodes, root.children[0]: replace(child, calendar=replace(child.calendar, ended=True))}
    found.append(key(root, replace(plan, nodes=ended)))
    assert len(set(found)) == 4


def test_a_lineage_follows_states_from_partition_to_partition(plan: Plan) -> None:
    lineage = Lineage(plan, lambda spec: f"by {spec.digest}")
    root = plan.nodes[plan.trees[1].spec.digest]
    (leaf_key,) = root.children
    node, (first, second, *_) = plan.nodes[leaf_key], plan.labels
    states: dict[str, str | None] = dict.fromkeys(plan.nodes, INITIAL)
    lineage.enter(first)
    made, above = f"by {leaf_key}", f"by {root.spec.digest}"
    assert lineage.key(node) == node_key(plan, node, first, states, {}, made)
    lineage.add(node, {"state": "s1", "block": "b1"})
    assert lineage.reaches(root)
    assert lineage.key(root) == node_key(plan, root, first, states, {leaf_key: "b1"}, above)
    assert lineage.key_after(node, second, "s1") == node_key(plan, node, second, {leaf_key: "s1"}, {}, made)
    lineage.add(root, {"state": "r1", "block": "c1"})
    lineage.enter(second)
    assert lineage.key(node) == lineage.key_after(node, second, "s1")
    assert lineage.after[leaf_key] == "s1" and lineage.after[root.spec.digest] == "r1"
    lineage.add(node, None)  # not known: nobody can tell what builds on it, now or later
    assert not lineage.reaches(root)
    lineage.add(root, None)
    lineage.enter(plan.labels[2])
    assert not lineage.reaches(node) and not lineage.reaches(root)
