"""Growth: seconds and memory of a backtest by its leaves, assets, years, depth, schedule, optimizer, configurations.

`python benchmarks/growth.py [--only leaves,years] [--largest 10000] [--no-write]`

1. The base case is 20 leaves of 25 assets over 20 years, equal risk contribution in leaves and root, decided monthly
   over 252 sessions, all tables, no cache, one thread. A group of cases varies one thing; the rest is said beside it.
2. Each case is a process of its own: CPU seconds from the tree's settings to its tables, and the peak of its memory
   (VmHWM) over what there was before. Kernels are compiled, and prices made, beforehand.
3. What grows is fitted as a power: the slope of log seconds, and of log memory, over the larger half of a group.

Prices come from a factor model with a fixed seed. `make growth` writes benchmarks/GROWTH.md.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np

from benchmarks.machine import machine
from benchmarks.memory import status
from benchmarks.works import Market
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.local import Local
from metabt.estimators.registry import OPTIMIZERS
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Sleeve

YEAR, WIDE = 252, 100
"""Sessions of a year; children that a node has at most."""
PAGE = Path(__file__).with_name("GROWTH.md")
NEEDS = {"fixed"}
"""Optimizers that are left out: they need weights to be stated."""


@dataclass(frozen=True)
class Case:
    """One backtest, or one forest of them."""

    group: str
    """What its group varies."""
    value: str
    """The value of that."""
    leaves: int = 20
    assets: int = 25
    years: int = 20
    lookback: int = YEAR
    depth: int = 1
    """Levels above the leaves; beyond 1 each node has a leaf and the next node, and the last one the other leaves."""
    schedule: Any = "monthly"
    optimizer: str = "erc"
    """Of leaves."""
    root: str = "erc"
    configurations: int = 1
    """Roots over the same leaves, each of a lookback of its own."""
    keep: str = "all"


@dataclass(frozen=True)
class Spent:
    """What a case took."""

    seconds: float
    """CPU seconds."""
    megabytes: float
    """MB that it added to the peak."""


def cases() -> list[Case]:
    """Return all cases, group by group, small ones first."""
    base = Case("", "")
    many = replace(base, optimizer="inverse_volatility", root="inverse_volatility", keep="summary")
    found = [replace(many, group="leaves", value=f"{n:,}", leaves=n) for n in (10, 100, 1000, 10000)]
    found += [
        replace(base, group="assets", value=f"{n:,}", leaves=1, assets=n, lookback=504, optimizer="min_variance")
        for n in (10, 50, 250, 1000, 2000)
    ]
    found += [replace(base, group="years", value=str(n), years=n, lookback=126) for n in (1, 5, 10, 20, 40)]
    found += [replace(base, group="depth", value=str(n), depth=n) for n in (1, 2, 4, 8, 12)]
    schedules = ("yearly", "quarterly", "monthly", "weekly", {"every": 1})
    found += [replace(base, group="schedule", value=_named(it), schedule=it) for it in schedules]
    rules = sorted(OPTIMIZERS.keys() - NEEDS)
    found += [replace(base, group="optimizer", value=name, optimizer=name) for name in rules]
    found += [
        replace(base, group="configurations", value=f"{n:,}", leaves=4, configurations=n, keep="summary")
        for n in (10, 100, 1000, 10000)
    ]
    return found


def _named(schedule: Any) -> str:
    return schedule if isinstance(schedule, str) else "daily"


def trees(case: Case, symbols: Sequence[str]) -> Iterator[Sleeve]:
    """Yield the trees of a case."""
    rng, known = np.random.default_rng(11), {"market": tuple(symbols)}
    shared: dict[str, Sleeve] = {}
    drawn = [sorted(rng.choice(symbols, case.assets, replace=False).tolist()) for _ in range(case.leaves)]
    leaf = {"optimizer": case.optimizer, "lookback": case.lookback}
    sleeves: dict[str, Any] = {f"s{i:05d}": {"universe": universe, **leaf} for i, universe in enumerate(drawn)}
    rules = {"lookback": case.lookback, "schedule": case.schedule}
    for place in range(case.configurations):
        own = {"lookback": case.lookback + place} if case.configurations > 1 else {}
        settings = {"name": "book", **rules, **own, "optimizer": case.root, "defaults": {"dataset": "market", **rules}}
        yield resolve({**settings, "sleeves": _nested(sleeves, case)}, symbols=known, leaves=shared)


def _nested(sleeves: dict[str, Any], case: Case) -> dict[str, Any]:
    """Return leaves beneath as many levels of nodes as a case has, or in nodes of WIDE where they are many."""
    names, rule = list(sleeves), {"optimizer": case.root}
    if case.depth > 1:
        beneath = {name: sleeves[name] for name in names[case.depth - 1 :]}
        for level in range(case.depth - 1):
            beneath = {names[level]: sleeves[names[level]], f"n{level}": {**rule, "sleeves": beneath}}
        return beneath
    if len(names) <= 10 * WIDE:
        return sleeves
    parts = [names[at : at + WIDE] for at in range(0, len(names), WIDE)]
    return {f"n{i:03d}": {**rule, "sleeves": {name: sleeves[name] for name in part}} for i, part in enumerate(parts)}


def spent(case: Case) -> Spent:
    """Return what a case takes in this process."""
    prices = Market(max(500, case.assets), case.years * YEAR).prices
    options: dict[str, Any] = {"keep": case.keep, "executor": Local(threads=1)}
    small = replace(case, leaves=max(2, case.depth) if case.leaves > 1 else 1, configurations=1, assets=2)
    _walk(list(trees(small, prices.symbols)), prices, options)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, began = status("VmRSS"), time.process_time()
    _walk(list(trees(case, prices.symbols)), prices, options)
    return Spent(time.process_time() - began, status("VmHWM") - before)


def _walk(forest: list[Sleeve], prices: Any, options: dict[str, Any]) -> None:
    engine = BacktestEngine(forest, {"market": prices}, **options)
    walked = engine.run()
    for place in range(len(forest)):
        engine.assemble(walked, place)


def power(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the exponent with which values grow with sizes, over the larger half of them; NaN where one is 0."""
    half = len(sizes) // 2
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = np.log(sizes[half - 1 :]), np.log(values[half - 1 :])
    return float(np.polyfit(x, y, 1)[0]) if np.isfinite(y).all() else float("nan")


def page(found: Sequence[tuple[Case, Spent]]) -> str:
    """Return the tables of all groups, with what grows as which power."""
    head = f"`make growth` on {machine()}:"
    lines = ["# Growth", "", head, "CPU seconds of one thread, and MB at the peak over what there was before.", ""]
    for group in dict.fromkeys(case.group for case, _ in found):
        rows = [(case, took) for case, took in found if case.group == group]
        lines += [f"## By {group}", "", f"| {group} | seconds | MB |", "|---|---:|---:|"]
        lines += [f"| {case.value} | {took.seconds:.2f} | {took.megabytes:,.0f} |" for case, took in rows]
        if group in SIZES and len(rows) > 3:
            sizes = [float(getattr(case, group)) for case, _ in rows]
            seconds, memory = (power(sizes, [getattr(took, it) for _, took in rows]) for it in ("seconds", "megabytes"))
            lines += ["", f"seconds grow as {group}^{seconds:.2f}, memory as {group}^{memory:.2f}"]
        lines.append("")
    return "\n".join(lines)


SIZES = ("leaves", "assets", "years", "depth", "configurations")
"""Groups whose values are sizes."""


def main() -> None:
    """Run the cases, print a line for each, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--largest", type=int, default=10000, help="leaves and configurations at most")
    parser.add_argument("--no-write", action="store_true")
    asked = parser.parse_args()
    wanted = [it for it in asked.only.split(",") if it]
    found = []
    for case in cases():
        if (wanted and case.group not in wanted) or max(case.leaves, case.configurations) > asked.largest:
            continue
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            took = pool.submit(spent, case).result()
        print(f"{case.group:<16}{case.value:<22}{took.seconds:9.2f} s{took.megabytes:9.0f} MB", flush=True)
        found.append((case, took))
    text = page(found)
    print(f"\n{text}")
    if not asked.no_write and not wanted:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
