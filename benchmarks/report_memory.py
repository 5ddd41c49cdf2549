"""What `metabt report` takes of a run of many leaves, and what it leaves in the lakehouse's cache.

`python benchmarks/report_memory.py [--leaves 1000] [--years 20]`

1. Prices are stored in a lakehouse, a tree of benchmarks/memory.py is run there and kept, with its blocks.
2. `report` writes its page in a process of its own: its peak (VmHWM) and CPU seconds.
3. What the cache holds before and after is listed: files and bytes.
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

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import pandas as pd

import metabt
from benchmarks.memory import SYMBOLS, YEAR, status, tree_settings
from benchmarks.works import Market
from metabt.lakehouse import ingest
from metabt.lakehouse.folder.lost_catalogue import CACHE


@dataclass(frozen=True)
class Spent:
    """What a process took."""

    cpu: float
    """CPU seconds."""
    before: float
    """MB at the peak before it began."""
    peak: float
    """MB at the peak of the whole."""


def ingested(lake: Path, n_symbols: int, years: int) -> Sequence[str]:
    """Store the closes of a factor model as dataset `market`, and return its symbols."""
    prices = Market(n_symbols, years * YEAR).prices
    frame = pd.DataFrame(prices.close, pd.DatetimeIndex(prices.dates, name="date"), list(prices.symbols))
    ingest(lake, "market", frame)
    return prices.symbols


def stored(lake: Path, leaves: int, years: int) -> None:
    """Store prices, and the run of a tree."""
    metabt.backtest(tree_settings(leaves, 0, ingested(lake, SYMBOLS, years)), lake)


def reported(lake: Path) -> Spent:
    """Write the page of the newest run."""
    from metabt.cli.pages.report_command import report

    before, began = status("VmHWM"), time.process_time()
    report(str(lake), output=str(lake.parent / "report.html"))
    return Spent(time.process_time() - began, before, status("VmHWM"))


def listing(lake: Path) -> dict[Path, int]:
    """Return the files of the cache with their sizes."""
    return {path: path.stat().st_size for path in (lake / CACHE).rglob("*") if path.is_file()}


def main() -> None:
    """Print what a report takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", type=int, default=1000)
    parser.add_argument("--years", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake"
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            pool.submit(stored, lake, asked.leaves, asked.years).result()
        before = listing(lake)
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            took = pool.submit(reported, lake).result()
        after = listing(lake)
    print(f"{'leaves':>8}{'cpu s':>8}{'MB before':>11}{'peak':>8}")
    print(f"{asked.leaves:8}{took.cpu:8.1f}{took.before:11.0f}{took.peak:8.0f}")
    for name, found in (("before", before), ("after", after)):
        print(f"cache {name}: {len(found):,} files, {sum(found.values()) / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
