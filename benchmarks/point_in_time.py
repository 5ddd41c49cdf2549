"""How long a million rows of members, actions and delistings take to be ingested: `python benchmarks/point_in_time.py`.

1. Make a market: symbols with a price now and then, and rows that contradict neither each other nor the prices.
2. Ingest each table from a CSV file as `metabt ingest FILE --dataset D --table NAME` does; time that alone.
3. Load them back, compared with their seals, and time that.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

import metabt
from metabt.lakehouse import attach, load_point_in_time

DAYS = np.arange(np.datetime64("1990-01-01"), np.datetime64("2025-01-01"))


def main() -> None:
    """Print seconds for each table, and in all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="of all tables together")
    parser.add_argument("--symbols", type=int, default=20_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), args.rows, args.symbols)


def run(folder: Path, n_rows: int, n_symbols: int) -> None:
    """Make the market in a folder, ingest its tables, and print how long that took."""
    lake, names = folder / "lake", np.array([f"S{i:06d}" for i in range(n_symbols)])
    dates = DAYS[::120]
    rng = np.random.default_rng(0)
    bars = {
        "date": np.repeat(dates, n_symbols),
        "symbol": np.tile(names, len(dates)),
        "close": rng.uniform(10, 20, len(dates) * n_symbols),
    }
    metabt.ingest(pa.table(bars), dataset="d", lakehouse=lake, adjusted=False)
    total, total_cpu, n_done = 0.0, 0.0, 0
    for table, columns in tables(names, n_rows, dates[-1]).items():
        file = folder / f"{table}.csv"
        csv.write_csv(pa.table(columns), file)
        begun, worked = time.perf_counter(), time.process_time()
        report = metabt.ingest(file, dataset="d", lakehouse=lake, table=table)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - worked
        total, total_cpu, n_done = total + seconds, total_cpu + cpu, n_done + report.rows
        print(f"{table:12} {report.rows:>10,} rows ingested in {seconds:6.2f} s, {cpu:6.2f} s of processors")
    print(f"{'together':12} {n_done:>10,} rows ingested in {total:6.2f} s, {total_cpu:6.2f} s of processors")
    begun = time.perf_counter()
    with attach(lake, read_only=True) as con:
        held = load_point_in_time(con, ["d"])["d"]
    n_held = sum(map(len, held.tables.values()))
    print(f"{'together':12} {n_held:>10,} rows loaded   in {time.perf_counter() - begun:6.2f} s")


def tables(names: np.ndarray, n_rows: int, last: np.datetime64) -> dict[str, dict[str, np.ndarray]]:
    """Return table -> its columns: a delisting for each symbol, half of the others members, half of them dividends."""
    n_symbols = len(names)
    each = max((n_rows - n_symbols) // 2 // n_symbols, 1)
    asset = np.repeat(names, each)
    step = max(len(DAYS) // (each + 1), 2)
    first = np.tile(DAYS[: each * step : step], n_symbols)
    return {
        "members": {
            "universe": np.where(np.arange(len(asset)) % 2, "odd", "even"),
            "asset": asset,
            "first_date": first,
            "last_date": first + (step - 1),
        },
        "actions": {
            "asset": asset,
            "ex_date": first,
            "kind": np.full(len(asset), "cash"),
            "ratio": np.full(len(asset), ""),
            "cash": np.round(np.random.default_rng(1).uniform(0.1, 1.0, len(asset)), 3),
            "into": np.full(len(asset), ""),
        },
        "delistings": {
            "asset": names,
            "date": np.full(n_symbols, last),
            "return": np.full(n_symbols, -0.3),
            "kind": np.full(n_symbols, "performance"),
        },
    }


if __name__ == "__main__":
    main()
