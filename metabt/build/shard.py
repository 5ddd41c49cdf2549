"""Shard: some sleeves of a plan, walked where their states live: what an actor holds.

1. `advance(label, previous, given)` names the report it continues from. A shard that has not made it (it is new, or was
   restarted) first loads the newest stored blocks that the report marks, or those that are carried to it.
2. Blocks of sleeves beneath that were walked elsewhere are adopted from `given`.
3. Its own sleeves are stepped; what was computed is published before anything is reported.
4. Out come a report, which is small, and the blocks.

`probe` does the same for one sleeve alone and forgets it again: to find out which one a process does not survive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from metabt.build.cached_walk import CachedWalk
from metabt.build.foreign_warnings import Heard
from metabt.build.inputs import PriceSource
from metabt.build.known_columns import get_block
from metabt.build.plan import Plan
from metabt.build.ports import Cache, Lap, Sealed, Step
from metabt.errors import RunError
from metabt.estimators.current_decision import telling_decisions
from metabt.values.digests import joint_digest


class Lost(Exception):
    """A stored block that a shard needs to go on from is gone; the caller must begin again at the first partition."""


@dataclass(frozen=True)
class Mark:
    """The outcome of one sleeve in one partition, without the block."""

    key: str = ""
    """Key of its block; empty where nothing is remembered."""
    state: str = ""
    """Digest of the state after it."""
    found: bool = False
    """True if the block was found, False if it was computed."""
    laps: tuple[Lap, ...] = ()
    """Where the time went."""
    failure: str | None = None
    """What ended the walk of the sleeve."""
    heard: tuple[Heard, ...] = ()
    """Warnings of foreign estimators."""


@dataclass(frozen=True)
class Report:
    """The outcome of a shard in one partition; it is small, without blocks."""

    label: str
    """The partition."""
    token: str
    """What the next partition continues from: one digest of all states after this one."""
    steps: Mapping[str, Mark]
    """Spec digest -> outcome of each of its own sleeves."""
    newest: Mapping[str, Mark]
    """Spec digest -> the newest mark of every sleeve it holds a state of."""
    kept: bool
    """Whether everything computed so far is stored where other processes find it."""
    stored_bytes: int = 0
    """Bytes that were put into the cache for it."""


Blocks = Mapping[str, Sealed]
"""Spec digest -> the block and the state after it."""
Given = Sequence[tuple[Mapping[str, Mark], Blocks | None]]
"""Marks and blocks of other shards in the same partition; no blocks where they were lost on the way."""


@dataclass
class Shard:
    """Some sleeves of a plan with their states, walked partition by partition."""

    plan: Plan
    """The whole forest."""
    cache: Cache
    """Where blocks are remembered."""
    keys: Sequence[str]
    """Spec digests of its own sleeves, children first."""
    markets: PriceSource
    """Where prices come from."""
    _token: str = field(default="", init=False)

    def __post_init__(self) -> None:
        """Set every sleeve to its state before its first session; `advance` takes it on from there."""
        self._begin()

    def _begin(self) -> None:
        self._walk = CachedWalk(self.plan, self.cache, self.markets)
        self._newest: dict[str, Mark] = {}
        self._token = ""

    def advance(
        self,
        label: str,
        previous: Report | None,
        given: Given = (),
        failed: Mapping[str, str] | None = None,
        carried: Callable[[], Blocks] = dict,
    ) -> tuple[Report, Blocks]:
        """Take its sleeves over one partition; return its report and the blocks.

        Parameters
        ----------
        label : the partition
        previous : its report on the partition before; None at the first
        given : what other shards did in this partition with sleeves beneath its own
        failed : spec digest -> why a sleeve is not to be walked any further
        carried : returns the newest blocks that it goes on from, where they are not stored; called if they are needed

        Raises
        ------
        Lost
            If a stored block that it has to go on from is gone.
        """
        self._continue_from(previous, carried)
        self._enter(label, given, failed or {})
        steps, blocks = {}, {}
        for key in self.keys:
            if label in self.plan.nodes[key].partitions:
                step = self._walk.step(self.plan.nodes[key])
                steps[key] = self._newest[key] = _mark(step)
                if step.sealed is not None:
                    blocks[key] = step.sealed
        kept = self.cache.flush()
        self._token = self._named()
        return Report(label, self._token, steps, dict(self._newest), kept), blocks

    def probe(
        self,
        label: str,
        previous: Report | None,
        given: Given,
        key: str,
        tell: Callable[[str], None],
        carried: Callable[[], Blocks] = dict,
    ) -> None:
        """Walk one sleeve over a partition as `advance` would, and keep nothing but what is stored.

        `tell(session)` is called before each decision of foreign code, `key` is the sleeve's spec digest.
        """
        self._continue_from(previous, carried)
        walk, newest = self._walk, dict(self._newest)
        states, after, failures = dict(walk.states), dict(walk.lineage.after), dict(walk.failures)
        self._enter(label, given, {})
        with telling_decisions(tell):
            self._walk.step(self.plan.nodes[key])
        self.cache.flush()
        walk.states, walk.lineage.after, walk.failures, self._newest = states, after, failures, newest

    def _enter(self, label: str, given: Given, failed: Mapping[str, str]) -> None:
        self._walk.failures.update({key: RunError(why) for key, why in failed.items()})
        self._walk.enter(label)
        for marks, blocks in given:
            for key, mark in marks.items():
                self._walk.adopt(self.plan.nodes[key], self._given(key, mark, blocks))
                self._newest[key] = mark

    def _given(self, key: str, mark: Mark, blocks: Blocks | None) -> Step:
        if mark.failure is not None:
            return Step(failure=RunError(mark.failure))
        sealed = self._found(key, mark) if blocks is None else blocks[key]
        if sealed is None:
            raise Lost(f"block {mark.key[:12]} of '{self.plan.nodes[key].label}'")
        return Step(mark.key, sealed, mark.found)

    def _continue_from(self, previous: Report | None, carried: Callable[[], Blocks]) -> None:
        if previous is None:
            self._begin()
        elif previous.token != self._token:
            self._begin()
            at_hand = carried()
            for key, mark in previous.newest.items():
                self._walk.adopt(self.plan.nodes[key], self._stored(key, mark, at_hand))
            self._newest = dict(previous.newest)
            self._token = previous.token

    def _stored(self, key: str, mark: Mark, carried: Blocks) -> Step:
        if mark.failure is not None:
            return Step(failure=RunError(mark.failure))
        sealed = carried.get(key) or (self._found(key, mark) if mark.key else None)
        if sealed is None or sealed.digests.get("state", "") != mark.state:
            raise Lost(f"block {mark.key[:12]} of '{self.plan.nodes[key].label}'")
        return Step(mark.key, sealed)

    def _found(self, key: str, mark: Mark) -> Sealed | None:
        return get_block(self.cache, self.plan, self.plan.nodes[key], mark.key)

    def _named(self) -> str:
        if not self.cache.remembers:
            return uuid4().hex  # nothing is stored: only the process that is here can continue
        return joint_digest([part for key in sorted(self._newest) for part in (key, self._newest[key].state)])


def _mark(step: Step) -> Mark:
    failure = None if step.failure is None else str(step.failure)
    state = "" if step.sealed is None else step.sealed.digests.get("state", "")
    return Mark(step.key, state, step.found, step.laps, failure, step.heard)
