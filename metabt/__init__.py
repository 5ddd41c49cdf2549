"""metabt: recursive meta-portfolio backtests, every sub-backtest computed once and queryable with SQL."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from metabt import errors as errors
from metabt.errors import nearest

if TYPE_CHECKING:
    from metabt.api.compared import Compared, compare
    from metabt.api.differences import DataDifference, diff_data
    from metabt.api.functions import backtest, connect, load, plan
    from metabt.api.ingestion import ingest
    from metabt.api.panels import open_panel
    from metabt.api.result import Baselines, Result
    from metabt.api.sweep_result import SweepResult
    from metabt.api.sweeping import sweep
    from metabt.build.cache import MemoryCache
    from metabt.build.cache.bucket.cache import BucketCache
    from metabt.build.cache.shared.cache import SharedCache
    from metabt.data.panel import Panel, Sheet
    from metabt.data.prices import Prices
    from metabt.engines.backtest_engine import BacktestEngine
    from metabt.engines.local import Local
    from metabt.engines.ray import Ray
    from metabt.errors import MetabtError
    from metabt.portfolio.sleeve import Sleeve
    from metabt.search.space import interval

_EXPORTS = {
    "backtest": "metabt.api.functions",
    "compare": "metabt.api.compared",
    "connect": "metabt.api.functions",
    "diff_data": "metabt.api.differences",
    "ingest": "metabt.api.ingestion",
    "load": "metabt.api.functions",
    "open_panel": "metabt.api.panels",
    "plan": "metabt.api.functions",
    "interval": "metabt.search.space",
    "sweep": "metabt.api.sweeping",
    "Baselines": "metabt.api.result",
    "BacktestEngine": "metabt.engines.backtest_engine",
    "Local": "metabt.engines.local",
    "Ray": "metabt.engines.ray",
    "BucketCache": "metabt.build.cache.bucket.cache",
    "Compared": "metabt.api.compared",
    "DataDifference": "metabt.api.differences",
    "MemoryCache": "metabt.build.cache",
    "MetabtError": "metabt.errors",
    "Panel": "metabt.data.panel",
    "Prices": "metabt.data.prices",
    "Result": "metabt.api.result",
    "SharedCache": "metabt.build.cache.shared.cache",
    "Sheet": "metabt.data.panel",
    "Sleeve": "metabt.portfolio.sleeve",
    "SweepResult": "metabt.api.sweep_result",
}
"""Public name -> module; imported when it is first asked for, so that `metabt --help` answers at once."""

__all__ = [
    "BacktestEngine",
    "Baselines",
    "BucketCache",
    "Compared",
    "DataDifference",
    "Local",
    "MemoryCache",
    "MetabtError",
    "Panel",
    "Prices",
    "Ray",
    "Result",
    "SharedCache",
    "Sheet",
    "Sleeve",
    "SweepResult",
    "backtest",
    "compare",
    "connect",
    "diff_data",
    "ingest",
    "interval",
    "load",
    "open_panel",
    "plan",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("metabt")
    if name not in _EXPORTS:
        raise AttributeError(f"module 'metabt' has no attribute '{name}'{nearest(name, _EXPORTS)}")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted({*__all__, "errors", *(name for name in globals() if name.startswith("__")), "__version__"})
