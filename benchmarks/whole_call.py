"""Whole call: what `metabt.backtest(tree, frame)` takes beside the engine alone, in CPU seconds of one thread.

`python benchmarks/whole_call.py [--works W2] [--rounds 7]`

1. The tree is a dict and the prices are a pandas frame, as in a notebook; the engine is given what both resolve to.
2. Rounds alternate in one process, after one of each. The ratio is the median of the rounds'.
3. *prices* is the part from the frame to checked prices; the least that it could take is one look at every number
   (`np.isfinite` and a comparison with 0) and one copy.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from statistics import median
from time import process_time

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np
import pandas as pd

import metabt
from benchmarks.engine_time import run_engine
from benchmarks.works import Work, works
from metabt.lakehouse.price_source import source_of


def cpu(call: Callable[[], object]) -> float:
    """Return the CPU seconds of one call."""
    began = process_time()
    call()
    return process_time() - began


def checked_once(closes: np.ndarray) -> np.ndarray:
    """Return a copy of closes whose numbers have been looked at."""
    assert np.isfinite(closes).all() and (closes > 0).all()
    return closes.copy()


def whole_call(work: Work, rounds: int) -> tuple[float, float, float, float, float]:
    """Return the seconds of engine, whole call, prices and their least, and the ratio of whole call to engine."""
    (portfolio,) = work.portfolios
    prices, settings = work.market.prices, work.settings(portfolio)
    frame = pd.DataFrame(prices.close, pd.DatetimeIndex(prices.dates, name="date"), list(prices.symbols))
    parts: tuple[Callable[[], object], ...] = (
        lambda: run_engine(work),
        lambda: metabt.backtest(settings, {prices.name: frame}, engine=metabt.Local(threads=1)),
        lambda: source_of({prices.name: frame}),
        lambda: checked_once(prices.close),
    )
    found = [[cpu(part) for part in parts] for _ in range(rounds + 1)][1:]
    engine, whole, read, least = (median(times) for times in zip(*found, strict=True))
    return engine, whole, read, least, median(each[1] / each[0] for each in found)


def main() -> None:
    """Print a line a work."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--works", default="W2")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    print(f"{'work':<22}{'engine':>9}{'whole':>9}{'ratio':>7}{'prices':>9}{'least':>9}{'ratio':>7}")
    for work in works():
        if work.name.startswith(asked.works) and len(work.portfolios) == 1:
            engine, whole, read, least, ratio = whole_call(work, asked.rounds)
            print(
                f"{work.name:<22}{engine:8.3f}s{whole:8.3f}s{ratio:7.2f}"
                f"{1e3 * read:7.1f}ms{1e3 * least:7.1f}ms{read / least:7.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
