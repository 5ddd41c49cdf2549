"""What a cluster has for actors and can grow to, as its machines and its autoscaler say."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from metabt.engines.ray import capacity as module
from metabt.engines.ray.capacity import Capacity, capacity

HEAD = {"Alive": True, "Resources": {"memory": 9e9, "node:10.0.0.1": 1.0}}


def machine(n_cpus: float, memory: float, alive: bool = True) -> dict[str, Any]:
    return {"Alive": alive, "Resources": {"CPU": n_cpus, "memory": memory}}


def reported(*kinds: tuple[int, int]) -> Any:
    """Return what an autoscaler reports: CPUs and largest number of each kind of machine."""
    from ray.core.generated.autoscaler_pb2 import ClusterConfig

    found = ClusterConfig()
    for n_cpus, count in kinds:
        kind = found.node_group_configs.add(max_count=count)
        kind.resources["CPU"] = n_cpus
    return found


@pytest.mark.parametrize(
    ("nodes", "config", "expected"),
    [
        ([HEAD], None, Capacity(0.0, None, None, 0.0)),
        ([HEAD, machine(4, 1e9), machine(2, 3e9)], None, Capacity(6.0, None, None, 3e9)),
        ([HEAD, machine(4, 1e9), machine(8, 5e9, alive=False)], None, Capacity(4.0, None, None, 1e9)),
        ([HEAD], reported((0, 1), (4, 5), (16, 2)), Capacity(0.0, 52.0, 16.0, 0.0)),
        ([HEAD, machine(32, 1e9)], reported((4, 5)), Capacity(32.0, 32.0, 32.0, 1e9)),
        ([HEAD], reported((4, -1)), Capacity(0.0, float("inf"), 4.0, 0.0)),
        ([HEAD], reported((0, 3)), Capacity(0.0, 0.0, 0.0, 0.0)),
        ([HEAD], reported((8, 0), (2, 1)), Capacity(0.0, 2.0, 2.0, 0.0)),
        ([HEAD], reported(), Capacity(0.0, None, None, 0.0)),
    ],
)
def test_machines_and_kinds_of_machines_are_added_up(
    nodes: list[Any], config: Any, expected: Capacity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.ray, "nodes", lambda: nodes)
    monkeypatch.setattr(module, "_cluster_config", lambda: config)
    assert capacity() == expected


@pytest.mark.xdist_group("ray")
@pytest.mark.usefixtures("cluster")
def test_a_cluster_says_what_it_has() -> None:
    found = capacity()
    assert (found.n_cpus, found.most, found.widest) == (2.0, None, None) and found.memory > 0


@pytest.mark.xdist_group("ray")
@pytest.mark.usefixtures("cluster")
def test_without_a_way_to_ask_the_autoscaler_nothing_is_known_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from ray._private.state import GlobalState

    monkeypatch.delattr(GlobalState, "get_cluster_config")
    with caplog.at_level(logging.DEBUG, "metabt.cluster"):
        assert capacity().most is None
    assert "no state.get_cluster_config" in caplog.text
