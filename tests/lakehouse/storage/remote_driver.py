"""A driver as on another machine: it ingests, runs and sweeps in a lakehouse, and prints what came out.

`python -m tests.lakehouse.storage.remote_driver LAKEHOUSE CATALOG [FAULT NUMBER]` prints a line of JSON. FAULT is the
step before whose NUMBERth time the process is killed: `measured` (files are up, nothing is committed), `forget` (it is
committed), `put` (a small file is about to be written), `flush` (packs are about to be published).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd

import metabt
from metabt.config import Job
from metabt.lakehouse import attach, list_runs, load_run, load_table
from metabt.lakehouse.catalog import transaction
from metabt.lakehouse.folder.in_doubt import Kept
from metabt.lakehouse.storage.object_store import Prefix
from metabt.runs.sweep import run_sweep
from tests.shared.agreement import bits
from tests.shared.panels import random_walk

SYMBOLS = ("AA", "BB", "CC")
OTHERS = ("engine", "started_at", "seconds", "snapshot", "sweep_id")
"""Columns of `runs` that are of an execution, and not of what came out."""


def prices(n_rows: int = 700) -> pd.DataFrame:
    """Return prices, a row per business day."""
    return random_walk(7, pd.bdate_range("2019-10-01", periods=n_rows, name="Date"), list(SYMBOLS))


def tree(name: str = "book", lookback: int = 30) -> dict[str, Any]:
    """Return a portfolio of two leaves."""
    leaf = {"dataset": "d", "universe": list(SYMBOLS), "optimizer": "inverse_volatility", "lookback": lookback}
    sleeves = {"a": leaf, "b": {**leaf, "optimizer": "equal"}}
    return {"name": name, "schedule": "monthly", "lookback": 20, "optimizer": "erc", "sleeves": sleeves}


def jobs(lakehouse: str, engine: str = "local") -> list[Job]:
    """Return a sweep of three configurations, the first of which is `tree()`."""
    stated = {"lakehouse": lakehouse, "start": None, "end": None, "is_meta_backtest": None, "engine": engine}
    return [Job((f"lookback={n}",), {**stated, "portfolio": tree(lookback=n)}, None) for n in (30, 40, 50)]


def content(lakehouse: str) -> dict[str, str]:
    """Return run -> digest of all its rows, to the bit, but for the times of its computation."""
    found = {}
    with attach(lakehouse, read_only=True) as con:
        for row in list_runs(con):
            _, tables = load_run(con, str(row["run_id"]))
            total = sha256()
            for name in sorted(set(tables) - {"stages"}):
                for column in tables[name]:
                    total.update(repr((name, column, bits(tables[name][column]))).encode())
            found[str(row["run_id"])] = total.hexdigest()
    return found


def computed(lakehouse: str, run_id: str) -> tuple[int, int]:
    """Return how many stages of a run were computed, and how many there are."""
    with attach(lakehouse, read_only=True) as con:
        hits = np.asarray(load_table(con, run_id, "stages")["cache_hit"])
    return int((~hits.astype(bool)).sum()), len(hits)


def main(lakehouse: str, catalog: str, fault: str = "", number: str = "0") -> None:
    """Ingest, run, sweep, and print what is stored then."""
    if fault:
        _kill_at(fault, int(number))
    metabt.ingest(prices(), lakehouse=lakehouse, dataset="d", catalog=catalog)
    one = metabt.backtest(tree(), lakehouse)
    run_sweep(jobs(lakehouse), lakehouse, keep="all")
    other = metabt.backtest(tree("renamed"), lakehouse)
    assert one.run_id is not None and other.run_id is not None
    said = {"found": one.found, "runs": content(lakehouse), "renamed": computed(lakehouse, other.run_id)}
    print(json.dumps(said))


def _kill_at(fault: str, number: int) -> None:
    times = iter(range(10**9))

    def killing(call: Callable[..., Any]) -> Callable[..., Any]:
        def killed(*args: Any, **kwargs: Any) -> Any:
            if next(times) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return killed

    if fault == "measured":
        transaction.measured = killing(transaction.measured)
    elif fault == "forget":
        Kept.forget = killing(Kept.forget)  # type: ignore[method-assign]
    elif fault == "put":
        Prefix.write = killing(Prefix.write)  # type: ignore[method-assign]
    else:
        from metabt.build.cache.bucket.shelf import BucketShelf

        BucketShelf.put = killing(BucketShelf.put)  # type: ignore[method-assign]


if __name__ == "__main__":
    main(*sys.argv[1:])
