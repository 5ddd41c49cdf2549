"""Configuration: what the command line and `conf/` say, composed by Hydra into plain values.

Nothing outside this package has heard of Hydra or OmegaConf, and nothing here instantiates anything: names are resolved
by the registry, never by importing a path that a file states.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metabt.config.composition import compose, load_portfolio
    from metabt.config.jobs import Job
    from metabt.config.lakehouse import stated_lakehouse
    from metabt.config.sweeps import sweep

_EXPORTS = {
    "Job": "metabt.config.jobs",
    "compose": "metabt.config.composition",
    "load_portfolio": "metabt.config.composition",
    "stated_lakehouse": "metabt.config.lakehouse",
    "sweep": "metabt.config.sweeps",
}
"""Name -> module; imported when it is first asked for: Hydra takes long, and most commands need it for nothing."""

__all__ = ["Job", "compose", "load_portfolio", "stated_lakehouse", "sweep"]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'metabt.config' has no attribute '{name}'")
    return getattr(import_module(_EXPORTS[name]), name)
