"""Arrays as the kernels of moments take them: contiguous, of one type, work arrays aligned."""

from __future__ import annotations

import math
from itertools import accumulate

import numpy as np

from metabt.numerics.vectors import LANES


def aligned(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Return float64 arrays of these shapes, not filled, whose vectors never lie across two cache lines."""
    sizes = [math.prod(shape) for shape in shapes]
    room = np.empty(sum(sizes) + LANES)
    ends = list(accumulate(sizes, initial=-room.__array_interface__["data"][0] // room.itemsize % LANES))
    return [room[ends[k] : ends[k + 1]].reshape(shape) for k, shape in enumerate(shapes)]


def matrix(returns: np.ndarray) -> np.ndarray:
    """Return a matrix of returns as kernels take it: contiguous float64, read-only; copied only if need be."""
    return _read_only(np.ascontiguousarray(returns, dtype=np.float64))


def index(rows: np.ndarray) -> np.ndarray:
    """Return positions or numbers of rows as kernels take them: contiguous int64, read-only; copied only if need be."""
    return _read_only(np.ascontiguousarray(rows, dtype=np.int64))


def _read_only(array: np.ndarray) -> np.ndarray:
    """Return a read-only view: a writeable array is another type to numba, and would be compiled for again."""
    view = array.view()
    view.flags.writeable = False
    return view
