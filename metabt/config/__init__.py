"""Configuration: what the command line and `conf/` say, composed by Hydra into plain values.

Nothing outside this package has heard of Hydra or OmegaConf, and nothing here instantiates anything: names are resolved
by the registry, never by importing a path that a file states.
"""

from metabt.config.composition import compose, load_portfolio, stated_lakehouse
from metabt.config.jobs import Job
from metabt.config.sweep import sweep

__all__ = ["Job", "compose", "load_portfolio", "stated_lakehouse", "sweep"]
