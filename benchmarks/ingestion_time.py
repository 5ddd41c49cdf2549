"""Ingestion time: what `metabt ingest` takes for 2.5 million rows, wide and long, CSV and Parquet, in time and memory.

    python benchmarks/ingestion_time.py OTHER [--rounds 3] [--symbols 500] [--files long.parquet ...]

Seconds of processor and most memory of a process of its own, into a new lakehouse, beside another checkout of metabt at
OTHER: in alternating rounds, and as the median of the rounds' ratios. What both stored is compared: digests row by row.
Long Parquet alone is written some symbols at a time, so that 5,000 symbols (25 million rows) fit into little memory.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

SESSIONS = 5_000
"""Sessions of every symbol."""
AT_A_TIME = 500
"""Symbols that are drawn and written at a time."""
FILES = ("wide.csv", "long.csv", "wide.parquet", "long.parquet")
"""Forms of the same prices."""
HERE = Path(__file__).resolve().parents[1]


def write_long(file: Path, n_symbols: int) -> None:
    """Write random walks as long Parquet, some symbols at a time."""
    days = pd.bdate_range("2004-01-01", periods=SESSIONS).to_numpy().astype("datetime64[D]")
    draws = np.random.default_rng(7)
    schema = pa.schema({"date": pa.date32(), "symbol": pa.string(), "close": pa.float64(), "volume": pa.int64()})
    with pq.ParquetWriter(file, schema) as writer:
        for first in range(0, n_symbols, AT_A_TIME):
            n_some = min(AT_A_TIME, n_symbols - first)
            walks = 100 * np.exp(np.cumsum(draws.normal(0.0003, 0.015, (SESSIONS, n_some)), 0))
            names = [f"S{place:05d}" for place in range(first, first + n_some)]
            columns = [np.tile(days, n_some), np.repeat(names, SESSIONS), walks.round(4).T.ravel()]
            columns.append(draws.integers(1, 10**6, SESSIONS * n_some))
            writer.write_table(pa.table([pa.array(column) for column in columns], schema=schema))


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
    return [folder / name for name in FILES]


def ingest_cost(checkout: Path, file: Path, lakehouse: Path) -> tuple[float, float]:
    """Return seconds of processor that one ingestion takes, and GB of memory at its most."""
    command = [sys.executable, "-m", "metabt", "ingest", str(file), "--dataset", "d", "--lakehouse", str(lakehouse)]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    # `-m` looks for metabt in the working directory first
    process = subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20


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
    parser.add_argument("--files", nargs="+", choices=FILES, default=FILES)
    args = parser.parse_args()
    print(f"{args.symbols * SESSIONS:,} rows; seconds of processor, and GB at most")
    print(f"{'file':14} {'here':>8} {'other':>8} {'ratio':>6} {'here':>8} {'other':>8}")
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if list(args.files) == ["long.parquet"]:
            write_long(folder / "long.parquet", args.symbols)
        else:
            write_files(folder, args.symbols)
        for file in (folder / name for name in args.files):
            costs: dict[Path, list[tuple[float, float]]] = {HERE: [], args.other: []}
            for turn in range(args.rounds):
                lakes = [folder / f"{file.name}-{turn}-{place}" for place in (0, 1)]
                for place, checkout in enumerate((HERE, args.other)[:: 1 if turn % 2 else -1]):
                    costs[checkout].append(ingest_cost(checkout, file, lakes[place]))
                pd.testing.assert_frame_equal(*map(stored, lakes))
                for lake in lakes:
                    shutil.rmtree(lake)
            (here, most_here), (other, most_other) = (np.array(costs[checkout]).T for checkout in (HERE, args.other))
            figures = f"{here.min():8.2f} {other.min():8.2f} {np.median(here / other):6.3f}"
            print(f"{file.name:14} {figures} {most_here.max():8.2f} {most_other.max():8.2f}", flush=True)


if __name__ == "__main__":
    main()
