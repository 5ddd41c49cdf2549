"""Kernel ratios: what a decision takes in this checkout beside another one, and whether it decides the same.

    python benchmarks/kernel_ratios.py OTHER [--rounds 5] [--assets 25] [--steps NAME ...]

CPU microseconds a decision, of twelve in one call on windows of 252 sessions, as in `decision_time.py`: the best of
each universe, in processes of their own that take turns. Weights of both are compared number by number.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import numpy as np

from benchmarks.works import factor_closes
from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.registry import optimizer
from metabt.estimators.windows import Windows

Step = Callable[[Windows, np.ndarray], np.ndarray]
"""(windows, support) -> what is computed of them."""

LOOKBACK, STEP, DECISIONS, UNIVERSES = 252, 21, 12, 8
HERE = Path(__file__).resolve().parents[1]

OPTIMIZERS = ("inverse_volatility", "min_variance", "mean_variance", "max_sharpe", "max_diversification", "erc", "hrp")
"""What is taken on the sample covariance."""
COVARIANCES = ("ewma", "ledoit_wolf", "oas", "denoised")
"""What minimum variance is taken on beside it."""


def steps() -> Mapping[str, Step]:
    """Return what is timed by name."""
    rules = {name: optimizer(name) for name in (*OPTIMIZERS, "min_cvar")}
    rules |= {f"min_variance, {name}": optimizer("min_variance", covariance=name) for name in COVARIANCES}
    return {"moments": lambda windows, every: windows.covariance, **{name: weighed(it) for name, it in rules.items()}}


def weighed(rule: Optimizer) -> Step:
    """Return the step that an optimizer takes."""
    return lambda windows, every: rule.weigh(windows, every)[0]


def measure(target: Path, n_assets: int, wanted: Sequence[str]) -> None:
    """Write the seconds of every wanted step in every universe, and what it gave, to a file."""
    closes = factor_closes(LOOKBACK + STEP * DECISIONS + 1, n_assets * UNIVERSES, seed=11)
    returns = closes[1:] / closes[:-1] - 1.0
    stops, every = LOOKBACK + STEP * np.arange(1, DECISIONS + 1), np.ones((DECISIONS, n_assets), bool)
    values: dict[str, np.ndarray] = {}
    for name, step in [(name, step) for name, step in steps().items() if name in wanted]:
        seconds = np.full(UNIVERSES, np.inf)
        given = []
        for k in range(UNIVERSES):
            X = np.ascontiguousarray(returns[:, k * n_assets : (k + 1) * n_assets])
            for _ in range(4):  # the first one loads the kernel
                windows = Windows(X, stops, np.full(DECISIONS, LOOKBACK))
                began = process_time()
                result = step(windows, every)
                seconds[k] = min(seconds[k], process_time() - began)
            given.append(result)
        values[f"seconds of {name}"], values[name] = seconds / DECISIONS, np.array(given)
    np.savez(target, **values)


def agreement(here: np.ndarray, other: np.ndarray) -> str:
    """Return in words how two results differ."""
    return "same bits" if here.tobytes() == other.tobytes() else f"within {abs(here - other).max():.1e}"


def main() -> None:
    """Print a row for each step: seconds, their ratio to the other checkout's and to the sample's, and agreement."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("other", type=Path, help="another checkout of metabt")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--assets", type=int, default=25)
    parser.add_argument("--steps", nargs="+", choices=tuple(steps()), default=tuple(steps()), metavar="NAME")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.into:
        measure(args.into, args.assets, args.steps)
        return
    with TemporaryDirectory() as scratch:
        taken: dict[Path, list[dict[str, np.ndarray]]] = {HERE: [], args.other: []}
        for turn in range(args.rounds):
            for checkout in (HERE, args.other)[:: 1 if turn % 2 else -1]:
                target = Path(scratch) / "taken.npz"
                options = ["--assets", str(args.assets), "--into", str(target), "--steps", *args.steps]
                command = [sys.executable, __file__, str(args.other), *options]
                subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(checkout)})
                with np.load(target) as stored:
                    taken[checkout].append(dict(stored))
    _print(taken[HERE], taken[args.other], args.assets)


def _print(here: list[dict[str, np.ndarray]], other: list[dict[str, np.ndarray]], n_assets: int) -> None:
    print(f"CPU microseconds a decision, {n_assets} assets x {LOOKBACK} sessions; best of {len(here)} rounds")
    print(f"{'step':28} {'here':>9} {'other':>9} {'ratio':>6} {'/sample':>8} {'other':>8}   agreement")
    base = None
    for name in [key for key in here[0] if not key.startswith("seconds of ")]:
        ours, theirs = (1e6 * _best(rounds, name) for rounds in (here, other))
        base = (ours, theirs) if name == "min_variance" else base
        beside = f"{ours / base[0]:8.2f} {theirs / base[1]:8.2f}" if base and "," in name else f"{'':8} {'':8}"
        print(f"{name:28} {ours:9.1f} {theirs:9.1f} {ours / theirs:6.3f} {beside}   ", end="")
        print(agreement(here[0][name], other[0][name]))


def _best(rounds: list[dict[str, np.ndarray]], name: str) -> float:
    """Return the mean over universes of the least seconds of all rounds."""
    return float(np.min([taken[f"seconds of {name}"] for taken in rounds], axis=0).mean())


if __name__ == "__main__":
    main()
