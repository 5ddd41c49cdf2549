"""What the driver of a very large sweep takes: a simulation in which a walk is replaced by what it would cost.

`python benchmarks/driver_simulation.py [--configurations 10000] [--leaves 10] [--workers 2]`

So many configurations of so many HRP leaves that none share. Everything that the driver does is real: configurations
are resolved, planned, looked up, cut into groups, given to actors of Ray, and their runs are committed. So is what the
actors write. They walk one tree, once, and write its tables for every other one under that one's identity; what the
walks of all of them would have taken is added up. The numbers of one run are of no worth, the sizes are those of all.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import ray

from benchmarks.memory import SIZE, status
from benchmarks.report_memory import ingested
from metabt.build.plan import Plan
from metabt.config import Job
from metabt.engines.local import Local
from metabt.engines.ray import actors, group_sweep
from metabt.engines.ray.connection import connect
from metabt.engines.tree_groups import Assembled, Assembly, Finished, View
from metabt.lakehouse import query
from metabt.runs import sweep
from metabt.runs.sweep import run_sweep
from metabt.values.tables import Table

YEARS = 20
"""Of prices."""


class Simulated(actors.GroupActor):
    """Walks one tree, and writes its tables for all."""

    _written: dict[str, Table] | None = None
    _told: Assembled | None = None

    def finish(self, positions: tuple[int, ...], plan: Plan, views: Sequence[View], keep: str) -> Finished:
        """Write the tables of a group of trees, as if they had been walked."""
        writer = self._desk.writer()
        if self._written is None:
            self._walk(plan, views[0], keep)
        assert self._told is not None and self._written is not None
        made = []
        for tree, view in zip(plan.trees, views, strict=True):
            made.append(replace(self._told, measured=writer.add(view.run_id, tree.name, self._written)))
        return Finished(positions, tuple(made), writer.close(), {}, plan.n_blocks, plan.n_blocks - len(positions))

    def _walk(self, plan: Plan, view: View, keep: str) -> None:
        first = replace(plan.part([0]), datasets=self._plan.datasets)
        walked = Local(threads=1).walk(first, self._cache, None)
        assembly = Assembly(self._cache, keep, _Keeps(self))  # type: ignore[arg-type]  # stands in for a writer
        self._told = assembly.add(first.trees[0], walked, view)


class _Keeps:
    """Stands in for a writer of files: keeps the tables."""

    def __init__(self, actor: Simulated) -> None:
        self._actor = actor

    def add(self, _: str, __: str, tables: dict[str, Table]) -> None:
        self._actor._written = dict(tables)


def job(number: int, n_leaves: int, symbols: Sequence[str]) -> Job:
    """Return a configuration whose leaves no other one has."""
    held = {
        f"s{i}": {"universe": list(symbols[i * SIZE : (i + 1) * SIZE]), "lookback": 30 + number % 800}
        for i in range(n_leaves)
    }
    leaf = {"dataset": "market", "schedule": "monthly", "optimizer": "hrp", "costs": {"commission_bp": number // 800}}
    root = {"lookback": 252, "optimizer": "erc", "schedule": "monthly"}
    config: dict[str, Any] = {"portfolio": {"name": "book", **root, "defaults": leaf, "sleeves": held}}
    config |= {"engine": "ray", "start": None, "end": None, "is_meta_backtest": None}
    return Job((f"number={number}",), config, None)


@contextmanager
def watched() -> Iterator[None]:
    """Print, for each step of a sweep within the block, processor seconds of this process and its memory so far."""
    began, own = time.perf_counter(), time.process_time()

    def tell(what: str) -> None:
        nonlocal began, own
        now, spent = time.perf_counter(), time.process_time()
        print(f"{what:<34}{now - began:9.1f}{spent - own:9.1f}{status('VmRSS'):9.0f}{status('VmHWM'):9.0f}", flush=True)
        began, own = now, spent

    print(f"{'step':<34}{'seconds':>9}{'cpu s':>9}{'MB':>9}{'peak MB':>9}")
    forest = sweep._Forest
    steps = [("_resolve", "resolved"), ("_find", "looked up runs"), ("outlook", "planned, looked up blocks")]
    steps += [("check_memory", "checked memory"), ("run", "groups given out, and heard of"), ("commit", "committed")]
    kept = {name: getattr(forest, name) for name, _ in steps}

    def told(name: str, what: str) -> Any:
        def call(self: Any, *arguments: Any) -> Any:
            made = kept[name](self, *arguments)
            tell(what)
            return made

        return call

    for name, what in steps:
        setattr(forest, name, told(name, what))
    try:
        yield
    finally:
        for name, whole in kept.items():
            setattr(forest, name, whole)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what the driver takes; `arguments` are those of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configurations", type=int, default=10_000)
    parser.add_argument("--leaves", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake"
        symbols = ingested(lake, asked.leaves * SIZE, YEARS)
        connect(n_cpus=asked.workers)
        group_sweep.group_actor = ray.remote(max_restarts=0, max_task_retries=0)(Simulated)
        costs: list[float] = []
        cut = group_sweep.GroupSweep.__init__

        def counted(self: group_sweep.GroupSweep, *arguments: Any) -> None:
            cut(self, *arguments)
            costs.extend(group.seconds for group in self.groups)

        group_sweep.GroupSweep.__init__ = counted  # type: ignore[method-assign]
        before = status("VmHWM")
        jobs = [job(number, asked.leaves, symbols) for number in range(asked.configurations)]
        for each in jobs:
            each.config["cluster"] = {"workers": asked.workers}  # type: ignore[index]
        print(
            f"{asked.configurations:,} configurations of {asked.leaves} HRP leaves of {SIZE} assets, {YEARS} years: "
            f"{asked.configurations * asked.leaves:,} leaves\nbefore: {before:.0f} MB, with configurations "
            f"{status('VmRSS'):.0f} MB\n"
        )
        began = time.process_time()
        with watched():
            done = run_sweep(jobs, str(lake), force=True)
        own = time.process_time() - began
        rows = query(lake, "select count(*) n, count(distinct run_id) m from metrics where metric = 'sharpe'").rows
        print(
            f"\n{len(costs)} groups; their walks would have taken {sum(costs):,.0f} s of a processor by estimate, "
            f"the driver took {own:.0f}: {own / (sum(costs) + own):.1%}\n"
            f"driver's peak {status('VmHWM'):.0f} MB, {1e3 * (status('VmHWM') - before) / len(done.runs):.0f} kB a "
            f"configuration; stored: {rows}"
        )


if __name__ == "__main__":
    main()
