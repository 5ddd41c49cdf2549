"""What is computed again, and how long it takes: cold, warm, one new month, one corrected price, sweeps.

`python benchmarks/build_system.py [--sleeves 20] [--assets 25] [--years 20] [--root-only 1000]`

Every case runs in this process on one lakehouse of synthetic prices with a fixed seed. Seconds are engine time: plan,
keys, walk and assembly, with reading, writing and compilation shown apart. `missing` are the distinct blocks that
are not known beforehand: `computed / missing` is 1 where nothing is computed twice, and less where a sleeve's state
became again what it was.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np
import pandas as pd

from metabt.build import keys as key_maker
from metabt.build.cache.disk import DiskCache
from metabt.build.known_blocks import known_blocks
from metabt.build.ports import Sealed
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.local import Local
from metabt.lakehouse import ingest
from metabt.lakehouse.price_source import Lakehouse
from metabt.numerics.compilation import compilation
from metabt.numerics.platform import one_thread
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Leaf, Sleeve

OPTIMIZERS = ("min_variance", "erc", "hrp", "inverse_volatility")


def prices(n_assets: int, n_sessions: int, seed: int = 7) -> pd.DataFrame:
    """Return prices of correlated random walks, (n_sessions, n_assets)."""
    rng = np.random.default_rng(seed)
    market = rng.normal(0.0003, 0.01, (n_sessions, 1))
    returns = market + rng.normal(0.0, 0.012, (n_sessions, n_assets)) * rng.uniform(0.5, 1.5, n_assets)
    dates = pd.bdate_range("2001-01-01", periods=n_sessions)
    return pd.DataFrame(100 * np.exp(np.cumsum(returns, axis=0)), dates, [f"A{i:04d}" for i in range(n_assets)])


def tree(symbols: Sequence[str], n_sleeves: int, *, name: str = "book", leaf: Mapping = {}, **root: Any) -> dict:
    """Return a root over equally large leaves."""
    size = len(symbols) // n_sleeves
    sleeves = {
        f"s{i:02d}": {
            "universe": list(symbols[i * size : (i + 1) * size]),
            "optimizer": OPTIMIZERS[i % len(OPTIMIZERS)],
            **leaf,
        }
        for i in range(n_sleeves)
    }
    defaults = {"dataset": "market", "schedule": "monthly", "lookback": 252, "costs": {"commission_bp": 5}}
    return {"name": name, "optimizer": "erc", **root, "defaults": defaults, "sleeves": sleeves}


class Timed:
    """A cache whose reading and writing is timed, so that it can be told from engine time."""

    remembers = True

    def __init__(self, root: Path) -> None:
        self._cache = DiskCache(root)
        self.seconds = 0.0

    @contextmanager
    def _lap(self) -> Iterator[None]:
        began = perf_counter()
        yield
        self.seconds += perf_counter() - began

    def get(self, key: str, kind: str) -> Sealed | None:
        """Return what was put under the key, or None."""
        with self._lap():
            return self._cache.get(key, kind)

    def known(self, key: str, kind: str) -> Mapping[str, str] | None:
        """Return the digests under the key, or None."""
        with self._lap():
            return self._cache.known(key, kind)

    def together(self) -> AbstractContextManager[Any]:
        """Have what is put published together."""
        return self._cache.together()

    def publish(self) -> None:
        """Begin to write what was put."""
        with self._lap():
            self._cache.publish()

    def claim(self, key: str) -> AbstractContextManager[Any]:
        """Wait until nobody else computes the key."""
        with self._lap():
            return self._cache.claim(key)

    def put(self, key: str, kind: str, parts: Mapping[str, object]) -> Sealed:
        """Remember the parts of an object."""
        with self._lap():
            return self._cache.put(key, kind, parts)

    def flush(self) -> bool:
        """Wait until everything is written."""
        with self._lap():
            return self._cache.flush()


class Keys:
    """How long keys take."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._key = key_maker.node_key

    def __call__(self, *args: Any) -> str:
        """Return the key, timed."""
        began = perf_counter()
        key = self._key(*args)
        self.seconds += perf_counter() - began
        return key


def run(case: str, lake: Path, settings: Sequence[dict], keep: str = "all") -> None:
    """Run configurations as one forest and print a line about it."""
    source = Lakehouse(lake)
    symbols = source.symbols()
    leaves: dict[str, Sleeve] = {}
    trees = [resolve(item, symbols=symbols, leaves=leaves) for item in settings]
    keys = key_maker.node_key = Keys()  # type: ignore[assignment]
    try:
        line = _timed(source, trees, lake, keep, keys)
    finally:
        key_maker.node_key = keys._key
        source.connection.close()
    print(f"{case:<28}{line}", flush=True)


def _timed(source: Lakehouse, trees: Sequence[Sleeve], lake: Path, keep: str, keys: Keys) -> str:
    plan = BacktestEngine(trees, source.datasets(trees), keep=keep).plan
    known = known_blocks(plan, DiskCache(lake / ".cache"))
    leaves = {key for key, node in plan.nodes.items() if isinstance(node.spec, Leaf)}
    missing = plan.n_blocks - sum(known.values())
    missing_leaves = sum(len(plan.nodes[key].partitions) - known[key] for key in leaves)
    datasets = source.datasets(trees)  # anew: what foresight worked out for its keys would not be timed
    reading = _timed_reading(datasets)
    cache = Timed(lake / ".cache")
    began = perf_counter()
    with compilation() as compiled, one_thread():
        job = BacktestEngine(trees, datasets, cache=cache, keep=keep, executor=Local(threads=1))
        walked = job.run()
        for position in range(len(trees)):
            job.assemble(walked, position)
    cache.flush()
    whole = perf_counter() - began - compiled.seconds
    engine = whole - cache.seconds - sum(reading)
    return (
        f"{len(trees):>6}{walked.computed:>9} /{missing:>6}{walked.computed_leaves:>8} /{missing_leaves:>6}"
        f"{engine:>10.3f}{1e3 * engine / len(trees):>11.2f}{cache.seconds:>9.3f}{sum(reading):>9.3f}"
        f"{keys.seconds:>9.3f} ({keys.seconds / whole:>5.1%})"
    )


def _timed_reading(datasets: Mapping[str, Any]) -> list[float]:
    """Time the reading of prices, when it happens; return where the seconds will be."""
    seconds: list[float] = []
    for dataset in datasets.values():
        object.__setattr__(dataset, "part", partial(_timed_part, dataset.part, seconds))
    return seconds


def _timed_part(part: Any, seconds: list[float], *wanted: Any) -> Any:
    """Return what reads a part of a dataset, timed."""
    read = part(*wanted)

    def timed() -> Any:
        began = perf_counter()
        prices = read()
        seconds.append(perf_counter() - began)
        return prices

    return timed


def main(argv: Sequence[str] | None = None) -> None:
    """Run every case and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in {"sleeves": 20, "assets": 25, "years": 20, "root-only": 1000}.items():
        parser.add_argument(f"--{option}", type=int, default=default)
    args = parser.parse_args(argv)
    n_sessions = 252 * args.years
    frame = prices(args.sleeves * args.assets, n_sessions + 21)
    symbols = list(frame.columns)
    roots = [
        {"optimizer": {"name": name, "max_weight": round(0.2 + 0.01 * cap, 2)}, "lookback": lookback}
        for cap in range(50)
        for lookback in (126, 189, 252, 378, 504)
        for name in ("equal", "inverse_volatility", "min_variance", "erc")
    ][: args.root_only]
    leaves = [{"lookback": lookback} for lookback in (63, 126, 189, 378)]
    print(f"{args.sleeves} sleeves x {args.assets} assets x {args.years} years, monthly\n")
    heads = ("trees", " computed /missing", "leaves /missing", "engine s", "ms/tree", "cache s", "prices s", "keys s")
    print(f"{'':<28}{heads[0]:>6}{heads[1]:>17}{heads[2]:>16}" + "".join(f"{head:>10}" for head in heads[3:]))
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake"
        ingest(lake, "market", frame.iloc[:n_sessions])
        run("kernels compiled or loaded", Path(_copy(lake, folder)), [tree(symbols, args.sleeves)])
        run("cold", lake, [tree(symbols, args.sleeves)])
        run("warm, another name", lake, [tree(symbols, args.sleeves, name="other")])
        ingest(lake, "market", frame)
        run("one new month", lake, [tree(symbols, args.sleeves)])
        corrected = frame.iloc[[n_sessions // 4], [3]] * 1.01
        ingest(lake, "market", corrected)
        run("one corrected price", lake, [tree(symbols, args.sleeves)])
        sweep = [tree(symbols, args.sleeves, leaf=leaf, **root) for leaf in leaves for root in roots[::37][:8]]
        run("sweep of 32, keep summary", lake, sweep, "summary")
        run("root-only, keep summary", lake, [tree(symbols, args.sleeves, **root) for root in roots], "summary")


def _copy(lake: Path, folder: str) -> str:
    import shutil

    return shutil.copytree(lake, Path(folder) / "first")


if __name__ == "__main__":
    main()
