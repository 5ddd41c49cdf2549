"""metabt: recursive meta-portfolio backtests, every sub-backtest computed once and queryable with SQL."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metabt.api import backtest, connect, load, plan
    from metabt.cache import MemoryCache
    from metabt.cluster import Ray
    from metabt.engine import BacktestEngine
    from metabt.errors import MetabtError
    from metabt.panel import Panel, Sheet, open_panel
    from metabt.prices import Prices
    from metabt.result import Result
    from metabt.sleeve import Sleeve

_EXPORTS = {
    "backtest": "metabt.api",
    "connect": "metabt.api",
    "load": "metabt.api",
    "open_panel": "metabt.panel",
    "plan": "metabt.api",
    "BacktestEngine": "metabt.engine",
    "Ray": "metabt.cluster",
    "MemoryCache": "metabt.cache",
    "MetabtError": "metabt.errors",
    "Panel": "metabt.panel",
    "Prices": "metabt.prices",
    "Result": "metabt.result",
    "Sheet": "metabt.panel",
    "Sleeve": "metabt.sleeve",
}
"""Public name -> module; imported when it is first asked for, so that `metabt --help` answers at once."""

__all__ = [
    "BacktestEngine",
    "MemoryCache",
    "MetabtError",
    "Panel",
    "Prices",
    "Ray",
    "Result",
    "Sheet",
    "Sleeve",
    "backtest",
    "connect",
    "load",
    "open_panel",
    "plan",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'metabt' has no attribute '{name}'")
    return getattr(import_module(_EXPORTS[name]), name)
