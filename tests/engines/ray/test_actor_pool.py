"""Who walks which lane: whatever comes, dies and is given back, each lane is walked to its end, by one actor a call."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.build.shard import Report
from metabt.engines.ray import actor_pool, actor_progress
from metabt.engines.ray.actor_pool import SPOKEN, ActorPool, Need
from metabt.engines.ray.actor_progress import ActorProgress
from metabt.engines.ray.capacity import Capacity
from metabt.errors import ConfigError
from tests.shared.laws import examples

LABELS = tuple(str(year) for year in range(2001, 2008))
AMPLE = Capacity(8.0, None, None, 1e9)


class Method:
    """A method of an actor, as its handle has it."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.remote = call


@dataclass(eq=False)
class Actor:
    """Stands for an actor: it answers for lanes that it has taken, and not once it is dead."""

    asked: dict[str, Any]
    lanes: set[str] = field(default_factory=set)
    dead: bool = False

    def __post_init__(self) -> None:
        self.basis, self.take, self.leave = (
            Method(lambda: self),
            Method(lambda lane, keys: self.lanes.add(lane)),
            Method(self._leave),
        )
        self.advance = Method(self._advance)

    def _leave(self, lane: str) -> None:
        self.lanes.remove(lane)

    def _advance(self, lane: str, label: str, previous: Any, *rest: Any) -> tuple[Any, Any]:
        assert lane in self.lanes
        report = Report(label, label, {}, {}, kept=True)
        # it goes on from the partition before, whoever has walked that
        before = previous.report if isinstance(previous, Answer) else previous
        assert (before.label if before else None) == ([None, *LABELS][LABELS.index(label)])
        return Answer(self, report), None


@dataclass(frozen=True)
class Answer:
    """A reference to what an actor answers."""

    actor: Actor
    report: Report


class Died(Exception):
    """The actor is dead."""


@pytest.fixture
def hired(monkeypatch: pytest.MonkeyPatch) -> list[Actor]:
    return hired_in(monkeypatch)


def hired_in(monkeypatch: pytest.MonkeyPatch) -> list[Actor]:
    """Replace Ray by actors of this process, and return all that are hired."""
    found: list[Actor] = []

    def get(answer: Answer) -> Report:
        if answer.actor.dead:
            raise Died
        return answer.report

    def kill(actor: Actor) -> None:
        actor.dead = True

    job = SimpleNamespace(get_job_id=lambda: "01")
    monkeypatch.setattr(actor_pool, "ray", SimpleNamespace(kill=kill, get_runtime_context=lambda: job))
    monkeypatch.setattr(actor_progress, "ray", SimpleNamespace(get=get))
    return found


def pool_of(n_lanes: int, hired: list[Actor], most: int | None = None, look: Any = None) -> ActorPool:
    def hire(**asked: Any) -> Method:
        def begin(*passed_on: Any) -> Actor:
            assert passed_on == ("plan", "cache")
            hired.append(Actor(asked))
            return hired[-1]

        return Method(begin)

    lanes = [ActorProgress(f"leaves {i}", (f"key {i}",), LABELS) for i in range(n_lanes)]
    need = Need(SimpleNamespace(options=hire), 0.9, 512_000_000, most or n_lanes)
    passed_on: Any = ("plan", "cache")
    return ActorPool("leaves", need, lanes, passed_on, 900.0, look or (lambda: AMPLE))


def check(pool: ActorPool) -> None:
    """Assert what holds whenever the pool has settled."""
    working, wanted = pool.working, sum(not lane.done for lane in pool.lanes)
    homes = [lane for host in pool.hosts for lane in host.lanes]
    assert len(homes) == len({id(lane) for lane in homes})
    if working:
        assert {id(lane) for lane in pool.lanes if not lane.done} == {id(it) for host in working for it in host.lanes}
        loads = [len(host.lanes) for host in working]
        assert max(loads) - min(loads) <= 1
    assert len(pool.hosts) <= max(wanted, sum(host.arrival is None for host in pool.hosts))


@examples(60)
@given(st.integers(1, 9), st.integers(0, 2**32))
def test_every_lane_is_walked_whatever_comes_and_goes(n_lanes: int, seed: int) -> None:
    rng = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        hired = hired_in(patch)
        pool = pool_of(n_lanes, hired, most=rng.randint(1, n_lanes))
        for turn in range(4000):
            if rng.random() < 0.02 and turn < 2000:
                pool.yields, pool.share = rng.random() < 0.5, rng.randint(1, n_lanes)
            pool.settle()
            check(pool)
            if all(lane.done for lane in pool.lanes):
                break
            happen(pool, rng, dying=0.05 if turn < 2000 else 0.0)
        pool.settle()
        assert all(lane.done for lane in pool.lanes) and all(actor.dead for actor in hired)
        assert not pool.hosts


def happen(pool: ActorPool, rng: random.Random, dying: float) -> None:
    """Let one thing happen: an actor comes, one dies, calls are made, or one is answered."""
    what = rng.random()
    if what < 0.2 and pool.awaited:
        rng.choice(list(pool.awaited.values())).arrival = None
    elif what < 0.2 + dying and pool.working:
        rng.choice(pool.working).actor.dead = True
    elif what < 0.6:
        for lane in pool.lanes:
            while lane.has_room and rng.random() < 0.7:
                lane.call(None)
    elif busy := [lane for lane in pool.lanes if lane.waited_for is not None]:
        lane = rng.choice(busy)
        try:
            lane.confirm()
        except Died:
            pool.lost(next(host for host in pool.hosts if host is lane.host))


def test_all_are_asked_for_at_once_and_each_asks_for_a_part_of_a_processor(hired: list[Actor]) -> None:
    pool = pool_of(5, hired, most=3)
    pool.settle()
    assert len(hired) == 3
    for actor in hired:
        assert (actor.asked["num_cpus"], actor.asked["memory"]) == (0.9, 512_000_000)
        assert actor.asked["scheduling_strategy"] == "SPREAD"
    names = [str(actor.asked["name"]) for actor in hired]
    assert len(set(names)) == 3 and all(name.startswith(f"leaves {i} of job 01, walk ") for i, name in enumerate(names))
    other: list[Actor] = []
    pool_of(2, other).settle()
    assert len({str(actor.asked["name"]) for actor in (*hired, *other)}) == 5


def test_lanes_begin_with_the_first_actor_and_move_to_the_next(hired: list[Actor]) -> None:
    pool = pool_of(4, hired)
    pool.settle()
    assert not any(lane.has_room for lane in pool.lanes)
    pool.hosts[0].arrival = None
    pool.settle()
    assert hired[0].lanes == {lane.name for lane in pool.lanes} and all(lane.has_room for lane in pool.lanes)
    for lane in pool.lanes:
        lane.call(None)
    pool.hosts[1].arrival = None
    pool.settle()
    assert len(hired[0].lanes) == 4 and not hired[1].lanes  # calls are open
    moving = [lane for lane in pool.lanes if not lane.has_room]
    assert len(moving) == 2
    for lane in pool.lanes:
        lane.confirm()
    assert hired[1].lanes == {lane.name for lane in moving} and all(lane.has_room for lane in pool.lanes)


def test_what_has_no_lane_left_is_let_go_and_what_has_not_come_first(hired: list[Actor]) -> None:
    pool = pool_of(3, hired)
    pool.settle()
    pool.hosts[0].arrival = pool.hosts[1].arrival = None
    pool.settle()
    lane = pool.hosts[1].lanes[0]
    walk_to_the_end(lane)
    pool.settle()
    assert [actor.dead for actor in hired] == [False, False, True]
    walk_to_the_end(pool.hosts[0].lanes[0])
    pool.settle()
    assert len(pool.hosts) == 1 and sum(actor.dead for actor in hired) == 2


def walk_to_the_end(lane: ActorProgress) -> None:
    while not lane.done:
        lane.call(None)
        lane.confirm()


def test_actors_are_given_back_while_another_job_has_too_few(hired: list[Actor]) -> None:
    pool = pool_of(4, hired)
    pool.settle()
    for host in pool.hosts:
        host.arrival = None
    pool.settle()
    pool.share = 2
    pool.settle()
    assert len(pool.working) == 4  # nobody needs them
    for lane in pool.lanes:
        lane.call(None)
    pool.yields = True
    pool.settle()
    assert len(pool.working) == 2 and not any(actor.dead for actor in hired)  # their calls are open
    for lane in pool.lanes:
        lane.confirm()
    pool.settle()
    assert [actor.dead for actor in hired] == [False, False, True, True] and len(hired) == 4
    pool.yields = False
    pool.settle()
    assert len(hired) == 6  # asked for again, behind the others


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    it = SimpleNamespace(now=0.0)
    monkeypatch.setattr(actor_pool, "monotonic", lambda: it.now)
    return it


def test_a_wait_speaks_every_half_a_minute_and_is_given_up(
    hired: list[Actor], clock: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    pool = pool_of(2, hired, look=lambda: Capacity(0.0, None, None, 0.0))
    with caplog.at_level(logging.WARNING, "metabt.cluster"):
        for clock.now in (0.0, SPOKEN, SPOKEN + 1, 2 * SPOKEN + 1.5, 899.0):
            pool.settle()
    asks = "2 actors for leaves, each of which asks for 0.9 CPU and 512 MB"
    assert caplog.messages == [
        f"waiting for {asks}; the cluster has 0 CPUs; {waited} of 900 s" for waited in (31, 62, 899)
    ]
    clock.now = 901.0
    with pytest.raises(ConfigError) as raised:
        pool.settle()
    assert str(raised.value) == (
        f"engine ray: no room for {asks}, within 901 s; the cluster has 0 CPUs; add machines, end other jobs, or "
        "raise cluster.patience (seconds)"
    )


def test_a_wait_ends_when_an_actor_comes_and_begins_anew_when_it_dies(
    hired: list[Actor], clock: SimpleNamespace
) -> None:
    pool = pool_of(1, hired)
    pool.settle()
    clock.now = 800.0
    pool.hosts[0].arrival = None
    pool.settle()
    clock.now = 1600.0
    pool.settle()
    pool.lost(pool.hosts[0])
    pool.settle()
    clock.now = 2400.0
    pool.settle()
    assert len(hired) == 2
    clock.now = 2600.0
    with pytest.raises(ConfigError, match="within 1000 s"):
        pool.settle()


def test_where_no_machine_will_ever_have_room_nobody_waits(hired: list[Actor]) -> None:
    pool = pool_of(1, hired, look=lambda: Capacity(0.0, 8.0, 0.5, 0.0))
    with pytest.raises(ConfigError) as raised:
        pool.settle()
    assert str(raised.value) == (
        "engine ray: no room for 1 actor for leaves, which asks for 0.9 CPU and 512 MB: the largest machine that "
        "the cluster has or can start has 0.5 CPU; give its workers more CPUs"
    )


def test_an_estimate_that_no_machine_has_the_memory_for_is_tried_with_less(
    hired: list[Actor], caplog: pytest.LogCaptureFixture
) -> None:
    there = [Capacity(0.0, None, None, 0.0)]
    pool = pool_of(2, hired, look=lambda: there[0])
    pool.settle()
    there[0] = Capacity(4.0, None, None, 300e6)
    pool.settle()
    assert [actor.dead for actor in hired] == [True, True, False, False]
    assert [actor.asked["memory"] for actor in hired] == [512_000_000] * 2 + [150_000_000] * 2
    assert caplog.messages == [
        "actors for leaves are estimated to take 512 MB, the largest machine has 300: they are tried all the same"
    ]
    pool.settle()
    assert len(hired) == 4
