"""Compile every kernel of metabt ahead of its first use: `python jobs/compile_kernels.py`.

`make` does so for a checkout, and the image with NUMBA_CACHE_DIR, so that no pod has to.

1. Walk a small tree that uses every optimizer, selector and level, on synthetic prices with gaps, out of a lakehouse.
2. Fail, naming them, if there are kernels that this did not compile.
"""

from __future__ import annotations

import sys
import tempfile
from pkgutil import walk_packages
from typing import Any

import numpy as np
import pandas as pd
from numba.core.dispatcher import Dispatcher

import metabt
from metabt import lakehouse

MANY = [f"A{i:03d}" for i in range(154)]
SYMBOLS = MANY[:6]
TREE: dict[str, Any] = {
    "name": "kernels",
    "optimizer": "erc",
    "defaults": {"dataset": "walks", "lookback": 60, "costs": {"commission_bp": 5}},
    "sleeves": {
        "nested": {
            "optimizer": "hrp",
            "sleeves": {
                "calm": {
                    "universe": SYMBOLS,
                    "optimizer": "hrp",
                    "selector": {"name": "top_k", "k": 4, "by": "low_volatility"},
                },
                "scored": {
                    "universe": SYMBOLS,
                    "optimizer": "erc",
                    "selector": {"name": "log_mps", "top": 2, "max_drawdown": 0.9},
                },
            },
        },
        "least": {"universe": SYMBOLS, "optimizer": {"name": "min_variance", "covariance": "ledoit_wolf"}},
        "best": {"universe": SYMBOLS, "optimizer": {"name": "max_sharpe", "max_weight": 0.5, "covariance": "ewma"}},
        "apart": {"universe": SYMBOLS, "selector": {"name": "decorrelate", "k": 3}, "optimizer": "max_diversification"},
        "still": {
            "universe": SYMBOLS,
            "optimizer": {"name": "min_variance", "max_turnover": 0.1},
            "schedule": {"period": "monthly", "band": 0.02},
            "lag": 30,
        },
        "tails": {"universe": SYMBOLS, "optimizer": "min_cvar"},
        "quiet": {"universe": SYMBOLS, "optimizer": {"name": "hrp", "covariance": "denoised"}},
        "wide": {"universe": MANY, "optimizer": "min_variance"},
        "short": {"universe": SYMBOLS[:2], "optimizer": "inverse_volatility", "direction": "short"},
    },
}


def prices() -> pd.DataFrame:
    """Return three years of random walks with volumes, one of which has no price for two weeks."""
    steps = np.random.default_rng(1).normal(0.0005, 0.01, (780, len(MANY)))
    close = pd.DataFrame(100 * np.exp(steps.cumsum(axis=0)), pd.bdate_range("2020-01-01", periods=len(steps)), MANY)
    close.iloc[400:410, 0] = np.nan
    return pd.concat({"Close": close, "Volume": close.notna() * 1000.0}, axis=1)


def not_compiled() -> list[str]:
    """Return the kernels with a place on disk that have not been compiled, by module and name."""
    modules = [__import__(found.name, fromlist=["_"]) for found in walk_packages(metabt.__path__, "metabt.")]
    kernels = {value for module in modules for value in vars(module).values() if isinstance(value, Dispatcher)}
    return sorted(
        f"{kernel.py_func.__module__}.{kernel.py_func.__name__}"
        for kernel in kernels
        if kernel.stats.cache_path is not None and not kernel.signatures
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        lakehouse.ingest(folder, "walks", prices())
        metabt.backtest(TREE, folder)
    missing = not_compiled()
    sys.exit(f"not compiled: {', '.join(missing)}; let TREE use them" if missing else 0)
