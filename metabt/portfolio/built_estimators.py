"""Built estimators: the optimizers and selectors that sleeves name, each built once in a process and shared."""

from __future__ import annotations

from metabt.estimators import registry
from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.selectors.base import Selector
from metabt.portfolio.handed_over import HandedOver
from metabt.portfolio.sleeve import Estimator

_optimizers: dict[str, Optimizer] = {}
_selectors: dict[str, Selector] = {}
_bounded: dict[tuple[str, float, float], Estimator] = {}


def build_optimizer(estimator: Estimator) -> Optimizer:
    """Return the optimizer of that name and those parameters; the same object for equal ones.

    Raises
    ------
    ConfigError
        For an unknown name or parameter, or a parameter of the wrong type or range.
    """
    if isinstance(estimator, HandedOver):
        return estimator.optimizer
    key = estimator.digest
    found = _optimizers.get(key)
    return found or _optimizers.setdefault(key, registry.optimizer(estimator.name, **estimator.params))


def build_selector(estimator: Estimator) -> Selector:
    """Return the selector of that name and those parameters; the same object for equal ones.

    Raises
    ------
    ConfigError
        For an unknown name or parameter, or a parameter of the wrong type or range.
    """
    if isinstance(estimator, HandedOver):
        return estimator.selector
    key = estimator.digest
    found = _selectors.get(key)
    return found or _selectors.setdefault(key, registry.selector(estimator.name, **estimator.params))


def bounded(estimator: Estimator, by: Optimizer) -> Estimator:
    """Return `estimator` with the bounds of the optimizer `by`, where it states none of its own.

    Only those that bind are stated: a plug-in need not know of others.
    """
    if isinstance(estimator, HandedOver):
        return estimator.within(by.min_weight, by.max_weight)
    key = (estimator.digest, by.min_weight, by.max_weight)
    if key not in _bounded:
        lowest = {"min_weight": by.min_weight} if by.min_weight > 0.0 else {}
        bounds = lowest | ({"max_weight": by.max_weight} if by.max_weight < 1.0 else {})
        _bounded[key] = Estimator(estimator.name, {**bounds, **estimator.params})
    return _bounded[key]
