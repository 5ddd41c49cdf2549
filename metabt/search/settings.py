"""Settings of a search: which sampler, after which metric, how many points, how many at once, and the seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metabt.errors import ConfigError, nearest
from metabt.search.objectives import check_objective, direction_of
from metabt.search.space import Interval, Space, Steps, check_space
from metabt.values.limits import JOBS

GRID = "grid"
"""What is no search: every combination of the values."""
MODEL_BASED = ("tpe", "cmaes")
"""Samplers that learn from what they are told; Optuna has them."""
SAMPLERS = ("random", "sobol", *MODEL_BASED)
"""All samplers."""
DIRECTIONS = ("maximize", "minimize")
DEFAULTS: Mapping[str, Any] = {
    "sampler": None,
    "objective": None,
    "direction": None,
    "n": 100,
    "batch": 32,
    "seed": 0,
}
"""Setting -> what it is where nobody says otherwise."""
LARGEST_SEED = 2**32 - 1
"""Largest seed that every sampler takes."""
FEWEST = 2
"""Keys that a covariance matrix is adapted for; with one there is nothing to adapt."""


@dataclass(frozen=True)
class Settings:
    """How to search; `settings_of` makes and checks it."""

    sampler: str
    """One of SAMPLERS."""
    objective: str
    """The root's metric that is sought."""
    direction: str
    """`maximize` or `minimize`."""
    n: int
    """Points that are asked for in all."""
    batch: int
    """Points that are asked for at once, and walked as one forest."""
    seed: int
    """What all that is drawn depends on."""

    @property
    def sign(self) -> float:
        """What the metric is multiplied with, so that more is better."""
        return 1.0 if self.direction == "maximize" else -1.0

    @property
    def identity(self) -> dict[str, Any]:
        """All that makes it this search: not `n`, since a search for more points begins with the same ones."""
        return {key: value for key, value in vars(self).items() if key != "n"}


def settings_of(stated: Mapping[str, Any], space: Space) -> Settings:
    """Return the settings of a search over a space, after checking them.

    Parameters
    ----------
    stated : setting -> value, of DEFAULTS; what is missing or None is at its default
    space : what is searched

    Raises
    ------
    ConfigError
        For an unknown setting, or a value that cannot be; for a sampler that cannot search such a space.
    """
    values = {**DEFAULTS, **{key: value for key, value in stated.items() if value is not None}}
    for key in values:
        if key not in DEFAULTS:
            raise ConfigError(f"unknown setting 'sweep.{key}'{nearest(key, DEFAULTS)}")
    sampler, objective, direction = (values[key] for key in ("sampler", "objective", "direction"))
    if sampler not in SAMPLERS:
        raise ConfigError(f"sweep.sampler is {sampler!r}{nearest(sampler, (GRID, *SAMPLERS))}")
    if objective is None:
        raise ConfigError(
            f"sweep.sampler={sampler} has no objective; say what is sought: sweep.objective=sharpe, or another metric"
        )
    check_objective(str(objective))
    if direction is not None and direction not in DIRECTIONS:
        raise ConfigError(f"sweep.direction is {direction!r}, wanted maximize or minimize{nearest(direction, ())}")
    least = {"n": 1, "batch": 1, "seed": 0}
    most = {"n": JOBS.most(), "batch": JOBS.most(), "seed": LARGEST_SEED}
    counts = {key: _whole(key, values[key], least[key], most[key]) for key in least}
    _check_sampler(str(sampler), space)
    return Settings(str(sampler), str(objective), direction or direction_of(objective), **counts)


def _whole(key: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"sweep.{key} is {value!r}, wanted a whole number of at least {least}")
    if value > most and key == "seed":
        raise ConfigError(f"sweep.seed is {value}, wanted at most {most}")
    if key == "n":
        JOBS.check("the search", value)
    return value


def _check_sampler(sampler: str, space: Space) -> None:
    check_space(space)
    if sampler != "cmaes":
        return
    named = [key for key, it in space.items() if not isinstance(it, Interval | Steps) and len(it.values) > 1]
    if named:
        raise ConfigError(
            f"sweep.sampler=cmaes needs keys whose values have an order, and {', '.join(named)} lists choices; state "
            "range(...) or interval(...), or take sweep.sampler=tpe"
        )
    free = [key for key, it in space.items() if isinstance(it, Interval) or len(it.values) > 1]
    if len(free) < FEWEST:
        raise ConfigError(
            f"sweep.sampler=cmaes adapts a covariance between keys, and {free[0]} is the only free one; free another, "
            "or take sweep.sampler=tpe"
        )
