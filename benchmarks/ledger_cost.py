"""What the ledger of trials costs a sweep, and how compactly it keeps streams.

`python benchmarks/ledger_cost.py [--kind roots|leaves] [--configurations 1000] [--years 20]`

1. A sweep of configurations that differ in their root, over the same four leaves, or of which each has leaves of its
   own (metabt's `benchmarks/sweep_memory.py`), from its list to its commit, in CPU seconds of one process; what of it
   makes keys and trials, writes the streams and the ledger, and reads the head.
2. The files of `trial_returns`, in bytes a session of a trial, beside the same matrix as plain float64 and as a Parquet
   file with a column for each trial.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.report_memory import ingested
from benchmarks.sweep_memory import LEAVES, SIZE, job
from metabt.lakehouse import attach
from metabt.lakehouse.ledger.family import family
from metabt.lakehouse.ledger.stream_rows import STREAMS, GatheredStreams
from metabt.lakehouse.runs import commits, run_digests, run_files
from metabt.runs import sweep

SPENT: dict[str, float] = {}
"""Part -> CPU seconds."""


def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose CPU seconds are added up."""

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        began = time.process_time()
        try:
            return function(*arguments, **named)
        finally:
            SPENT[part] = SPENT.get(part, 0.0) + time.process_time() - began

    return call


def swept(lake: Path, symbols: Any, kind: str, configurations: int) -> float:
    """Return the CPU seconds of a sweep, after a small one of another name."""
    sweep.run_sweep([job(kind, 5000 + number, symbols) for number in range(2)], str(lake))
    sweep._Forest._trials = timed("keys and trials", sweep._Forest._trials)  # type: ignore[method-assign]
    commits.note = timed("ledger and streams", commits.note)
    commits.head_text = timed("head", commits.head_text)
    run_digests.stream_digest = timed("digests of streams", run_digests.stream_digest)
    GatheredStreams.add = timed("rows of streams", GatheredStreams.add)  # type: ignore[method-assign]
    writes = run_files.Writer._write
    of_streams = timed("files of streams", writes)
    run_files.Writer._write = lambda self, name: (of_streams if name == STREAMS else writes)(self, name)  # type: ignore[method-assign]
    began = time.process_time()
    sweep.run_sweep([job(kind, number, symbols) for number in range(configurations)], str(lake))
    return time.process_time() - began


def sizes(lake: Path) -> dict[str, float]:
    """Return bytes a session of a trial: as stored, as a plain matrix, and as a Parquet file of one column a trial."""
    with attach(lake, read_only=True) as con:
        found = family(con, ["market"], *con.execute("SELECT min(date), max(date) FROM trial_returns").fetchall()[0])
        matrix, cells = found.matrix(), con.execute("SELECT count(*) FROM trial_returns").fetchall()[0][0]
    file = io.BytesIO()
    names = [key[:12] for key in found.keys]
    pq.write_table(pa.table([pa.array(column) for column in matrix.T], names=names), file, compression="zstd")
    stored = sum(each.stat().st_size for each in lake.glob("data/main/trial_returns/*.parquet"))
    return {"stored": stored / cells, "plain": matrix.nbytes / cells, "columns": len(file.getbuffer()) / cells}


def main() -> None:
    """Print what it takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("roots", "leaves"), default="roots")
    parser.add_argument("--configurations", type=int, default=1000)
    parser.add_argument("--years", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake"
        symbols = ingested(lake, LEAVES * SIZE, asked.years)
        whole = swept(lake, symbols, asked.kind, asked.configurations)
        own = sum(SPENT.values())
        print(f"sweep of {asked.configurations:,} {asked.kind}: {whole:.2f} s of CPU, of which")
        for part, seconds in SPENT.items():
            print(f"  {part:<20}{seconds:8.3f} s  {seconds / (whole - own):7.2%} of the rest")
        print(f"  {'all of the ledger':<20}{own:8.3f} s  {own / (whole - own):7.2%} of the rest")
        print("bytes a session: " + ", ".join(f"{name} {size:.2f}" for name, size in sizes(lake).items()))


if __name__ == "__main__":
    main()
