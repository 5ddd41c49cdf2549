"""How the walk scales on Ray: wall time, processor time, memory, bytes read and overhead, by workers and by years.

`python benchmarks/scaling.py [--sleeves 400] [--assets 50] [--years 20] [--workers 0,1,2] [--memory 5,10,20]`

1. speed: many HRP sleeves, decided every other session, under a root of equal weights, in one process (0 workers) and
   on Ray, on the same prices without a cache. Start-up (Ray itself, and the actors) is shown apart. Overhead a block is
   what one worker takes longer than one process.
2. constants of `engine=auto`: seconds that Ray takes until a first small walk is done, in a process of its own, and the
   part of the same walk in which threads of one process wait for each other.
3. memory: more assets and few decisions, for several lengths of history. What each kind of process takes for itself at
   its peak, and what they share in the object store. A walk whose memory grows with history shows here.

All cases run one after another on one lakehouse of synthetic prices with a fixed seed.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np
import ray

from benchmarks.build_system import prices
from metabt.build.cache.disk import DiskCache
from metabt.build.walk_result import Executor
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.choice import PYTHON, START
from metabt.engines.local import Local
from metabt.engines.ray import Ray
from metabt.engines.ray.connection import connect
from metabt.engines.usable_cpus import usable_cpus
from metabt.lakehouse import ingest
from metabt.lakehouse.price_source import Lakehouse
from metabt.portfolio.resolve import resolve

PAGE = os.sysconf("SC_PAGE_SIZE")
KINDS = {
    "driver": "driver",
    "ray::SleeveActor": "sleeves",
    "ray::MetaActor": "meta",
    "ray::GroupActor": "groups",
    "ray::": "other workers",
}
"""Beginning of a process's title -> what it is."""


SYMBOLS = 1000
"""Of the dataset that sleeves draw from for the speed; as many as they hold for the memory."""


def tree(symbols: list[str], n_sleeves: int, size: int, optimizer: str, schedule: str | dict) -> dict:
    """Return a root over leaves of `size` symbols, drawn with a fixed seed."""
    rng = np.random.default_rng(11)
    drawn = [sorted(rng.choice(symbols, size, replace=False).tolist()) for _ in range(n_sleeves)]
    leaves = {f"s{i:04d}": {"universe": universe} for i, universe in enumerate(drawn)}
    rules = {"dataset": "market", "lookback": 252, "schedule": schedule, "optimizer": optimizer}
    return {"name": "book", "optimizer": "equal", "schedule": "monthly", "defaults": rules, "sleeves": leaves}


@dataclass
class Sampled:
    """What the processes beneath this one took while it was sampled."""

    private: dict[str, float] = field(default_factory=dict)
    """Kind of process -> MB at the peak of its largest one, without what is shared."""
    shared: float = 0.0
    """MB of the object store at its peak."""
    cpu: dict[str, float] = field(default_factory=dict)
    """Kind of process -> processor seconds of all of them."""
    read: float = 0.0
    """MB that all processes have read from files."""


@contextmanager
def sampled() -> Iterator[Sampled]:
    """Sample all processes beneath this one, twice a second."""
    found, over = Sampled(), threading.Event()
    cpu: dict[int, float] = {}
    read: dict[int, float] = {}
    kinds: dict[int, str] = {}

    def sample() -> None:
        while not over.wait(0.5):
            for pid, kind in _processes():
                try:
                    status = Path(f"/proc/{pid}/statm").read_text().split()
                    cpu[pid] = _cpu_seconds(pid)
                    read[pid], kinds[pid] = _bytes_read(pid), kind
                except OSError:
                    continue  # it has ended
                shared = int(status[2]) * PAGE / 1e6
                private = int(status[1]) * PAGE / 1e6 - shared
                found.private[kind] = max(found.private.get(kind, 0.0), private)
            found.shared = max(found.shared, _store())

    before = dict(_counters())
    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()
        for pid, seconds in cpu.items():
            spent = seconds - before.get(pid, (0.0, 0.0))[0]
            found.cpu[kinds[pid]] = found.cpu.get(kinds[pid], 0.0) + spent
        found.read = sum(read.values()) - sum(before.get(pid, (0.0, 0.0))[1] for pid in read)


def _counters() -> Iterator[tuple[int, tuple[float, float]]]:
    for pid, _ in _processes():
        try:
            yield pid, (_cpu_seconds(pid), _bytes_read(pid))
        except OSError:
            continue


def _processes() -> Iterator[tuple[int, str]]:
    """Yield this process and the workers beneath it."""
    yield os.getpid(), "driver"
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parents[int(entry)] = int(Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
    for pid in parents:
        above, steps = pid, 0
        while above in parents and above != os.getpid() and steps < 8:
            above, steps = parents[above], steps + 1
        if above == os.getpid() and pid != above:
            try:
                title = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
            kind = next((kind for start, kind in KINDS.items() if title.startswith(start)), None)
            if kind:
                yield pid, kind


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _bytes_read(pid: int) -> float:
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1]) / 1e6


def _store() -> float:
    if not ray.is_initialized():
        return 0.0
    total, free = ray.cluster_resources(), ray.available_resources()
    return (total.get("object_store_memory", 0.0) - free.get("object_store_memory", 0.0)) / 1e6


class Ready(logging.Handler):
    """Hears how long the actors took to come."""

    began = seconds = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Note the seconds until the newest of them."""
        if "are there" in record.getMessage():
            Ready.seconds = time.perf_counter() - Ready.began


def run(lake: Path, settings: dict, executor: Executor, cache: Path | None = None) -> tuple[float, Sampled, int]:
    """Walk a tree; return seconds without start-up, what was sampled, and the number of blocks."""
    source = Lakehouse(lake)
    portfolio = resolve(settings, symbols=source.symbols())
    job = BacktestEngine([portfolio], source.datasets([portfolio]), executor=executor, cache=cache and DiskCache(cache))
    n_blocks, Ready.seconds = job.plan.n_blocks, 0.0
    with sampled() as found:
        began = Ready.began = time.perf_counter()
        job.run()
        seconds = time.perf_counter() - began - Ready.seconds
    source.connection.close()
    return seconds, found, n_blocks


def speed(folder: Path, n_sleeves: int, n_assets: int, years: int, workers: list[int]) -> None:
    """Print a line for every number of workers."""
    frame = prices(SYMBOLS, 252 * years)
    ingest(folder / "lake", "market", frame)
    settings = tree(list(frame.columns), n_sleeves, n_assets, "hrp", {"every": 2})
    warm = tree(list(frame.columns)[:100], 2, n_assets, "hrp", "weekly")
    run(folder / "lake", warm, Local(threads=1))  # kernels are compiled, or loaded
    print(f"{n_sleeves} HRP sleeves x {n_assets} assets x {years} years, a decision every other session, no cache\n")
    heads = {"workers": 8, "seconds": 10, "speed-up": 10, "cpu s": 9, "actors s": 10, "MB read": 9, "ms/block": 10}
    print("".join(f"{head:>{width}}" for head, width in heads.items()) + "   cpu s of")
    base: dict[int, float] = {}
    for n in workers:
        seconds, found, n_blocks = run(folder / "lake", settings, Ray(workers=n) if n else Local(threads=1))
        base[n] = seconds
        first = base.get(1, base.get(0, seconds))
        total, shares = sum(found.cpu.values()), ", ".join(f"{kind} {spent:.1f}" for kind, spent in found.cpu.items())
        print(
            f"{n or 'local':>8}{seconds:>10.2f}{first / seconds:>10.2f}{total:>9.1f}{Ready.seconds:>10.2f}"
            f"{found.read:>9.0f}{1e3 * seconds / n_blocks:>10.2f}   {shares}",
            flush=True,
        )
    if 0 in base:
        threads = usable_cpus()
        shared, _, _ = run(folder / "lake", settings, Local(threads=threads))
        part = (shared / base[0] - 1 / threads) / (1 - 1 / threads) if threads > 1 else 1.0
        print(
            f"\n{threads} threads: {shared:.2f} s, which wait for each other in {part:.2f} of it ({PYTHON} is reckoned)"
        )
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        took = apart.submit(started, folder / "lake", warm).result()
    print(f"Ray, from nothing to the end of a first small walk: {took:.1f} s ({START} is reckoned)")
    if 0 in base and 1 in base:
        print(f"\noverhead of Ray: {1e3 * (base[1] - base[0]) / n_blocks:.2f} ms a block ({n_blocks} blocks)")


def memory(folder: Path, n_sleeves: int, n_assets: int, lengths: list[int]) -> None:
    """Print a line for every length of history; prices are made, and each walk is driven, by a process of its own."""
    kinds = list(dict.fromkeys(KINDS.values()))
    print(
        f"\n{n_sleeves} sleeves x {n_assets} assets, equal weights, quarterly; MB at the peak of the largest process\n"
    )
    print(f"{'years':>8}" + "".join(f"{kind:>15}" for kind in kinds) + f"{'object store':>15}{'prices':>10}")
    peaks: dict[str, list[float]] = {}
    for years in lengths:
        lake = folder / f"lake{years}"
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as apart:
            symbols = apart.submit(ingested, lake, n_sleeves * n_assets, years).result()
            settings = tree(symbols, n_sleeves, n_assets, "equal", "quarterly")
            found = apart.submit(driven, lake, settings, folder / f"cache{years}").result()
        for kind in kinds:
            peaks.setdefault(kind, []).append(found.private.get(kind, 0.0))
        peaks.setdefault("object store", []).append(found.shared)
        row = "".join(f"{peaks[kind][-1]:>15.0f}" for kind in kinds)
        print(f"{years:>8}{row}{found.shared:>15.0f}{len(symbols) * years * 252 * 8 / 1e6:>10.0f}", flush=True)
    spread = {kind: max(values) / min(values) - 1 for kind, values in peaks.items() if min(values) > 0}
    print("\ngrowth: " + ", ".join(f"{kind} {share:.0%}" for kind, share in spread.items()))


def started(lake: Path, settings: dict) -> float:
    """Return the seconds that a small walk takes on Ray, which is started for it, more than in this process."""
    here, _, _ = run(lake, settings, Local(threads=1))
    began = time.perf_counter()
    run(lake, settings, Ray(workers=2))
    return time.perf_counter() - began - here


def ingested(lake: Path, n_symbols: int, years: int) -> list[str]:
    """Make a lakehouse of synthetic prices; return its symbols."""
    frame = prices(n_symbols, 252 * years)
    ingest(lake, "market", frame)
    return list(frame.columns)


def driven(lake: Path, settings: dict, cache: Path) -> Sampled:
    """Walk a tree on two workers, as the only thing that this process does."""
    connect(n_cpus=max(os.cpu_count() or 1, 2))
    return run(lake, settings, Ray(workers=2), cache)[1]


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in {"sleeves": 400, "assets": 50, "years": 20, "wide-sleeves": 20, "wide-assets": 100}.items():
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--workers", default="0,1,2", help="numbers of workers; 0 is one process without Ray")
    parser.add_argument("--memory", default="5,10,20", help="years of history; empty leaves it out")
    args = parser.parse_args()
    logging.getLogger("metabt.cluster").setLevel(logging.INFO)
    logging.getLogger("metabt.cluster").addHandler(Ready())
    with tempfile.TemporaryDirectory() as name:
        if args.workers:
            began = time.perf_counter()
            connect(n_cpus=max(os.cpu_count() or 1, 2))
            print(f"Ray started in {time.perf_counter() - began:.1f} s on {os.cpu_count()} processors\n")
            speed(Path(name), args.sleeves, args.assets, args.years, [int(n) for n in args.workers.split(",")])
            ray.shutdown()
        if args.memory:
            lengths = [int(n) for n in args.memory.split(",")]
            memory(Path(name), args.wide_sleeves, args.wide_assets, lengths)


if __name__ == "__main__":
    main()
