"""Mutated walks: every kind of sleeve over a few sessions, by whatever package is imported first."""

from __future__ import annotations

import hashlib
import importlib
import sys
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher

from metabt.build.cache import MemoryCache
from metabt.build.cached_walk import CachedWalk
from metabt.build.plan import plan_forest
from metabt.build.ports import Step
from metabt.data.dataset import Dataset
from metabt.data.prices import Prices
from metabt.numerics.platform import one_thread
from metabt.portfolio.resolve import resolve

Seen = dict[str, list[str]]
"""Sleeve and partition -> the key and the digest of its block."""

LEAF = {"dataset": "stocks", "lookback": 25, "schedule": {"every": 12}, "universe": ["AA", "BB", "CC", "DD", "EE"]}
COSTLY = {"commission_bp": 5.0, "borrow_bp": 50.0}
LEAVES: dict[str, dict[str, Any]] = {
    **{
        name: {"optimizer": name}
        for name in ("equal", "erc", "hrp", "inverse_volatility", "max_diversification", "min_cvar", "min_variance")
    },
    "fixed": {"optimizer": {"name": "fixed", "weights": {"AA": 0.5, "BB": 0.2}}},
    **{
        f"erc on {it}": {"optimizer": {"name": "erc", "covariance": it}}
        for it in ("ewma", "ledoit_wolf", "oas", "denoised")
    },
    **{
        f"sharpe on {it}": {"optimizer": {"name": "max_sharpe", "mean": it}} for it in ("sample", "ewma", "james_stein")
    },
    "mean variance": {"optimizer": {"name": "mean_variance", "mean": "sample", "risk_aversion": 4.0}},
    "held back": {"optimizer": {"name": "min_variance", "turnover_penalty": 0.0005}},
    "capped": {"optimizer": {"name": "inverse_volatility", "max_weight": 0.3}},
    "fallen back": {"dataset": "patchy", "optimizer": {"name": "min_variance", "max_weight": 0.3}, "fallback": ["hrp"]},
    "top": {"selector": {"name": "top_k", "k": 3}},
    "clusters": {"selector": {"name": "log_mps", "top": 1}},
    "unlike": {"selector": {"name": "decorrelate", "max_correlation": 0.5}},
    "short": {"direction": "short", "optimizer": "erc", "costs": COSTLY},
    "patchy": {
        "dataset": "patchy",
        "optimizer": "erc",
        "min_coverage": 0.8,
        "stale_after": 3,
        "costs": COSTLY,
        "lag": 2,
    },
    "wide": {"dataset": "many", "universe": "all", "optimizer": "min_variance"},
}
RULES: dict[str, Any] = {"lookback": 20, "schedule": {"every": 9}, "costs": COSTLY}
BENEATH = {
    "a": {**LEAF, "optimizer": "erc"},
    "b": {**LEAF, "direction": "short"},
    "c": {**LEAF, "universe": ["AA", "BB"]},
}
METAS: dict[str, dict[str, Any]] = {
    **{name: {"optimizer": name} for name in ("equal", "erc", "inverse_volatility", "hrp", "min_cvar", "max_sharpe")},
    "fixed": {"optimizer": {"name": "fixed", "weights": {"a": 0.3, "b": 0.2}}},
    "waiting": {"optimizer": "min_variance", "warmup": "wait", "min_history": 30},
    "held back": {"optimizer": {"name": "min_variance", "turnover_penalty": 0.0005}},
    "deep": {"sleeves": {"inner": {**RULES, "sleeves": BENEATH}, "c": BENEATH["c"]}},
}


def trees() -> dict[str, dict[str, Any]]:
    """Return the trees that are walked, by name."""
    leaves = {f"leaf {name}": {**LEAF, **it, "name": "x"} for name, it in LEAVES.items()}
    metas = {f"meta {name}": {**RULES, "sleeves": BENEATH, **it, "name": "x"} for name, it in METAS.items()}
    return leaves | metas


def panels() -> dict[str, Any]:
    """Return 70 sessions of prices around a new year: of few assets, of few with gaps, and of many."""
    rng, dates = np.random.default_rng(3), np.arange("2019-11-01", "2020-01-10", dtype="M8[D]")
    found = {}
    for name, count in (("stocks", 5), ("patchy", 5), ("many", 104)):
        steps = rng.normal(0.0005, 0.01, (len(dates), count)) * rng.uniform(0.5, 2, count) + rng.normal(
            0, 0.004, (len(dates), 1)
        )
        close = 100 * np.exp(np.cumsum(steps, axis=0))
        if name == "patchy":
            close[rng.random(close.shape) < 0.03] = np.nan
            close[45:, 1] = close[:20, 2] = np.nan
        names = ("AA", "BB", "CC", "DD", "EE") if count == 5 else tuple(f"S{n:03d}" for n in range(count))
        found[name] = Prices(name, dates, names, close, rng.uniform(1e5, 1e6, close.shape))
    return found


def seen(given: dict[str, Any] | None = None) -> tuple[Seen, dict[str, Any]]:
    """Return the key and the digest of every block, and what was beneath meta sleeves.

    `given` has what is beneath them: so a meta sleeve's inputs are those of the package as it is.
    """
    data, beneath = panels(), dict(given or {})
    symbols = {name: prices.symbols for name, prices in data.items()}
    found: Seen = {}
    for name, stated in trees().items():
        tree = resolve(stated, symbols=symbols)
        plan = plan_forest([tree], {key: Dataset.of(prices) for key, prices in data.items()})
        walk = CachedWalk(plan, MemoryCache())
        with one_thread():
            for label in plan.labels:
                walk.enter(label)
                for node in plan.remembered(label):
                    place = f"{name}, {node.label.partition('/')[2]}, {label}"
                    if given is not None and place in given:
                        walk.adopt(node, Step("", given[place]))
                        continue
                    step = walk.step(node)
                    if step.sealed is None:
                        break
                    if node.spec is tree.spec:
                        found[place] = [
                            step.key,
                            hashlib.sha256(repr(sorted(step.sealed.digests.items())).encode()).hexdigest(),
                        ]
                    else:
                        beneath[place] = step.sealed
    return found, beneath


def perturb(modules: list[str]) -> None:
    """Let the kernels of some modules give other numbers."""

    def around(kernel: Any) -> Any:
        def called(*arguments: Any) -> Any:
            outs = [
                it for it in arguments if isinstance(it, np.ndarray) and it.dtype.kind == "f" and it.flags.writeable
            ]
            before = [it.copy() for it in outs]
            value = kernel(*arguments)
            for out, old in zip(outs, before, strict=True):
                if out.tobytes() != old.tobytes():
                    out *= 1.01
            return value * 1.01 if isinstance(value, float) else value

        return called

    for name in modules:
        for kernel in {it for it in vars(importlib.import_module(name)).values() if isinstance(it, Dispatcher)}:
            if (
                kernel.py_func.__module__ == name
                and hasattr(kernel, "_cache")
                and type(kernel._cache).__name__ != "NullCache"
            ):
                _replace(kernel, around(kernel))


def _replace(kernel: Any, other: Any) -> None:
    for module in [it for key, it in sys.modules.items() if key.split(".")[0] == "metabt"]:
        for key, value in list(vars(module).items()):
            if value is kernel:
                setattr(module, key, other)
