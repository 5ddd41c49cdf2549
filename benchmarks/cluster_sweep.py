"""What a sweep on a cluster costs beside the same sweep in one process, and what its driver takes of it.

`python benchmarks/cluster_sweep.py [--configurations 300] [--workers 2]`

Configurations whose four HRP leaves differ in their lookback, so that none is shared, over 20 years, cold, into a
lakehouse of their own. Each case is a process of its own. `start` is a sweep of two configurations on the same cluster,
with as many actors: what there is of imports, actors and kernels before anything is computed. Processor seconds are
those of the driver, of the actors, and of all other workers of the cluster; the peak is the driver's own memory.
"""

from __future__ import annotations

import argparse
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

from benchmarks.memory import SIZE, status
from benchmarks.report_memory import ingested
from benchmarks.scaling import sampled
from benchmarks.sweep_memory import LEAVES, YEARS, job
from metabt.config import Job
from metabt.engines.ray import group_sweep
from metabt.engines.ray.connection import connect
from metabt.runs.sweep import run_sweep
from metabt.runs.swept import Sweep

FEW = 0.01
"""Seconds that a group of the sweep that is nothing but a start may take."""


@dataclass(frozen=True)
class Took:
    """What a sweep took."""

    seconds: float
    """Wall time."""
    cpu: dict[str, float]
    """Kind of process -> processor seconds."""
    peak: float
    """MB of the driver at its peak, since the process began."""
    ranking: tuple[tuple[str, float], ...]
    """Run and Sharpe ratio of every configuration."""


def configurations(numbers: Sequence[int], symbols: Sequence[str], workers: int) -> list[Job]:
    """Return configurations for one process, where there are no workers, or for Ray."""
    found = []
    for number in numbers:
        made = job("leaves", number, symbols)
        config: dict[str, Any] = dict(made.config or {})
        config["portfolio"] = {
            **config["portfolio"],
            "defaults": {**config["portfolio"]["defaults"], "optimizer": "hrp"},
        }
        config |= {"engine": "ray", "cluster": {"workers": workers}} if workers else {"local": {"threads": 1}}
        found.append(Job(made.overrides, config, None))
    return found


def swept(number: int, lake: Path, symbols: Sequence[str], workers: int) -> tuple[Took, Took]:
    """Run a sweep in this process; return what its start took, and what it took."""
    if workers:
        connect(n_cpus=workers)
    worth, group_sweep.WORTH = group_sweep.WORTH, FEW
    start = _measured(configurations([2000, 2001], symbols, workers), lake)
    group_sweep.WORTH = worth
    return start, _measured(configurations(range(number), symbols, workers), lake)


def _measured(jobs: Sequence[Job], lake: Path) -> Took:
    began, own = time.perf_counter(), time.process_time()
    with sampled() as found:
        done: Sweep = run_sweep(jobs, str(lake))
    cpu = {**found.cpu, "driver": time.process_time() - own}
    peak = status("VmHWM")
    ranking = tuple((run.run_id, run.metrics["sharpe"]) for run in done.runs)
    return Took(time.perf_counter() - began, cpu, peak, ranking)


def main() -> None:
    """Print both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configurations", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    found: dict[int, tuple[Took, Took]] = {}
    print(f"{'':<14}{'seconds':>9}{'cpu s':>8}{'driver':>8}{'peak MB':>9}   cpu s of")
    with tempfile.TemporaryDirectory() as folder:
        stocked = Path(folder) / "stocked"
        symbols = ingested(stocked, LEAVES * SIZE, YEARS)
        for workers in (0, asked.workers):
            lake = Path(shutil.copytree(stocked, Path(folder) / "lake"))
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                found[workers] = pool.submit(swept, asked.configurations, lake, symbols, workers).result()
            shutil.rmtree(lake)
            for name, took in zip(("start", "sweep"), found[workers], strict=True):
                where = f"ray {workers}" if workers else "local"
                kinds = ", ".join(f"{kind} {spent:.1f}" for kind, spent in took.cpu.items())
                print(
                    f"{f'{where}, {name}':<14}{took.seconds:9.1f}{sum(took.cpu.values()):8.1f}"
                    f"{took.cpu['driver']:8.1f}{took.peak:9.0f}   {kinds}",
                    flush=True,
                )
    here, there = found[0], found[asked.workers]
    alone, shared = (sum(sweep.cpu.values()) - sum(start.cpu.values()) for start, sweep in (here, there))
    driver = there[1].cpu["driver"] - there[0].cpu["driver"]
    print(f"\nless the start: cpu {shared / alone:.2f} of one process's, the driver's own {driver / shared:.1%} of all")
    print(f"ranking {'equal to the bit' if here[1].ranking == there[1].ranking else 'DIFFERS'}")


if __name__ == "__main__":
    main()
