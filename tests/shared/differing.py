"""Differing: every array in which two values made of arrays are not the same to the bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from metabt.walk.followed_rows import FollowedRows
from metabt.walk.stacked_arrays import StackedArrays


def differing(one: object, other: object, where: str) -> Iterator[str]:
    """Yield where two values differ by a bit."""
    one, other = (np.asarray(it) if isinstance(it, StackedArrays | FollowedRows) else it for it in (one, other))
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        if (one.dtype, one.shape, one.tobytes()) != (other.dtype, other.shape, other.tobytes()):
            yield where
    elif hasattr(one, "__dataclass_fields__") and type(one) is type(other):
        for f in fields(one):
            yield from differing(getattr(one, f.name), getattr(other, f.name), f"{where}.{f.name}")
    elif one != other:
        yield f"{where}: {one!r}, {other!r}"
