"""Model-based samplers of Optuna (Akiba et al. 2019), by ask and tell.

tpe : tree-structured Parzen estimator (Bergstra et al. 2011), multivariate (Falkner, Klein, Hutter 2018). Points of a
      batch that nobody has told of yet count as bad ones, so that a batch does not ask for the same point again
      (constant liar; Ginsbourger, Le Riche, Carraro 2010).
cmaes : covariance matrix adaptation (Hansen 2016) with a margin for steps (Hamano et al. 2022).

1. Values in an order are told by their places, so that equal steps are equally far apart.
2. A point without an objective is told as failed: nothing is learned from it.
3. All depends on the seed, on what was told and on Optuna's version; nothing is stored by Optuna.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from metabt.errors import ConfigError
from metabt.search.settings import Settings
from metabt.search.space import Dimension, Interval, Point, Space, Steps

if TYPE_CHECKING:
    from optuna.trial import Trial

STARTUP = 10
"""Points that tpe draws at random before it learns."""
INSTALL = "pip install 'metabt[optuna]'"


class ModelBased:
    """A sampler that learns."""

    def __init__(self, settings: Settings, space: Space) -> None:
        try:
            import optuna

            if settings.sampler == "cmaes":
                import_module("cmaes")
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"sweep.sampler={settings.sampler} needs the package {error.name}, which is not installed: {INSTALL}, "
                "or take random or sobol"
            ) from None
        self.library: str | None = f"optuna {optuna.__version__}"
        """Optuna's name and version."""
        self._space, self._trials = space, list[Any]()
        self._failed = optuna.trial.TrialState.FAIL
        self._distributions = {key: _distribution(it) for key, it in space.items()}
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with _quiet():
            sampler = _tpe(settings) if settings.sampler == "tpe" else _cmaes(settings)
            self._study = optuna.create_study(sampler=sampler, direction=settings.direction)  # type: ignore[arg-type]

    def ask(self, n: int) -> list[Point]:
        """Return the next `n` points."""
        with _quiet():
            self._trials = [self._study.ask(self._distributions) for _ in range(n)]
        return [self._point(trial) for trial in self._trials]

    def tell(self, values: Sequence[float | None]) -> None:
        """Take the objective of each point of the last batch, in its order; None for one that has none."""
        with _quiet():
            for trial, value in zip(self._trials, values, strict=True):
                if value is None:
                    self._study.tell(trial, state=self._failed)
                else:
                    self._study.tell(trial, value)

    def _point(self, trial: Trial) -> Point:
        return tuple(_text(it, trial.params[key]) for key, it in self._space.items())


def _quiet() -> warnings.catch_warnings:
    """Return what keeps Optuna's remarks on features that may change from users: its version is pinned by metabt."""
    return warnings.catch_warnings(action="ignore")


def _tpe(settings: Settings) -> Any:
    from optuna.samplers import TPESampler

    return TPESampler(seed=settings.seed, n_startup_trials=STARTUP, multivariate=True, constant_liar=True)


def _cmaes(settings: Settings) -> Any:
    from optuna.samplers import CmaEsSampler

    return CmaEsSampler(seed=settings.seed, with_margin=True, warn_independent_sampling=False)


def _distribution(dimension: Dimension) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(dimension, Interval):
        if dimension.integer:
            return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    if isinstance(dimension, Steps):
        return IntDistribution(0, len(dimension.values) - 1)
    return CategoricalDistribution(dimension.values)


def _text(dimension: Dimension, value: Any) -> str:
    if isinstance(dimension, Interval):
        return dimension.text(value)
    return dimension.values[value] if isinstance(dimension, Steps) else str(value)
