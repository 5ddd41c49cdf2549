"""Jobs: configurations of a sweep over one book."""

from __future__ import annotations

from typing import Any

from metabt.config import Job
from tests.shared import panels

SYMBOLS = {"stocks": tuple(panels.STOCKS), "coins": tuple(panels.COINS)}


def book(**changes: Any) -> dict[str, Any]:
    """Return book over core (a and b) and c."""
    leaf = {"dataset": "stocks", "lookback": 20, "schedule": "weekly", "optimizer": "inverse_volatility"}
    a, b, c = ({**leaf, "universe": symbols} for symbols in (["AA", "BB"], ["BB", "CC", "DD"], ["DD", "EE"]))
    rules = {"lookback": 30, "schedule": {"every": 5}, "costs": {"commission_bp": 5}}
    core = {**rules, "optimizer": "min_variance", "sleeves": {"a": a, "b": b}}
    return {"name": "book", **rules, "optimizer": "min_variance", "sleeves": {"core": core, "c": c}, **changes}


def job(tree: dict[str, Any] | None, *overrides: str, error: str | None = None, **settings: Any) -> Job:
    config = {"portfolio": tree, "start": None, "end": None, "engine": "local", "is_meta_backtest": None, **settings}
    return Job(overrides, None if tree is None else config, error)
