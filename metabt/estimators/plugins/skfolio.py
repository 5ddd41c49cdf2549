"""skfolio's estimators by name: `{name: skfolio.HierarchicalEqualRiskContribution, risk_measure: cvar}`.

1. The name must be a class that `skfolio.optimization` or `skfolio.pre_selection` exports, of the right kind, that is
   deterministic and can be built from plain values. Nothing else is ever looked up.
2. Parameters are plain values; where a default is an enumeration, its members are named by words in lower case.
3. `min_weight` and `max_weight` become skfolio's `min_weights` and `max_weights`; an estimator without them refuses.
4. Each window is fitted by a fresh estimator on a plain array, or on a frame where a parameter addresses items by name:
   symbols, a meta sleeve's children (by digest), or x0, x1, ... (their position) where they have no names.
5. skfolio drops a constraint that names what the window does not have. Here names are checked when a tree is resolved;
   linear constraints become rows over all items, of which a window takes its own: what it lacks has a weight of 0.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from metabt.errors import ConfigError, nearest
from metabt.estimators.optimizers.fitted import FAILURES, NOISE, FittedOptimizer
from metabt.estimators.selectors.fitted import FittedSelector
from metabt.estimators.windows import Windows
from metabt.values.scalars import number, plain_scalars

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

EQUATIONS = "linear_constraints"
"""The parameter whose texts speak of items and of their groups."""

NOT_BY_ITEM = ("group_cardinalities", "portfolio_params", "solver_params")
"""Parameters that are mappings by something else than items."""

POSITIONAL = ("groups", "left_inequality", "risk_budget", "threshold_long", "threshold_short", "target_weights")
"""Parameters that go by the position of items where they are lists."""

NEEDS_NO_VARIANCE = ("EqualWeighted",)
"""Optimizers that do not look at returns."""


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
    return SkfolioOptimizer(found, parameters, needs_variance=name not in NEEDS_NO_VARIANCE, **bounds)


def optimizer_like(made: Any) -> FittedOptimizer:
    """Return an object of skfolio's as an optimizer: a clone of it is fitted to each window.

    Its own `min_weights` and `max_weights` are its bounds where they are numbers.
    """
    from sklearn.base import clone

    own = {key: getattr(made, theirs, None) for key, theirs in BOUNDS.items()}
    bounds = {key: float(it) for key, it in own.items() if isinstance(it, int | float) and 0.0 <= it <= 1.0}
    needs_variance = bool(getattr(made, "needs_variance", type(made).__name__ not in NEEDS_NO_VARIANCE))
    parameters = made.get_params(deep=False)
    return SkfolioOptimizer(lambda **_: clone(made), parameters, needs_variance=needs_variance, **bounds)


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

    def __init__(
        self, found: Callable[..., Any], parameters: dict[str, Any], *, needs_variance: bool, **bounds: float
    ) -> None:
        failures = (*FAILURES, import_module("skfolio.exceptions").SkfolioError, import_module("cvxpy").SolverError)
        super().__init__(lambda: found(**parameters), failures=failures, needs_variance=needs_variance, **bounds)
        self._found, self._parameters = found, parameters
        self._known: dict[tuple[str, ...], tuple[np.ndarray, np.ndarray]] = {}
        given = {key: value for key, value in parameters.items() if value is not None}
        self.by_name = {key: None for key, it in given.items() if isinstance(it, Mapping) and key not in NOT_BY_ITEM}
        self.named = tuple(sorted({name for key in self.by_name for name in given[key]}))
        self.texts = (EQUATIONS,) if EQUATIONS in given else ()
        self.by_position = tuple(key for key in POSITIONAL if isinstance(given.get(key), list | tuple))

    def check_names(self, names: Sequence[str], who: str, where: str) -> None:
        """Raise ConfigError where its parameters speak of what is neither among `names` nor a group of them."""
        super().check_names(names, who, where)
        groups = self._parameters.get("groups")
        known = {*names, *_labels(groups)}
        for label in self._parameters.get("group_cardinalities") or ():
            if label not in known:
                raise ConfigError(f"{who} speaks of the group '{label}', which nothing is in{nearest(label, known)}")
        if not self.texts or isinstance(groups, list | tuple):
            return
        for text in self._equations:
            for word in _words(text, known):
                raise ConfigError(f"{who} says '{text}', but '{word}' is not {where}{nearest(word, known)}")
        try:
            self._rows(tuple(names))
        except self._failures as error:
            raise ConfigError(f"{who}: linear_constraints: {error}") from error

    @property
    def _equations(self) -> list[str]:
        stated = self._parameters[EQUATIONS]
        return [stated] if isinstance(stated, str) else list(stated)

    def _fit(self, windows: Windows, decision: int | np.integer, columns: np.ndarray) -> np.ndarray:
        if not (self.named or self.texts or "group_cardinalities" in self._parameters):
            return super()._fit(windows, decision, columns)
        names = windows.names_of(columns)
        frame = import_module("pandas").DataFrame(windows.window(decision)[:, columns], columns=names)
        return self._found(**self._constrained(windows, columns, names)).fit(frame).weights_

    def _alone(self, windows: Windows, columns: np.ndarray) -> np.ndarray:
        left, right = self._limits(windows, columns)
        if (left[:, 0] > right + NOISE).any():
            raise ValueError("the only asset cannot have all the weight under the linear constraints")
        return np.ones(1)

    def _constrained(self, windows: Windows, columns: np.ndarray, names: list[str]) -> dict[str, Any]:
        """Return the parameters for a window that has these columns only."""
        parameters = dict(self._parameters)
        groups, cardinalities = parameters.get("groups"), parameters.get("group_cardinalities")
        if isinstance(groups, Mapping):
            parameters["groups"] = groups = {name: groups[name] for name in names if name in groups}
        if cardinalities:
            here = {*names, *_labels(groups)}
            kept = {label: most for label, most in cardinalities.items() if label in here}
            parameters["group_cardinalities"] = kept or None
        left, right = self._limits(windows, columns)
        if len(left):
            more = parameters.get("left_inequality"), parameters.get("right_inequality")
            if more[0] is not None:
                left, right = np.vstack([left, more[0]]), np.concatenate([right, more[1]])
            parameters |= {EQUATIONS: None, "left_inequality": left, "right_inequality": right}
        return parameters

    def _limits(self, windows: Windows, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return A and b of `A w <= b` for the weights of some columns; no rows where nothing is stated by name."""
        if not self.texts or isinstance(self._parameters.get("groups"), list | tuple):
            return np.empty((0, len(columns))), np.empty(0)
        left, right = self._rows(tuple(windows.names_of(np.arange(windows.returns.shape[1]))))
        return left[:, columns], right

    def _rows(self, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return A and b of `A w <= b` over all items: what the linear constraints say, an equation as two rows."""
        known = self._known.get(names)
        if known is None:
            known = self._parsed(names)
            self._known = {names: known}
        return known

    def _parsed(self, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        groups = np.asarray([names])
        if (stated := self._parameters.get("groups")) is not None:
            kept = {name: stated[name] for name in names if name in stated}
            to_array = import_module("skfolio.utils.tools").input_to_array
            groups = to_array(kept, len(names), "", 2, np.asarray(names), "groups")
        to_matrix = import_module("skfolio.utils.equations").equations_to_matrix
        a_eq, b_eq, a, b = to_matrix(groups, self._equations, raise_if_group_missing=True)
        return np.concatenate([a, a_eq, -a_eq]), np.concatenate([b, b_eq, -b_eq])


def _labels(groups: Any) -> set[str]:
    """Return the groups that items are in: of a mapping by item, or of lists by position."""
    if groups is None:
        return set()
    stated = groups.values() if isinstance(groups, Mapping) else groups
    return {label for labels in stated for label in ([labels] if isinstance(labels, str) else labels)}


def _words(text: str, known: set[str]) -> list[str]:
    """Return what stands in an equation beside known names, numbers and operators."""
    longest = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    rest = re.sub(rf"(?<![^\s+\-*<=>])(?:{longest})(?![^\s+\-*<=>])", " ", text) if known else text
    return [word for word in re.split(r"[\s+\-*<=>]+", rest) if word and not NUMBER.fullmatch(word)]


NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE]\d*)?")
"""A number in an equation, or what is left of one before the sign of its exponent."""


def _bound(who: str, key: str, value: Any) -> float:
    if (bound := number(value)) is None:
        raise ConfigError(f"{who}: {key} is {value!r}; wanted a finite number")
    return bound


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
    if not _plain(plain_scalars(value)):
        raise ConfigError(f"{who} is {value!r}; wanted numbers, words, lists or mappings")
    return plain_scalars(value)


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
