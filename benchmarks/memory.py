"""What a walk without a cache keeps in memory, and what a cache keeps on disk, by the number of leaves.

`python benchmarks/memory.py [--leaves 200,1000] [--nodes 0] [--keep all,summary] [--years 20] [--threads 2]`

1. peak: leaves of 25 of 500 assets, decided monthly, under a root of equal risk contribution or, with `--nodes`, under
   so many nodes of inverse volatility beneath it. Each case is a process of its own: its peak (VmHWM), and CPU seconds.
   Kernels are loaded and prices are made beforehand; what that takes is a column.
2. disk: the bytes that are stored for a leaf of 25 assets and a year.

Prices come from a factor model with a fixed seed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np

from benchmarks.works import Market
from metabt.build.cache.disk import DiskCache
from metabt.build.cache.folder.shelf import FolderShelf
from metabt.build.cache.verified_reading import read_index
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.local import Local
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Sleeve

SYMBOLS, SIZE, YEAR = 500, 25, 252
"""Assets of the dataset, assets of a leaf, and sessions of a year."""


@dataclass(frozen=True)
class Case:
    """One walk."""

    leaves: int
    """Leaves, each over assets of its own choice."""
    nodes: int
    """Nodes between them and the root; 0 has none."""
    years: int
    """Years of prices."""
    keep: str
    """Tables that are assembled: all or summary."""
    threads: int
    """Threads that walk."""


@dataclass(frozen=True)
class Spent:
    """What a case took."""

    cpu: float
    """CPU seconds from the tree's settings to its tables."""
    before: float
    """MB at the peak before it."""
    walked: float
    """MB in use once everything was walked."""
    peak: float
    """MB at the peak of the whole."""


def tree_settings(leaves: int, nodes: int, symbols: Sequence[str]) -> dict[str, Any]:
    """Return the settings of the tree of a case, its universes drawn with a fixed seed."""
    rng = np.random.default_rng(11)
    drawn = [sorted(rng.choice(symbols, SIZE, replace=False).tolist()) for _ in range(leaves)]
    beneath: dict[str, Any] = {f"s{i:05d}": {"universe": universe} for i, universe in enumerate(drawn)}
    rules = {"lookback": YEAR, "schedule": "monthly", "optimizer": "inverse_volatility"}
    if nodes:
        parts = np.array_split(list(beneath), nodes)
        named = [{str(name): beneath[str(name)] for name in part} for part in parts]
        beneath = {f"n{i:03d}": {"optimizer": "inverse_volatility", "sleeves": it} for i, it in enumerate(named)}
    settings = {"name": "book", **rules, "optimizer": "erc", "defaults": {"dataset": "market", **rules}}
    return {**settings, "sleeves": beneath}


def tree(leaves: int, nodes: int, symbols: Sequence[str]) -> Sleeve:
    """Return the tree of a case."""
    return resolve(tree_settings(leaves, nodes, symbols), symbols={"market": tuple(symbols)})


def spent(case: Case) -> Spent:
    """Return what a case takes in this process."""
    prices = Market(SYMBOLS, case.years * YEAR).prices
    small = tree(4, 2 if case.nodes else 0, prices.symbols)
    options: dict[str, Any] = {"keep": case.keep, "executor": Local(case.threads)}
    few = BacktestEngine([small], {"market": prices}, **options)
    few.assemble(few.run())
    before, began = status("VmHWM"), time.process_time()
    engine = BacktestEngine([tree(case.leaves, case.nodes, prices.symbols)], {"market": prices}, **options)
    found = engine.run()
    walked = status("VmRSS")
    engine.assemble(found)
    return Spent(time.process_time() - began, before, walked, status("VmHWM"))


def status(name: str) -> float:
    """Return a number of MB that Linux knows of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def stored() -> int:
    """Return the bytes that are stored for a leaf of SIZE assets and a whole year."""
    prices = Market(SYMBOLS, 4 * YEAR).prices
    with tempfile.TemporaryDirectory() as folder, DiskCache(Path(folder)) as cache:
        engine = BacktestEngine([tree(4, 0, prices.symbols).sleeves[0]], {"market": prices}, cache=cache)
        engine.run()
        cache.flush()
        shelf = FolderShelf(Path(folder))
        packs = [read_index(shelf, name)[0] for name, _ in shelf.names()]
        return max(size for index in packs for size in index.sizes())


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", default="200,1000")
    parser.add_argument("--nodes", type=int, default=0)
    parser.add_argument("--keep", default="all,summary")
    parser.add_argument("--years", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    print(f"{'leaves':>8}{'nodes':>7}  {'keep':<8}{'cpu s':>8}{'MB before':>11}{'walked':>8}{'peak':>8}")
    for n_leaves in map(int, asked.leaves.split(",")):
        for keep in asked.keep.split(","):
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                took = pool.submit(spent, Case(n_leaves, asked.nodes, asked.years, keep, asked.threads)).result()
            numbers = f"{took.cpu:8.1f}{took.before:11.0f}{took.walked:8.0f}{took.peak:8.0f}"
            print(f"{n_leaves:8}{asked.nodes:7}  {keep:<8}{numbers}", flush=True)
    print(f"\nbytes stored for a leaf of {SIZE} assets and a year: {stored():,.0f}")


if __name__ == "__main__":
    main()
