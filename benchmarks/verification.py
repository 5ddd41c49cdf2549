"""Verification: what it costs to compare what is read with what was recorded of it.

Side by side, in alternating rounds of one process, CPU seconds: 1. all prices of a dataset, and one year of them, read
with their digest and without it; 2. a Parquet file with checksums, its pages compared or not; 3. a run read back, its
tables compared or not.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from time import process_time
from unittest.mock import patch

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import metabt
from benchmarks.works import factor_closes
from metabt.data.dataset import FIELDS
from metabt.lakehouse import attach, ingest, load_facts, load_run, resolve_run
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.ingestion.readers.sources import read_table
from metabt.lakehouse.prices.price_panels import read_selection, selection

Work = Callable[[], object]
Pair = tuple[Work, Work]
"""The same work with what is compared, and without."""


def verification_times(folder: Path, n_assets: int = 500, n_sessions: int = 5000, rounds: int = 5) -> dict[str, float]:
    """Return work -> CPU seconds with what is compared, as a multiple of those without.

    Parameters
    ----------
    folder : Path
        Where the lakehouse and the file are made.
    n_assets, n_sessions : int
        Size of the dataset.
    rounds : int
        Times that each is done, in turns; the least counts.
    """
    file, lake = folder / "prices.parquet", folder / "lake"
    _write(file, n_assets, n_sessions)
    ingest(lake, "d", file)
    leaf = {"dataset": "d", "universe": [f"A{i:05d}" for i in range(min(n_assets, 20))], "lookback": 60}
    metabt.backtest({"name": "book", **leaf, "optimizer": "equal"}, lake, engine="local")
    with ExitStack() as opened:
        return {name: _ratio(pair, rounds) for name, pair in _works(lake, file, opened).items()}


def _works(lake: Path, file: Path, opened: ExitStack) -> dict[str, Pair]:
    con = opened.enter_context(attach(lake, read_only=True))
    known, run_id = load_facts(con, {"d": None})["d"], resolve_run(con, "book")
    found: dict[str, Pair] = {}
    for name, rows in (
        ("all prices", slice(0, len(known.dates))),
        ("prices of a year", list(known.partitions.values())[-2]),
    ):
        chosen = selection(known, rows, known.symbols, FIELDS)
        bare = replace(chosen, digest=None)
        found[name] = (lambda it=chosen: read_selection(con, it), lambda it=bare: read_selection(con, it))  # type: ignore[misc]
    unchecked = _without(
        "metabt.lakehouse.ingestion.readers.parquet_files.check_pages", lambda: read_table(file, Options())
    )
    found["a Parquet file with checksums"] = (lambda: read_table(file, Options()), unchecked)
    believed = _without("metabt.lakehouse.runs.stored_runs._check_table", lambda: load_run(con, run_id))
    return {**found, "a run": (lambda: load_run(con, run_id), believed)}


def _without(check: str, work: Work) -> Work:
    def bare() -> None:
        with patch(check, lambda *_: None):
            work()

    return bare


def _ratio(pair: Pair, rounds: int) -> float:
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for side in (0, 1) if number % 2 else (1, 0):
            began = process_time()
            pair[side]()
            times[side].append(process_time() - began)
    return min(times[0][1:]) / min(times[1][1:])  # the first round is for what is made once


def _write(file: Path, n_assets: int, n_sessions: int) -> None:
    closes = factor_closes(n_sessions, n_assets)
    dates = np.busday_offset("2000-01-03", np.arange(n_sessions), roll="forward").astype("datetime64[D]")
    symbols = pa.array([f"A{i:05d}" for i in range(n_assets)] * n_sessions)
    rows = {"date": np.repeat(dates, n_assets), "symbol": symbols, "close": closes.ravel()}
    parquet.write_table(pa.table(rows), file, write_page_checksum=True)


def main() -> None:
    """Print a line for each work."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in {"assets": 500, "sessions": 5000, "rounds": 5}.items():
        parser.add_argument(f"--{option}", type=int, default=default)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for work, ratio in verification_times(Path(name), args.assets, args.sessions, args.rounds).items():
            print(f"{work:<32} {ratio:5.2f}x", flush=True)


if __name__ == "__main__":
    main()
