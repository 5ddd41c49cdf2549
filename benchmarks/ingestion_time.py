"""Ingestion time: what `metabt ingest` takes for 2.5 million rows, wide and long, CSV and Parquet.

    python benchmarks/ingestion_time.py OTHER [--rounds 3] [--symbols 500]

Seconds of processor of a process of its own, into a new lakehouse, beside another checkout of metabt at OTHER: in
alternating rounds, and as the median of the rounds' ratios. What both stored is compared row by row.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pandas as pd

SESSIONS = 5_000
"""Sessions of every symbol."""
HERE = Path(__file__).resolve().parents[1]


def write_files(folder: Path, n_symbols: int) -> list[Path]:
    """Write the same random walks in each form and return the files."""
    steps = np.random.default_rng(7).normal(0.0003, 0.015, (SESSIONS, n_symbols))
    days = pd.bdate_range("2004-01-01", periods=SESSIONS, name="date")
    symbols = [f"S{place:04d}" for place in range(n_symbols)]
    wide = pd.DataFrame(100 * np.exp(np.cumsum(steps, 0)), days, symbols).round(4)
    long = wide.rename_axis(columns="symbol").stack().rename("close").reset_index()
    long["volume"] = np.random.default_rng(8).integers(1, 10**6, len(long))
    wide.to_csv(folder / "wide.csv")
    long.to_csv(folder / "long.csv", index=False)
    wide.reset_index().to_parquet(folder / "wide.parquet")
    long.to_parquet(folder / "long.parquet")
    return [folder / name for name in ("wide.csv", "long.csv", "wide.parquet", "long.parquet")]


def ingest_time(checkout: Path, file: Path, lakehouse: Path) -> tuple[float, float]:
    """Return seconds of processor and of clock that one ingestion takes."""
    command = [sys.executable, "-m", "metabt", "ingest", str(file), "--dataset", "d", "--lakehouse", str(lakehouse)]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(checkout)}, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, perf_counter() - began


def stored(lakehouse: Path) -> pd.DataFrame:
    """Return the digests of what was ingested."""
    import metabt

    with metabt.connect(lakehouse) as con:
        return con.execute("FROM digests ORDER BY ALL").df()


def main() -> None:
    """Print a row for each form."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("other", type=Path, help="another checkout of metabt")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--symbols", type=int, default=500)
    args = parser.parse_args()
    print(f"{'file':14} {'here':>8} {'other':>8} {'ratio':>6}   (processor seconds; {args.symbols * SESSIONS:,} rows)")
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for file in write_files(folder, args.symbols):
            times: dict[Path, list[float]] = {HERE: [], args.other: []}
            for turn in range(args.rounds):
                for place, checkout in enumerate((HERE, args.other)[:: 1 if turn % 2 else -1]):
                    lake = folder / f"{file.name}-{turn}-{place}"
                    times[checkout].append(ingest_time(checkout, file, lake)[0])
                pd.testing.assert_frame_equal(*(stored(folder / f"{file.name}-{turn}-{place}") for place in (0, 1)))
            here, other = (np.array(times[checkout]) for checkout in (HERE, args.other))
            print(f"{file.name:14} {here.min():8.2f} {other.min():8.2f} {np.median(here / other):6.3f}", flush=True)


if __name__ == "__main__":
    main()
