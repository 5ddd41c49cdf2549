"""Histories: keys of sleeves that are walked one after another are those of a walk from partition to partition."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from metabt.build.keys import INITIAL, Histories, Lineage
from metabt.build.plan import Node
from tests.shared.executors import NESTED, engine
from tests.shared.months import monthly


def digests_of(node: Node, label: str) -> dict[str, str]:
    """Return digests that nothing else has, as those of a block and of the state after it."""
    return {part: sha256(f"{node.spec.digest} {label} {part}".encode()).hexdigest() for part in ("block", "state")}


def test_keys_do_not_tell_in_which_order_a_forest_is_walked() -> None:
    """Sleeves without sessions in a partition among them."""
    with monthly():
        plan = engine([NESTED]).plan
        plan = replace(plan, labels=plan.labels[:5])
        lineage, expected = Lineage(plan), {}
        for label in plan.labels:
            lineage.enter(label)
            for node in plan.remembered(label):
                expected[node.spec.digest, label] = lineage.key(node)
                lineage.add(node, digests_of(node, label))
        histories, found = Histories(plan), {}
        for digest, node in plan.nodes.items():
            assert not histories.has(digest) and all(map(histories.has, node.children))
            state = INITIAL
            labels = [label for label in node.partitions if label in plan.labels]
            for label in labels:
                found[digest, label] = histories.key(node, label, state)
                state = digests_of(node, label)["state"]
            assert histories.key(node, labels[0]) == found[digest, labels[0]]
            histories.add(node, {label: digests_of(node, label) for label in labels})
            assert histories.has(digest)
        assert found == expected and len(set(found.values())) == len(found)
        assert any(set(plan.labels) - set(node.partitions) for node in plan.nodes.values())
