"""A hundred machines: what a very large walk and a very large sweep would take there, from constants measured here.

`python benchmarks/cluster_model.py [--machines 100] [--no-write]`

1. Constants, each measured in a process of its own: what blocks of leaves cost, computed and published, and how large
   they are; what planning a sleeve, reporting it and calling an actor take the driver; what a configuration of a sweep
   takes the driver (`driver_simulation.py`); how fast prices are read.
2. Two works, and for each resource what they take of it: processors, the driver, the network, the disk, memory.
3. What is slowest, or beyond its limit, is what breaks first. It comes first.

What cannot be measured on one machine is assumed, and said beside the constants: processors, memory, network and disk
of a machine. `make scaling` runs this last, and writes benchmarks/CLUSTER_MODEL.md.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import pickle
import re
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from math import ceil, sqrt
from multiprocessing import get_context
from pathlib import Path

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

from benchmarks.growth import YEAR, Case, trees
from benchmarks.machine import machine
from benchmarks.memory import status
from benchmarks.works import Market
from metabt.build.cache import NoCache
from metabt.build.cache.disk import DiskCache
from metabt.build.inputs import Markets
from metabt.build.known_blocks import known_blocks
from metabt.build.ports import Cache
from metabt.build.shard import Shard
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.ray.workforce import MOST, WORTH
from metabt.portfolio.sleeve import Leaf

PAGE = Path(__file__).with_name("CLUSTER_MODEL.md")
ASSETS, SCHEDULE = 50, "weekly"
"""Of the leaves of both works."""


@dataclass(frozen=True)
class Constants:
    """What was measured here."""

    leaf: float
    """Seconds of a processor for a block of a leaf: a year, without what remembering costs."""
    publish: float
    """Seconds more where it is published."""
    stored: float
    """Bytes of it in the cache."""
    look_up: float
    """Seconds to find out whether a block is known."""
    plan: float
    """Seconds of the driver for a sleeve in a plan."""
    planned: float
    """Bytes of the driver for it."""
    travels: float
    """Bytes of it where a plan is sent to an actor."""
    mark: float
    """Bytes of its outcome in a report."""
    call: float
    """Seconds of the driver for a call to an actor and its answer."""
    read: float
    """Seconds of a processor for a million prices."""
    configuration: float
    """Seconds of the driver for a configuration of a sweep, with leaves of its own."""
    configured: float
    """Bytes of the driver for it."""
    leaves: int
    """Leaves that such a configuration has."""


@dataclass(frozen=True)
class Assumed:
    """What is taken for granted of the cluster."""

    machines: int = 100
    processors: int = 16
    memory: float = 64e9
    """Bytes of a machine."""
    network: float = 1.25e9
    """Bytes a second between two machines."""
    disk: float = 1e9
    """Bytes a second of the disk that all share."""


@dataclass(frozen=True)
class Line:
    """What a work takes of one resource."""

    what: str
    amount: str
    """How the number comes about."""
    seconds: float = 0.0
    """Time that it takes where nothing else hinders it."""
    full: float = 0.0
    """Part of a memory that it takes; above 1 it does not fit."""


def engine(n_leaves: int, years: int, cache: Cache) -> BacktestEngine:
    """Return a forest of one tree, of leaves under a root of equal weights, each of a universe of its own."""
    prices = Market(500, years * YEAR).prices
    case = Case("", "", n_leaves, ASSETS, years, optimizer="hrp", root="equal", schedule=SCHEDULE)
    return BacktestEngine(list(trees(case, prices.symbols)), {"market": prices}, cache=cache)


def blocks() -> tuple[float, float, float, float, float]:
    """Return seconds of a block, of its publication, its bytes, seconds of a look-up, and bytes of a mark."""
    n_leaves, years = 40, 6
    spent: list[float] = []
    engine(2, 2, NoCache()).run()  # kernels
    with tempfile.TemporaryDirectory() as folder:
        store = DiskCache(Path(folder) / "cache")
        for cache in (NoCache(), store):
            plan = engine(n_leaves, years, cache).plan
            keys = [key for key, node in plan.nodes.items() if isinstance(node.spec, Leaf)]
            shard, previous, began = Shard(plan, cache, keys, Markets(plan)), None, time.process_time()
            for label in plan.labels:
                previous, _ = shard.advance(label, previous)
            spent.append((time.process_time() - began) / n_leaves / len(plan.labels))
        store.flush()
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        n_blocks, began = n_leaves * len(plan.labels), time.process_time()
        assert sum(known_blocks(plan, DiskCache(Path(folder) / "cache")).values()) == n_blocks
        look_up = (time.process_time() - began) / n_blocks
    mark = len(pickle.dumps(previous)) / 2 / n_leaves  # a report has each twice: of the partition, and the newest
    return spent[0], spent[1] - spent[0], size / n_blocks, look_up, mark


def planning(n_leaves: int) -> tuple[float, float, float]:
    """Return seconds, bytes of memory and bytes on the way of a plan."""
    engine(10, 20, NoCache())
    before, began = status("VmRSS"), time.process_time()
    planned = engine(n_leaves, 20, NoCache())
    seconds, memory = time.process_time() - began, 2**20 * (status("VmRSS") - before)
    return seconds, memory, len(pickle.dumps(planned.plan))


def calling() -> float:
    """Return seconds of this process for a call to an actor that answers with 20 kB."""
    import ray

    from metabt.engines.ray.connection import connect

    class Answers:
        def answer(self, given: bytes) -> bytes:
            return given

    connect(n_cpus=2)
    actor, given, n_calls = ray.remote(num_cpus=0.5)(Answers).remote(), bytes(20_000), 1000
    ray.get(actor.answer.remote(given))
    began = time.process_time()
    waiting = [actor.answer.remote(given) for _ in range(n_calls)]
    while waiting:
        (done, *_), waiting = ray.wait(waiting, num_returns=1)
        ray.get(done)
    return (time.process_time() - began) / n_calls


def reading() -> float:
    """Return seconds of this process to read a million prices out of a lakehouse."""
    from benchmarks.report_memory import ingested
    from metabt.lakehouse.price_source import Lakehouse

    n_symbols, years = 500, 20
    with tempfile.TemporaryDirectory() as folder:
        symbols = ingested(Path(folder) / "lake", n_symbols, years)
        dataset = Lakehouse(Path(folder) / "lake").dataset("market", tuple(symbols))
        began = time.process_time()
        dataset.since(0)
        return (time.process_time() - began) / (n_symbols * years * YEAR / 1e6)


def configuring(number: int) -> tuple[float, float]:
    """Return seconds of the driver, and bytes at its peak, of a sweep of so many configurations."""
    from benchmarks import driver_simulation

    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        driver_simulation.main(["--configurations", str(number)])
    text = told.getvalue()
    seconds = re.search(r"the driver took ([\d.]+)", text)
    peak = re.search(r"driver's peak ([\d.]+) MB", text)
    assert seconds and peak, text
    return float(seconds[1]), 2**20 * float(peak[1])


def measured() -> Constants:
    """Measure everything, one process after another."""

    def apart(work: Callable, *arguments: int) -> tuple:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            found = pool.submit(work, *arguments).result()
        return found if isinstance(found, tuple) else (found,)

    def slope(work: Callable, few: int, many: int) -> list[float]:
        return [(b - a) / (many - few) for a, b in zip(apart(work, few), apart(work, many), strict=True)]

    leaf, publish, stored, look_up, mark = apart(blocks)
    plan, planned, travels = slope(planning, 1000, 5000)
    (call,), (read,) = apart(calling), apart(reading)
    seconds, memory = slope(configuring, 500, 2000)
    return Constants(
        leaf, publish, stored, look_up, plan, planned, travels, mark, call, read, seconds, memory, leaves=10
    )


def walk(it: Constants, cluster: Assumed, sleeves: int, years: int) -> list[Line]:
    """Return what one tree of so many leaves takes, under nodes of as many children as there are nodes."""
    n_processors = cluster.machines * cluster.processors
    n_blocks, symbols = sleeves * years, sleeves // 10
    work = n_blocks * (it.leaf + it.publish)
    lanes = min(MOST, n_processors, ceil(work / WORTH))
    calls, marks = lanes * years, 4 * sleeves * it.mark  # back, forth again, the newest, and on to the metas
    in_flight = 4 * sleeves * it.stored
    wide = ceil(sqrt(sleeves))
    return [
        Line(
            "leaf blocks computed",
            f"{n_blocks:,} x {1e3 * it.leaf:.1f} ms over {lanes} lanes",
            n_blocks * it.leaf / lanes,
        ),
        Line("blocks published", f"{n_blocks:,} x {1e3 * it.publish:.2f} ms, with them", n_blocks * it.publish / lanes),
        Line("disk", f"{n_blocks * it.stored / 1e9:,.0f} GB written", n_blocks * it.stored / cluster.disk),
        Line("plan made by the driver", f"{sleeves:,} x {1e3 * it.plan:.2f} ms", sleeves * it.plan),
        Line("known blocks looked up", f"{n_blocks:,} x {1e6 * it.look_up:.0f} us", n_blocks * it.look_up),
        Line("calls of the driver", f"{calls:,} x {1e3 * it.call:.2f} ms", calls * it.call),
        Line("reports through the driver", f"{years} x {marks / 1e6:,.0f} MB", years * marks / cluster.network),
        Line(
            "plan to the machines",
            f"{cluster.machines} x {sleeves * it.travels / 1e6:,.0f} MB",
            cluster.machines * sleeves * it.travels / cluster.network,
        ),
        Line("prices read", f"{symbols * years * YEAR / 1e6:,.0f} million", symbols * years * YEAR / 1e6 * it.read),
        Line(
            "driver's memory",
            f"{sleeves * it.planned / 1e9:.1f} GB of plan, {marks / 1e9:.1f} of reports",
            full=(sleeves * it.planned + marks) / cluster.memory,
        ),
        Line(
            "object stores",
            f"{in_flight / 1e9:,.0f} GB of four partitions",
            full=in_flight / (0.3 * cluster.memory * cluster.machines),
        ),
        Line(
            "a node's covariance", f"{wide:,} children: {8 * wide**2 / 1e6:,.1f} MB", full=8 * wide**2 / cluster.memory
        ),
    ]


def flat_width(cluster: Assumed) -> int:
    """Return how many children a covariance of half of a machine's memory has."""
    return int(sqrt(cluster.memory / 2 / 8))


def sweep(it: Constants, cluster: Assumed, configurations: int, years: int) -> list[Line]:
    """Return what a sweep takes whose configurations share no leaf."""
    n_processors = cluster.machines * cluster.processors
    n_blocks = configurations * it.leaves * years
    work = n_blocks * (it.leaf + it.publish)
    actors = min(MOST, n_processors, ceil(work / WORTH))
    peak = 0.4e9 + configurations * it.configured
    return [
        Line(
            "leaf blocks computed",
            f"{n_blocks:,} x {1e3 * it.leaf:.1f} ms over {actors} actors",
            n_blocks * it.leaf / actors,
        ),
        Line(
            "blocks published", f"{n_blocks:,} x {1e3 * it.publish:.2f} ms, with them", n_blocks * it.publish / actors
        ),
        Line("disk", f"{n_blocks * it.stored / 1e9:,.0f} GB written", n_blocks * it.stored / cluster.disk),
        Line("driver", f"{configurations:,} x {1e3 * it.configuration:.1f} ms", configurations * it.configuration),
        Line(
            "driver's memory", f"0.4 GB + {configurations:,} x {it.configured / 1e3:.0f} kB", full=peak / cluster.memory
        ),
    ]


def table(title: str, lines: list[Line]) -> list[str]:
    """Return a work as a table, what hinders it most first."""
    ordered = sorted(lines, key=lambda line: (-(line.full > 1), -line.seconds, -line.full))
    rows = [f"### {title}", "", "| what | how much | seconds | of the memory |", "|---|---|---:|---:|"]
    for line in ordered:
        seconds = f"{line.seconds:,.1f}" if line.seconds else ""
        full = f"{line.full:.1%}" if line.full else ""
        rows.append(f"| {line.what} | {line.amount} | {seconds} | {full} |")
    return [*rows, "", f"First to break: **{ordered[0].what}**.", ""]


def page(it: Constants, cluster: Assumed) -> str:
    """Return the model as Markdown."""
    constants = [
        ("block of a leaf", f"{1e3 * it.leaf:.2f} ms", f"HRP of {ASSETS} assets, {SCHEDULE}, a year"),
        ("published", f"{1e3 * it.publish:.2f} ms, {it.stored / 1e3:.0f} kB", "to the cache, more than without"),
        ("looked up", f"{1e6 * it.look_up:.0f} us", "whether a block is known"),
        ("planned", f"{1e3 * it.plan:.2f} ms, {it.planned / 1e3:.1f} kB; {it.travels / 1e3:.1f} kB sent", "a sleeve"),
        ("reported", f"{it.mark:.0f} bytes", "a sleeve, a partition, each time it is sent"),
        ("called", f"{1e3 * it.call:.2f} ms", "an actor, with its answer, in the driver"),
        ("read", f"{it.read:.2f} s", "a million prices"),
        (
            "a configuration",
            f"{1e3 * it.configuration:.1f} ms, {it.configured / 1e3:.0f} kB",
            f"of a sweep, {it.leaves} leaves of its own, in the driver",
        ),
    ]
    rows = [f"| {name} | {value} | {what} |" for name, value, what in constants]
    return "\n".join(
        [
            f"# {cluster.machines} machines, from constants of one",
            "",
            f"Written by `python benchmarks/cluster_model.py` on: {machine()}.",
            f"Assumed of each of {cluster.machines} machines: {cluster.processors} such processors, "
            f"{cluster.memory / 1e9:.0f} GB, {cluster.network / 1e9:.2f} GB/s between two; "
            f"a shared disk of {cluster.disk / 1e9:.0f} GB/s.",
            "",
            "| constant | measured | of what |",
            "|---|---|---|",
            *rows,
            "",
            *table("One tree of 100,000 leaves, 20 years", walk(it, cluster, 100_000, 20)),
            f"Its leaves stand under some 316 nodes of 316: a node over more than {flat_width(cluster):,} children has "
            "a covariance that no machine holds.",
            "",
            *table("A sweep of 10,000 configurations that share no leaf, 20 years", sweep(it, cluster, 10_000, 20)),
            "Seconds of one line pass beside those of others, but for the driver's own, which add up.",
            "",
        ]
    )


def main() -> None:
    """Measure, print the model, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=100)
    parser.add_argument("--no-write", action="store_true")
    asked = parser.parse_args()
    text = page(measured(), Assumed(machines=asked.machines))
    print(text)
    if not asked.no_write:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
