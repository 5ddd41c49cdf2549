"""What remembering costs: a cold run through a lakehouse's cache over the same run without any cache.

`python benchmarks/cache_cost.py [--configurations 32] [--sleeves 20] [--rounds 3] [--roots] [--folder DIR]`

A leaf sweep: W2 (20 sleeves of 25 assets over 20 years beneath equal risk contribution), once for each lookback of
its leaves, walked as one forest; with `--roots`, 4 leaf lookbacks beneath 8 roots each, so that leaves are shared.
Kernels are loaded and prices are made beforehand. Each round walks it without a cache, through a cache in memory, and
through an empty cache on disk until all is published; rounds alternate in one process, and ratios are those of the
least seconds. Sleeves walk all years at once; `forgets` is a cache of which nothing is found, so that it differs from a
cache only by digests and bytes, and from none by cutting blocks and making keys. The peak is that of a process of its
own.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

from benchmarks.memory import status
from benchmarks.works import Market
from metabt.build.cache import MemoryCache, NoCache
from metabt.build.cache.disk import DiskCache
from metabt.build.ports import Cache, Sealed
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.local import Local
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Sleeve

ASSETS, SESSIONS = 25, 5040
"""Assets of a leaf, and sessions."""
CASES = ("plain", "forgets", "memory", "disk")
"""Without a cache, with one that forgets, in memory, on disk."""


class Forgetting(NoCache):
    """A cache that is asked block by block and never knows one: blocks are cut and keys made, nothing is sealed."""

    remembers = True

    def put(self, key: str, kind: str, parts: Mapping[str, object]) -> Sealed:
        """Return the parts under digests that stand for nothing."""
        return Sealed(parts, dict.fromkeys(parts, ""))


@dataclass(frozen=True)
class Size:
    """What is swept."""

    configurations: int
    """Trees."""
    sleeves: int
    """Leaves of each."""
    roots: bool
    """Whether 4 lookbacks of leaves are shared by all trees."""


def trees(size: Size, symbols: Sequence[str]) -> list[Sleeve]:
    """Return the configurations."""
    leaves: dict[str, Sleeve] = {}
    return [
        resolve(_settings(size, k, symbols), symbols={"market": symbols}, leaves=leaves)
        for k in range(size.configurations)
    ]


def _settings(size: Size, k: int, symbols: Sequence[str]) -> dict[str, Any]:
    lookback = 63 + 63 * (k % 4) if size.roots else 126 + 6 * k
    held = {f"s{i:02d}": {"universe": list(symbols[i * ASSETS : (i + 1) * ASSETS])} for i in range(size.sleeves)}
    defaults = {"dataset": "market", "schedule": {"every": 21}, "lag": 0, "lookback": lookback, "optimizer": "erc"}
    root = {"lookback": 126 + 63 * (k // 4 % 8) if size.roots else 252, "optimizer": "erc"}
    return {"name": "book", "defaults": defaults, **root, "sleeves": held}


@dataclass(frozen=True)
class Spent:
    """What one walk took."""

    cpu: float
    """CPU seconds of all threads, until everything is published."""
    wall: float
    """Seconds."""
    blocks: int
    """Blocks of the forest."""


def walked(case: str, size: Size, folder: Path | None) -> Spent:
    """Walk the sweep and assemble its summaries."""
    prices = market(size).prices
    with tempfile.TemporaryDirectory(dir=folder) as place:
        begun, began = time.process_time(), time.perf_counter()
        with _cache(case, Path(place) / "cache") as cache:
            forest, one = trees(size, prices.symbols), Local(threads=1)
            engine = BacktestEngine(forest, {"market": prices}, cache=cache, executor=one)
            engine.run()
            cache.flush()
        return Spent(time.process_time() - begun, time.perf_counter() - began, engine.plan.n_blocks)


def _cache(case: str, place: Path) -> AbstractContextManager[Cache]:
    made: Mapping[str, Callable[[], Any]] = {
        "plain": lambda: nullcontext(NoCache()),
        "forgets": lambda: nullcontext(Forgetting()),
        "memory": lambda: nullcontext(MemoryCache()),
        "disk": lambda: DiskCache(place),
    }
    return made[case]()


MARKETS: dict[int, Market] = {}


def market(size: Size) -> Market:
    """Return the prices of a sweep, made once in a process."""
    return MARKETS.setdefault(size.sleeves, Market(size.sleeves * ASSETS, SESSIONS))


def peak(case: str, size: Size, folder: Path | None) -> tuple[float, float]:
    """Return MB at the peak before a walk and at its end; for a process of its own."""
    walked(case, Size(1, size.sleeves, False), folder)
    before = status("VmHWM")
    walked(case, size, folder)
    return before, status("VmHWM")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configurations", type=int, default=32)
    parser.add_argument("--sleeves", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--roots", action="store_true")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    size, cases = Size(asked.configurations, asked.sleeves, asked.roots), asked.cases.split(",")
    for case in cases:
        walked(case, Size(1, size.sleeves, False), asked.folder)
    found: dict[str, list[Spent]] = {case: [] for case in cases}
    for _ in range(asked.rounds):
        for case in cases:
            found[case].append(walked(case, size, asked.folder))
    print(f"{size.configurations} configurations of {size.sleeves} leaves, {found[cases[0]][0].blocks:,} blocks\n")
    print(f"{'':<10}{'cpu s':>8}{'ratio':>7}{'wall s':>9}{'ratio':>7}{'MB before':>11}{'peak':>7}")
    cpu, wall = (min(getattr(it, name) for it in found[cases[0]]) for name in ("cpu", "wall"))
    for case in cases:
        least, fast = min(it.cpu for it in found[case]), min(it.wall for it in found[case])
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            before, top = pool.submit(peak, case, size, asked.folder).result()
        print(
            f"{case:<10}{least:8.2f}{least / cpu:7.2f}{fast:9.2f}{fast / wall:7.2f}{before:11.0f}{top:7.0f}", flush=True
        )


if __name__ == "__main__":
    main()
