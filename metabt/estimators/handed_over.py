"""Handed over: optimizers and selectors from an object or a class that Python hands over instead of a name.

1. metabt's own are taken as they are.
2. skfolio's are fitted as those that are named are (metabt.estimators.plugins.skfolio).
3. Any other must have `fit(X)`; every window is fitted by a fresh copy of the object, or a fresh one of the class.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

from metabt.errors import ConfigError
from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.optimizers.fitted import FittedOptimizer, fitted_optimizer
from metabt.estimators.parameters import checked_parameters
from metabt.estimators.selectors.base import Selector
from metabt.estimators.selectors.fitted import FittedSelector


def optimizer_of(who: str, made: Any, params: Mapping[str, Any]) -> Optimizer:
    """Return the optimizer that an object or a class is; messages begin with `who`.

    Parameters
    ----------
    made : an Optimizer or its class, or anything with `fit(X)` that leaves `weights_`, or its class
    params : parameters of the class

    Raises
    ------
    ConfigError
        For what has no `fit`, or parameters that the class does not take.
    """
    _check_fits(who, made, "weights_")
    if inspect.isclass(made) and issubclass(made, Optimizer) or _of_skfolio(made):
        made = _built(who, made, params)
    if isinstance(made, Optimizer):
        return made
    if _of_skfolio(made):
        from metabt.estimators.plugins.skfolio import optimizer_like

        return optimizer_like(made)
    if inspect.isclass(made):
        return fitted_optimizer(who, made, params)
    return FittedOptimizer(lambda: copy.deepcopy(made), needs_variance=_needs_variance(made))


def selector_of(who: str, made: Any, params: Mapping[str, Any]) -> Selector:
    """Return the selector that an object or a class is; messages begin with `who`.

    Parameters
    ----------
    made : a Selector or its class, or anything with `fit(X)` and `get_support()`, or its class
    params : parameters of the class

    Raises
    ------
    ConfigError
        For what has no `fit` or no `get_support`, or parameters that the class does not take.
    """
    _check_fits(who, made, "get_support()")
    if not callable(getattr(made, "get_support", None)):
        raise ConfigError(f"{who} has no get_support(), wanted a selector: fit(X), then get_support() of True or False")
    if inspect.isclass(made) and issubclass(made, Selector):
        made = _built(who, made, params)
    if isinstance(made, Selector):
        return made
    if inspect.isclass(made):
        _built(who, made, params)  # what its constructor refuses is said before anything is walked
        return FittedSelector(lambda: _built(who, made, params), needs_variance=_needs_variance(made))
    return FittedSelector(lambda: copy.deepcopy(made), needs_variance=_needs_variance(made))


def _check_fits(who: str, made: Any, leaves: str) -> None:
    if not callable(getattr(made, "fit", None)):
        raise ConfigError(f"{who} has no fit(X), wanted an object or a class with fit(X) that leaves {leaves}")


def _needs_variance(made: Any) -> bool:
    """Return whether a foreign estimator measures risk: it is taken to, unless it says otherwise."""
    return bool(getattr(made, "needs_variance", True))


def _of_skfolio(made: Any) -> bool:
    kind = made if inspect.isclass(made) else type(made)
    return any(base.__module__.partition(".")[0] == "skfolio" for base in kind.__mro__)


def _built(who: str, made: Any, params: Mapping[str, Any]) -> Any:
    return made(**checked_parameters(who, made, params)) if inspect.isclass(made) else made
