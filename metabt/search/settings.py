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
PREFIX = "sweep."
"""What comes before the name of a setting on a command line."""
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


def settings_of(stated: Mapping[str, Any], space: Space, before: str = PREFIX) -> Settings:
    """Return the settings of a search over a space, after checking them.

    Parameters
    ----------
    stated : setting -> value, of DEFAULTS; what is missing or None is at its default
    space : what is searched
    before : what comes before the names of settings where they are stated, for messages

    Raises
    ------
    ConfigError
        For an unknown setting, or a value that cannot be; for a sampler that cannot search such a space.
    """
    values = {**DEFAULTS, **{key: value for key, value in stated.items() if value is not None}}
    for key in values:
        if key not in DEFAULTS:
            raise ConfigError(f"unknown setting '{before}{key}'{nearest(key, DEFAULTS)}")
    sampler, objective, direction = (values[key] for key in ("sampler", "objective", "direction"))
    if sampler not in SAMPLERS:
        raise ConfigError(f"{before}sampler is {sampler!r}{nearest(sampler, (GRID, *SAMPLERS))}")
    if objective is None:
        raise ConfigError(
            f"{before}sampler={sampler} has no objective; say which metric is sought: {before}objective=sharpe"
        )
    check_objective(str(objective), before=before)
    if direction is not None and direction not in DIRECTIONS:
        raise ConfigError(f"{before}direction is {direction!r}, wanted maximize or minimize")
    least = {"n": 1, "batch": 1, "seed": 0}
    most = {"n": JOBS.most(), "batch": JOBS.most(), "seed": LARGEST_SEED}
    counts = {key: _whole(before + key, values[key], least[key], most[key]) for key in least}
    _check_sampler(str(sampler), space, before)
    return Settings(str(sampler), str(objective), direction or direction_of(objective), **counts)


def _whole(name: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} is {value!r}, wanted a whole number of at least {least}")
    if value > most:
        if most != LARGEST_SEED:
            JOBS.check(f"{name}={value}", value)
        raise ConfigError(f"{name} is {value}, wanted at most {most}")
    return value


def _check_sampler(sampler: str, space: Space, before: str) -> None:
    check_space(space)
    if sampler != "cmaes":
        return
    named = [key for key, it in space.items() if not isinstance(it, Interval | Steps) and len(it.values) > 1]
    if named:
        raise ConfigError(
            f"{before}sampler=cmaes needs keys whose values have an order, and {', '.join(named)} lists choices; state "
            f"range(...) or interval(...), or take {before}sampler=tpe"
        )
    free = [key for key, it in space.items() if isinstance(it, Interval) or len(it.values) > 1]
    if len(free) < FEWEST:
        raise ConfigError(
            f"{before}sampler=cmaes adapts a covariance between keys, and {free[0]} is the only free one; free more, "
            f"or take {before}sampler=tpe"
        )
