"""Parameters: what a configuration states for an estimator, checked against the signature of what builds it.

1. Every name is one of the signature's, and none that it requires is missing.
2. Every value is of the type stated there: whole numbers become floats where a float is wanted, and NumPy's numbers
   Python's; nothing else changes.
3. `Annotated[type, check]` adds a check: what `check(who, value)` returns is the value.
"""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import numpy as np

from metabt.errors import ConfigError, nearest
from metabt.values.scalars import number, whole


def checked_parameters(who: str, builder: Callable[..., Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return `params` as values of the types that the signature of `builder` states; messages begin with `who`.

    Raises
    ------
    ConfigError
        For a parameter that the signature lacks, a required one that is missing, or a value of another type.
    """
    signature = inspect.signature(builder)
    if any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        return dict(params)
    for key in params:
        if key not in signature.parameters:
            raise ConfigError(f"{who} has no parameter {key!r}{nearest(key, signature.parameters)}")
    for key, parameter in signature.parameters.items():
        if parameter.default is parameter.empty and key not in params:
            raise ConfigError(f"{who} needs the parameter {key!r}")
    hints = typing.get_type_hints(builder.__init__ if inspect.isclass(builder) else builder, include_extras=True)
    return {key: typed(f"{who}: {key}", value, hints.get(key, Any)) for key, value in params.items()}


def typed(who: str, value: Any, hint: Any) -> Any:
    """Return `value` as type `hint`: whole numbers become floats where a float is wanted, nothing else changes.

    Messages begin with `who`.

    Raises
    ------
    ConfigError
        If the value is of another type, not finite, or not among the choices.
    """
    origin, choices = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return choices[1](who, typed(who, value, choices[0]))
    if origin is Literal:
        if value not in choices:
            raise ConfigError(f"{who} is {value!r}; wanted one of {', '.join(choices)}{nearest(str(value), choices)}")
        return value
    if origin in (types.UnionType, typing.Union):
        return _one_of(who, value, choices)
    if origin in (dict, Mapping) or origin is getattr(typing, "Mapping", None):
        return _mapping(who, value, choices[1])
    return _plain(who, value, hint)


def _one_of(who: str, value: Any, choices: tuple[Any, ...]) -> Any:
    if value is None and type(None) in choices:
        return None
    errors = []
    for choice in choices:
        if choice is not type(None):
            try:
                return typed(who, value, choice)
            except ConfigError as error:
                errors.append(error)
    raise errors[-1]


def _mapping(who: str, value: Any, hint: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{who} is {value!r}; wanted a mapping")
    return {key: typed(f"{who}.{key}", item, hint) for key, item in value.items()}


def _plain(who: str, value: Any, hint: Any) -> Any:
    if hint is float and (real := number(value)) is not None and math.isfinite(real):
        return real
    if hint is int and (count := whole(value)) is not None:
        return count
    if hint is str and isinstance(value, str):
        return value
    if hint is bool and isinstance(value, bool | np.bool_):
        return bool(value)
    if hint not in (float, int, str, bool):
        return value
    wanted = {float: "a finite number", int: "a whole number", str: "a word", bool: "true or false"}[hint]
    raise ConfigError(f"{who} is {value!r}; wanted {wanted}")
