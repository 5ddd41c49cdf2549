"""Lanes that move between actors all the time give the bits of one process, with and without a cache."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from metabt.build.cache.disk import DiskCache
from metabt.engines.ray import Ray
from metabt.engines.ray.actor_pool import ActorPool
from metabt.engines.ray.actor_progress import ActorProgress
from tests.shared.executors import LEAF, NESTED, WRAPPED, alike, engine, outcomes

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("cluster")]


@pytest.mark.parametrize("cached", [False, True], ids=["nothing remembered", "on disk"])
def test_lanes_that_move_at_random_have_the_same_bits(
    cached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, rng, moves = ActorPool.settle, random.Random(11), 0

    def shaken(self: ActorPool) -> None:
        nonlocal moves
        settle(self)
        working = self.working
        if len(working) > 1 and rng.random() < 0.5:
            host = rng.choice([host for host in working if host.lanes])
            other = rng.choice([it for it in working if it is not host])
            lane = host.lanes.pop()
            other.lanes.append(lane)
            lane.move_to(other)
            moves += 1

    monkeypatch.setattr(ActorPool, "settle", shaken)
    monkeypatch.setattr(ActorProgress, "begin_again", lambda self: pytest.fail(f"{self.name} begins again"))
    trees = [NESTED, LEAF, WRAPPED, {**NESTED, "optimizer": "equal"}]
    cache = DiskCache(tmp_path) if cached else None
    found = outcomes(engine(trees, executor=Ray(workers=3), cache=cache))
    assert moves > 2 and alike(found, outcomes(engine(trees)))
