"""A script that sweeps on a cluster of its own on this machine, in which something is killed.

`python -m tests.engines.ray.killed_sweeps LAKE FAULT` prints a JSON line: how many were killed. It is a process of its
own, because it may be what is killed, and because a process is connected to one cluster at a time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metabt.config import Job
from metabt.engines.ray import group_sweep
from metabt.lakehouse.runs import commits, run_files
from metabt.lakehouse.runs.run_digests import Measured
from metabt.lakehouse.runs.run_files import Desk, RunFiles, Writer
from metabt.runs import sweep
from metabt.values.tables import Table
from tests.engines.ray.nodes import three_nodes
from tests.shared.executors import NESTED, RULES, STOCKS
from tests.shared.jobs import job

ACTOR_STAGES = ("begin", "first tree", "second tree", "before the files", "after the files")
"""Where an actor is killed: on its way through a group."""
DRIVER_STAGES = ("first group", "second group", "second name", "added", "committed")
"""Where the driver is killed: on its way through a sweep."""
WORTH = 0.06
"""Seconds that a group is worth: several groups, of several trees."""


def jobs(engine: str, **cluster: Any) -> list[Job]:
    """Return configurations of which some share leaves."""
    trees = [{**NESTED, "optimizer": name, "lookback": n} for name in ("erc", "equal", "hrp") for n in (20, 40)]
    trees += [{"name": "leaf", **RULES, "universe": STOCKS, "optimizer": "erc", "lookback": n} for n in (25, 35)]
    more = {"cluster": cluster} if cluster else {}
    return [job({**tree, "name": f"t{i}"}, engine=engine, **more) for i, tree in enumerate(trees)]


@dataclass(frozen=True)
class DyingDesk(Desk):
    """A desk at which the process that writes is killed once at some stage, by a note of which one it was."""

    notes: Path = Path()
    stage: str = ""

    def writer(self) -> Writer:
        """Return what writes, or die."""
        self.come_to("begin")
        return DyingWriter(self)

    def come_to(self, stage: str) -> None:
        """Die at the stage, unless somebody has."""
        if stage == self.stage:
            try:
                (self.notes / f"{stage}.died").touch(exist_ok=False)
            except FileExistsError:
                return
            os.kill(os.getpid(), signal.SIGKILL)


class DyingWriter(Writer):
    """Writes, and dies at its desk's stage."""

    def __init__(self, desk: DyingDesk) -> None:
        super().__init__(desk)
        self._dying, self._n_added = desk, 0

    def add(self, run_id: str, root: str, tables: Mapping[str, Table]) -> Measured:
        """Append a run, or die behind it."""
        made = super().add(run_id, root, tables)
        self._n_added += 1
        self._dying.come_to({1: "first tree", 2: "second tree"}.get(self._n_added, ""))
        return made

    def close(self) -> RunFiles:
        """Finish the files, or die before or behind that."""
        self._dying.come_to("before the files")
        files = super().close()
        self._dying.come_to("after the files")
        return files


@contextmanager
def die_at(stage: str, notes: Path) -> Iterator[None]:
    """Have sweeps of this process write at a DyingDesk within the block."""
    own = sweep._Forest._desk

    def dying(self: sweep._Forest) -> Desk:
        made = own(self)
        return DyingDesk(made.folder, made.ids, notes, stage)

    sweep._Forest._desk = dying  # type: ignore[method-assign]
    try:
        yield
    finally:
        sweep._Forest._desk = own  # type: ignore[method-assign]


def kill_driver_at(stage: str) -> None:
    """Have this process be killed at a stage of a sweep."""
    places = {
        "first group": (group_sweep.Group, "confirm", 1),
        "second group": (group_sweep.Group, "confirm", 2),
        "second name": (run_files, "_second_name", 2),
        "added": (run_files, "add", 2),
        "committed": (commits, "write", 1),
    }
    owner, name, number = places[stage]
    whole, passed = getattr(owner, name), []

    def killing(*arguments: Any) -> Any:
        made = whole(*arguments)
        passed.append(stage)
        if len(passed) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return made

    setattr(owner, name, killing)


def main(lake: str, fault: str) -> None:
    """Sweep on two machines of which one is lost (`raylet`), or in which this process is killed."""
    group_sweep.WORTH = WORTH
    killed: list[int] = []
    if fault in DRIVER_STAGES:
        kill_driver_at(fault)
    with three_nodes() as (address, workers):
        if fault == "raylet":
            confirm = group_sweep.Group.confirm

            def losing(self: group_sweep.Group) -> Any:
                if not killed:
                    raylet = workers[0].all_processes["raylet"][0].process
                    os.kill(raylet.pid, signal.SIGKILL)
                    killed.append(raylet.pid)
                return confirm(self)

            group_sweep.Group.confirm = losing  # type: ignore[method-assign]
        began = time.monotonic()
        done = sweep.run_sweep(jobs("ray", address=address, workers=2), lake)
        seconds = time.monotonic() - began
    print(json.dumps({"killed": len(killed), "seconds": seconds, "ok": sum(run.status == "ok" for run in done.runs)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
