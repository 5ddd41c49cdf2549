"""A run whose names try to be markup, for the tests of its report."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

import metabt

EVIL = "<&{script}>\"'` %{y}"
IMAGE = "<img src=x onerror=document.title=1>"
ENDING = "</script><script>document.title='owned'</script><!--"


def closes(n_sessions: int = 700) -> pd.DataFrame:
    """Return prices; one asset has none in 31 sessions, so that it is left out, then closed as stale."""
    rng = np.random.default_rng(5)
    moves = 1 + rng.normal(0.0002, [0.005, 0.01, 0.02, 0.01, 0.01], (n_sessions, 5))
    frame = pd.DataFrame(50 * np.cumprod(moves, axis=0), columns=["A", ENDING, "C", "D", IMAGE])
    frame.loc[200:230, "C"] = np.nan
    return frame.set_index(pd.bdate_range("2020-01-01", periods=n_sessions))


def backtested(*, lag: int = 1, single: bool = False, costs: float = 5, netted: float = 0) -> metabt.Result:
    """Return the run of a tree of two levels, or of one sleeve; `netted` basis points are charged on the whole book."""
    leaf = {"optimizer": "inverse_volatility", "lookback": 30, "lag": lag, "costs": {"commission_bp": costs}}
    if single:
        return metabt.backtest({"name": "mine", **leaf, "universe": ["A", IMAGE]}, closes())
    inner = {"x": {**leaf, "universe": ["A", IMAGE]}, IMAGE: {**leaf, "universe": ["D", ENDING]}}
    tree = {
        "name": "mine",
        "optimizer": "erc",
        "lookback": 30,
        "lag": lag,
        "costs": {"commission_bp": netted},
        "sleeves": {
            "calm": {"lookback": 30, "lag": lag, "sleeves": inner},
            EVIL: {**leaf, "universe": ["C", "D"], "direction": "short"},
        },
    }
    return metabt.backtest(tree, closes())


def stored_row(result: metabt.Result) -> dict[str, Any]:
    """Return the row that a lakehouse would have of a run."""
    return {
        "run_id": result.run_id,
        "portfolio": "mine",
        "config": json.dumps({"name": EVIL}),
        "snapshot": 7,
        "engine": "local",
        "versions": "{}",
        "started_at": "2026-01-02 03:04:05",
        "seconds": 0.5,
        "status": "ok",
    }
