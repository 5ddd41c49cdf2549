"""skfolio's estimators by name: `{name: skfolio.HierarchicalEqualRiskContribution, risk_measure: cvar}`.

1. The name must be a class that `skfolio.optimization` or `skfolio.pre_selection` exports, of the right kind, that is
   deterministic and can be built from plain values. Nothing else is ever looked up.
2. Parameters are plain values; where a default is an enumeration, its members are named by words in lower case.
3. `min_weight` and `max_weight` become skfolio's `min_weights` and `max_weights`; an estimator without them refuses.
4. Each window is fitted by a fresh estimator on a plain array, or on a frame with columns x0, x1, ... (the position
   in the universe) where a parameter addresses assets by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from metabt.errors import ConfigError, nearest
from metabt.estimators.optimizers.fitted import FAILURES, FittedOptimizer
from metabt.estimators.selectors.fitted import FittedSelector

REFUSED = {
    "BenchmarkTracker": "it needs the returns of a benchmark",
    "Random": "its weights are random, and a backtest must be repeatable",
    "StackingOptimization": "it needs other estimators as parameters",
    "SelectNonExpiring": "it needs dates of expiry by name",
}
"""Class of the right kind -> why it is refused all the same."""

BOUNDS = {"min_weight": "min_weights", "max_weight": "max_weights"}
"""metabt's name -> skfolio's name."""

UNBOUNDED = {"min_weight": 0.0, "max_weight": 1.0}
"""Bounds that bind nothing, so that every estimator honours them."""

BY_NAME = ("groups", "linear_constraints", "left_inequality", "views")
"""Parameters that address assets by name."""


def optimizer(name: str, params: Mapping[str, Any]) -> FittedOptimizer:
    """Return skfolio's optimizer of class `name`, built with `params` for each window.

    Raises
    ------
    ConfigError
        If skfolio is not installed, has no such optimizer, or the parameters are not its own.
    """
    found = _find("optimization", name, "BaseOptimization")
    who = f"optimizer 'skfolio.{name}'"
    bounds = {key: _bound(who, key, params[key]) for key in BOUNDS if key in params}
    for key in BOUNDS.values():
        if key in params:
            raise ConfigError(f"{who}: use {key[:-1]} (a number) in place of {key}")
    parameters = _parameters(who, found, {k: v for k, v in params.items() if k not in BOUNDS})
    known = inspect.signature(found).parameters
    for key, value in bounds.items():
        if BOUNDS[key] in known:
            parameters[BOUNDS[key]] = value
        elif value != UNBOUNDED[key]:
            raise ConfigError(f"{who} cannot honour bounds; leave out {key}, or use an optimizer that can")
    return SkfolioOptimizer(found, parameters, **bounds)


def optimizer_like(made: Any) -> FittedOptimizer:
    """Return an object of skfolio's as an optimizer: a clone of it is fitted to each window.

    Its own `min_weights` and `max_weights` are its bounds where they are numbers.
    """
    from sklearn.base import clone

    own = {key: getattr(made, theirs, None) for key, theirs in BOUNDS.items()}
    bounds = {key: float(it) for key, it in own.items() if isinstance(it, int | float) and 0.0 <= it <= 1.0}
    return SkfolioOptimizer(lambda **_: clone(made), made.get_params(deep=False), **bounds)


def selector(name: str, params: Mapping[str, Any]) -> FittedSelector:
    """Return skfolio's pre-selection of class `name`, built with `params` for each window.

    Raises
    ------
    ConfigError
        If skfolio is not installed, has no such pre-selection, or the parameters are not its own.
    """
    found = _find("pre_selection", name, None)
    parameters = _parameters(f"selector 'skfolio.{name}'", found, params)
    return FittedSelector(lambda: found(**parameters))


class SkfolioOptimizer(FittedOptimizer):
    """An optimizer of skfolio, fitted window by window."""

    def __init__(self, found: Callable[..., Any], parameters: dict[str, Any], **bounds: float) -> None:
        failures = (*FAILURES, import_module("skfolio.exceptions").SkfolioError, import_module("cvxpy").SolverError)
        super().__init__(lambda: found(**parameters), failures=failures, **bounds)
        self._by_name = any(
            key in BY_NAME or isinstance(value, Mapping) for key, value in parameters.items() if value is not None
        )

    def _fit(self, X: np.ndarray, names: list[str]) -> np.ndarray:
        if not self._by_name:
            return super()._fit(X, names)
        return self._build().fit(import_module("pandas").DataFrame(X, columns=names)).weights_


def _bound(who: str, key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{who}: {key} is {value!r}; wanted a finite number")
    return float(value)


def _module(name: str) -> ModuleType:
    try:
        return import_module(f"skfolio.{name}")
    except ModuleNotFoundError as error:
        raise ConfigError(f'{error.name} is not installed, and skfolio needs it; pip install "metabt[demo]"') from error


def _find(module: str, name: str, base: str | None) -> type:
    """Return the class that a module of skfolio exports under this name."""
    exported = _module(module)
    root = getattr(exported, base) if base else object
    kinds = {
        known: found
        for known in exported.__all__
        if inspect.isclass(found := vars(exported).get(known)) and issubclass(found, root)
    }
    kinds = {known: found for known, found in kinds.items() if found is not root and not inspect.isabstract(found)}
    if name in REFUSED and name in kinds:
        raise ConfigError(f"skfolio.{name} cannot be used: {REFUSED[name]}")
    if name not in kinds:
        raise ConfigError(f"skfolio.{module} has no {name!r}{nearest(name, set(kinds) - set(REFUSED))}")
    return kinds[name]


def _parameters(who: str, found: type, params: Mapping[str, Any]) -> dict[str, Any]:
    known = inspect.signature(found).parameters
    for key in params:
        if key not in known:
            raise ConfigError(f"{who} has no parameter {key!r}{nearest(key, known)}")
    return {key: _value(f"{who}: {key}", value, known[key].default) for key, value in params.items()}


def _value(who: str, value: Any, default: Any) -> Any:
    if isinstance(default, Enum):
        return _member(who, value, type(default))
    if not _plain(value):
        raise ConfigError(f"{who} is {value!r}; wanted numbers, words, lists or mappings")
    return value


def _member(who: str, value: Any, kind: type[Enum]) -> Enum:
    """Return the member of an enumeration, or of a kindred enumeration of measures, that is called `value`."""
    measures = [import_module("skfolio.measures").__dict__[f"{word}Measure"] for word in MEASURES]
    kinds = [kind, *measures] if kind in measures else [kind]
    members = {member.name.lower(): member for each in reversed(kinds) for member in each}
    if not isinstance(value, str) or value.lower() not in members:
        raise ConfigError(f"{who} is {value!r}{nearest(str(value), members)}")
    return members[value.lower()]


MEASURES = ("Risk", "ExtraRisk", "Ratio", "Perf")
"""skfolio's enumerations of measures: RiskMeasure, ..."""


def _plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _plain(item) for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return all(_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)
