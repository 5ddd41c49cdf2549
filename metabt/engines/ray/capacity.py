"""Capacity: what the cluster has for actors, and what it can grow to.

A head without processors has none of it: what asks for any part of one is placed elsewhere. What a cluster can grow to
its autoscaler reports; Ray has no public name for that. Where none does, machines may still be added by hand, and
nothing is known of them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import ray

LOG = logging.getLogger("metabt.cluster")


@dataclass(frozen=True)
class Capacity:
    """Processors and memory of a cluster."""

    n_cpus: float
    """Processors of the machines that are there."""
    most: float | None
    """Processors that it can grow to; None where no autoscaler says so."""
    widest: float | None
    """Processors of the largest machine that is there or may come; None where that is not known."""
    memory: float
    """Bytes that the largest machine that is there offers; 0 where none has any processor."""


def capacity() -> Capacity:
    """Return what the cluster that this process is connected to has at this moment."""
    there = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
    kinds = _kinds()
    n_cpus = float(sum(node["CPU"] for node in there))
    memory = max((float(node.get("memory", 0)) for node in there), default=0.0)
    if kinds is None:
        return Capacity(n_cpus, None, None, memory)
    grown = sum(n_cpus * count for n_cpus, count in kinds)
    largest = max((n_cpus for n_cpus, count in kinds if count), default=0.0)
    return Capacity(n_cpus, max(grown, n_cpus), max([largest, *(float(it["CPU"]) for it in there)]), memory)


def _kinds() -> list[tuple[float, float]] | None:
    """Return processors and largest number of each kind of machine that an autoscaler can start; None without one."""
    config = _cluster_config()
    if config is None or not config.node_group_configs:
        return None
    return [
        (float(kind.resources.get("CPU", 0)), float("inf") if kind.max_count == -1 else float(kind.max_count))
        for kind in config.node_group_configs
        if kind.resources.get("CPU", 0)
    ]


def _cluster_config() -> Any:
    """Return what the autoscaler has reported; None where there is none, or Ray does not say so any more."""
    from ray._private.state import state  # there is no public way

    if not hasattr(state, "get_cluster_config"):
        LOG.debug("this Ray has no state.get_cluster_config: what the cluster can grow to is not known")
        return None
    return state.get_cluster_config()
