"""Arguments: what callers of the public functions state, taken as what it is, or refused with what was wanted.

NumPy's scalars and texts are as good as Python's; a date may be text, a date, a Timestamp or a datetime64.
"""

from __future__ import annotations

import datetime
import math
import os
import reprlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from metabt.errors import ConfigError

NO_SCALAR = object()
"""What `scalar` returns for a sequence, a mapping or an object."""
OTHERS = {
    "engine": "wanted 'auto', 'local', 'ray' or an executor such as metabt.Ray(workers=4)",
    "executor": "wanted an executor such as metabt.Ray(workers=4), or None for this process",
    "cache": "wanted a cache such as metabt.MemoryCache(), or None",
    "progress": "wanted a function of (done, blocks, last), or None",
    "function": "wanted a function of a Sheet that returns a Sheet",
}
"""Argument that is an object -> what it takes."""


def shown(value: object) -> str:
    """Return a value for a message: its type and the beginning of its text, on one line."""
    text = " ".join(reprlib.repr(value).split())
    kind = "" if value is None or text.startswith(type(value).__name__) else f"{type(value).__name__} "
    return kind + (text if len(text) <= 60 else text[:57] + "...")


def scalar(who: str, value: Any) -> Any:
    """Return a scalar as Python's own and a date as ISO text; NO_SCALAR for what is none.

    Raises
    ------
    ConfigError
        For NaT.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, datetime.date | np.datetime64):
        text = str(value.astype("datetime64[D]")) if isinstance(value, np.datetime64) else value.isoformat()[:10]
        if text == "NaT":
            raise ConfigError(f"{who} is NaT, wanted a date such as 2000-01-31")
        return text
    if value is None or isinstance(value, np.timedelta64):
        return value if value is None else NO_SCALAR
    for kinds, own in (((bool, np.bool_), bool), (str, str.__str__), ((int, np.integer), int)):
        if isinstance(value, kinds):
            return own(value)
    return float(value) if isinstance(value, float | np.floating) else NO_SCALAR


def day(who: str, value: Any) -> str | None:
    """Return a date, or a text that may be one, as text; None for None.

    Raises
    ------
    ConfigError
        For anything else, such as a number, NaT or empty text.
    """
    found = scalar(who, value)
    if value is not None and (not isinstance(found, str) or not found):
        raise ConfigError(f"{who} is {shown(value)}, wanted a date such as 2000-01-31, or None")
    return found


def word(who: str, value: Any, *, needed: bool = False) -> Any:
    """Return text, and None for None unless it is `needed`; ConfigError for anything else, empty text included."""
    if value is None and not needed:
        return None
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{who} is {shown(value)}, wanted text{'' if needed else ', or None'}")
    return str.__str__(value)


def flag(who: str, value: Any) -> bool | None:
    """Return True, False or None; ConfigError for anything else, 0 and 1 included."""
    if value is None or isinstance(value, bool | np.bool_):
        return None if value is None else bool(value)
    raise ConfigError(f"{who} is {shown(value)}, wanted True, False or None")


def whole(who: str, value: Any, least: int, most: int = 1_000_000) -> int:
    """Return a whole number from `least` to `most`; ConfigError for anything else."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise ConfigError(f"{who} is {shown(value)}, wanted a whole number from {least} to {most:,}")
    return int(value)


def between(who: str, value: Any, low: float, high: float) -> float:
    """Return a number strictly between two others; ConfigError for anything else."""
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not real or not math.isfinite(value) or not low < value < high:
        raise ConfigError(f"{who} is {shown(value)}, wanted a number above {low:g} and below {high:g}")
    return float(value)


def names(who: str, value: Any) -> tuple[str, ...]:
    """Return texts, each once, in their order; a single text is one name. ConfigError for anything else."""
    if isinstance(value, str):
        return (str.__str__(value),)
    if not isinstance(value, Iterable) or isinstance(value, bytes | Iterator):
        raise ConfigError(f"{who} is {shown(value)}, wanted texts such as ['A', 'B']")
    found = list(value)
    for item in found:
        if not isinstance(item, str):
            raise ConfigError(f"{who} has {shown(item)}, wanted texts such as ['A', 'B']")
    return tuple(dict.fromkeys(map(str.__str__, found)))


def location(who: str, value: Any) -> Any:
    """Return a path as it is; ConfigError for what is neither text nor a path, or is empty."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ConfigError(f"{who} is {shown(value)}, wanted a path")
    return value


def port(who: str, value: Any, *methods: str) -> Any:
    """Return an object that has all these methods, or None but for a function, as it is; else raise ConfigError."""
    missing = [name for name in methods if not hasattr(value, name)]
    if (value is not None or who == "function") and (missing or (isinstance(value, type) and methods != ("__call__",))):
        raise ConfigError(f"{who} is {shown(value)}; {OTHERS[who]}")
    return value
