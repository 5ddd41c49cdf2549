"""Scalars: numbers as people hand them over, from Python, a file or NumPy, as Python's own.

1. A whole number is whatever counts as an index; a number is whatever is real. A truth value is neither.
2. NumPy's scalars in plain values become Python's: what is written down and hashed has no others.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np


def whole(value: object) -> int | None:
    """Return a whole number as int; None for anything else, truth values and 1.0 among it."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]  # asked of anything
    except TypeError:
        return None


def number(value: object) -> float | None:
    """Return a real number as float; None for anything else, truth values and texts among it."""
    count = whole(value)
    if count is not None:
        return float(count)
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else None


def plain_scalars(value: Any) -> Any:
    """Return plain values with Python's scalars in place of NumPy's, within mappings too; sequences become lists."""
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64 | np.timedelta64):
        return value.item()
    if isinstance(value, Mapping):
        return {key: plain_scalars(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_scalars(item) for item in value]
    return value
