"""Small tree: one of four sleeves on one dataset, for tests that need any tree."""

from __future__ import annotations

from typing import Any

LEAF = {"dataset": "stocks", "lookback": 20, "schedule": "weekly"}


def tree(**changes: Any) -> dict:
    sleeves = {
        "a": {**LEAF, "universe": ["AA", "BB"], "optimizer": "inverse_volatility"},
        "b": {**LEAF, "universe": ["BB", "CC", "DD"], "optimizer": "min_variance", "lag": 2},
    }
    return {
        "name": "book",
        "lookback": 30,
        "schedule": {"every": 5},
        "optimizer": "min_variance",
        "sleeves": sleeves,
        **changes,
    }
