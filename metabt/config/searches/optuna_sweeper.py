"""Hydra's sweeper `optuna` is told no objective by a backtest: whoever chooses it is told what to type instead.

metabt asks Optuna itself, a batch of points at a time, which are walked as one forest.
"""

from __future__ import annotations

from collections.abc import Sequence
from shlex import join

from metabt.errors import ConfigError

NAME = "optuna"
SETTINGS = {
    "hydra.sweeper.n_trials": "sweep.n",
    "hydra.sweeper.direction": "sweep.direction",
    "hydra.sweeper.sampler.seed": "sweep.seed",
    "hydra/sweeper/sampler": "sweep.sampler",
}
"""Setting of Hydra's sweeper -> the search's."""
SAMPLERS = ("random", "tpe", "cmaes")
"""Samplers that both know by one name."""


def refuse_optuna_sweeper(overrides: Sequence[str]) -> None:
    """Raise ConfigError where Hydra's sweeper is chosen, with the command that searches."""
    keys = {_key(text): text.partition("=")[2].strip("'\"") for text in overrides}
    if keys.get("hydra/sweeper") == NAME:
        raise ConfigError(f"hydra/sweeper={NAME} {said_instead(overrides)}")


def said_instead(overrides: Sequence[str] = ()) -> str:
    """Return the end of the message: why not, and the command with the same overrides that searches."""
    kept, settings = [], {"sweep.sampler": "tpe", "sweep.n": "100", "sweep.objective": "sharpe"}
    for text in overrides:
        key, value = _key(text), text.partition("=")[2]
        if key.startswith("sweep."):
            settings[key] = value
        elif key in SETTINGS and (key != "hydra/sweeper/sampler" or value in SAMPLERS):
            settings[SETTINGS[key]] = value
        elif not key.startswith(("hydra/sweeper", "hydra.sweeper")):
            kept.append(text)
    command = join([*(kept or ["KEY=VALUES"]), *(f"{key}={value}" for key, value in settings.items())])
    return (
        "is Hydra's own, which learns nothing from a backtest; metabt asks Optuna itself, type: "
        f"metabt backtest -m {command}"
    )


def _key(text: str) -> str:
    return text.partition("=")[0].lstrip("+~")
