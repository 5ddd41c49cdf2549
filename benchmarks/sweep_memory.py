"""What a sweep takes by the number of its configurations, from its list to the one commit into a lakehouse.

`python benchmarks/sweep_memory.py [--kinds leaves,roots] [--leaves 100,300] [--roots 300,1000] [--digests]`

1. leaves: configurations whose four leaves differ in their lookback, so that none is shared, through the cache on disk.
2. roots: configurations that differ in their root alone, over the same four leaves.

Each case is a process of its own, with a lakehouse of its own: its peak (VmHWM), and CPU seconds. Kernels are loaded
and the engine is imported beforehand; what that takes is a column. The linear part is that between two numbers of
configurations. With `--digests` one digest is printed of what `runs.digests` has of all of them, their tables.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import metabt
from benchmarks.memory import SIZE, status
from benchmarks.report_memory import Spent, ingested
from metabt.config import Job
from metabt.runs.sweep import run_sweep
from metabt.values.digests import digest

LEAVES, YEARS = 4, 20
"""Leaves of a configuration, and years of prices."""


@dataclass(frozen=True)
class Case:
    """One sweep."""

    kind: str
    """What its configurations differ in: leaves or roots."""
    configurations: int
    """How many there are."""


def job(kind: str, number: int, symbols: Sequence[str]) -> Job:
    """Return a configuration; no two of a kind are the same."""
    lookback = 60 + number if kind == "leaves" else 126
    held = {f"s{i}": {"universe": list(symbols[i * SIZE : (i + 1) * SIZE])} for i in range(LEAVES)}
    leaf = {"dataset": "market", "schedule": "monthly", "lag": 1, "lookback": lookback, "optimizer": "erc"}
    root = {"lookback": 63 + number if kind == "roots" else 252, "optimizer": "erc", "schedule": "monthly"}
    config: dict[str, Any] = {"portfolio": {"name": "book", **root, "defaults": leaf, "sleeves": held}}
    config |= {"engine": "local", "start": None, "end": None, "is_meta_backtest": None}
    return Job((f"number={number}",), config, None)


def swept(case: Case, lake: Path, symbols: Sequence[str]) -> Spent:
    """Run a sweep in this process, after one of two configurations of another name."""
    run_sweep([job(case.kind, 2000 + number, symbols) for number in range(2)], str(lake))
    before, began = status("VmHWM"), time.process_time()
    run_sweep([job(case.kind, number, symbols) for number in range(case.configurations)], str(lake))
    return Spent(time.process_time() - began, before, status("VmHWM"))


def tables_digest(lake: Path) -> str:
    """Return one digest of the tables of all runs of a lakehouse."""
    with metabt.connect(lake) as connection:
        rows = connection.execute("select overrides, digests from runs order by overrides").fetchall()
    return digest([[json.loads(text)["tables"], json.loads(text)["span"]] for _, text in rows])


def main() -> None:
    """Print what the cases take."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default="leaves,roots")
    parser.add_argument("--leaves", default="100,300")
    parser.add_argument("--roots", default="300,1000")
    parser.add_argument("--digests", action="store_true")
    asked = parser.parse_args()
    print(f"{'kind':<8}{'configurations':>15}{'cpu s':>8}{'MB before':>11}{'peak':>8}")
    with tempfile.TemporaryDirectory() as folder:
        stocked = Path(folder) / "stocked"
        symbols = ingested(stocked, LEAVES * SIZE, YEARS)
        for kind in asked.kinds.split(","):
            found: list[tuple[int, Spent]] = []
            for number in map(int, getattr(asked, kind).split(",")):
                lake = Path(shutil.copytree(stocked, Path(folder) / "lake"))
                with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                    took = pool.submit(swept, Case(kind, number), lake, symbols).result()
                found.append((number, took))
                print(f"{kind:<8}{number:15}{took.cpu:8.1f}{took.before:11.0f}{took.peak:8.0f}", flush=True)
                if asked.digests:
                    print(f"        tables {tables_digest(lake)}")
                shutil.rmtree(lake)
            (few, one), (many, other) = found[0], found[-1]
            if many > few:
                memory, cpu = ((b - a) / (many - few) for a, b in ((one.peak, other.peak), (one.cpu, other.cpu)))
                print(f"{kind:<8}  linear part: {memory:.2f} MB and {1e3 * cpu:.1f} ms a configuration", flush=True)


if __name__ == "__main__":
    main()
