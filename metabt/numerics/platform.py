"""Platform: what, besides code and versions, decides the last bits of the same arithmetic.

1. the processor and the features for which numba compiles
2. the features that NumPy was built for, and those it has found to pick its loops by
3. NumPy's BLAS: its version and the kernel it has picked
4. Python's minor version, whose bytecode numba compiles

Threads are pinned to one: with more of them sums are split in other places.
"""

from __future__ import annotations

import platform
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Protocol

import numpy as np
from llvmlite import binding
from numba.core import config
from threadpoolctl import OpenBLASController, ThreadpoolController, threadpool_info

from metabt.numerics.kernels import compiler_flags

_BRING_BLAS = {"numpy", "scipy.linalg", "sklearn", "torch"}
"""Modules that load a numeric library with threads of its own."""


@cache
def numeric_platform() -> dict[str, object]:
    """Return what the bits of results depend on beyond code and versions, as plain values."""
    blas = [
        {name: library.get(name) for name in ("internal_api", "version", "architecture", "threading_layer")}
        for library in threadpool_info()
        # SciPy brings a BLAS of its own, which is loaded or not as chance will have it and not used by any kernel
        if library["user_api"] == "blas" and "scipy.libs" not in str(library["filepath"])
    ]
    compiler, numpy = vars(config), np.show_config(mode="dicts")
    loops = numpy["SIMD Extensions"]
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "machine": platform.machine(),
        "system": platform.system(),
        "compiled_for": compiler["CPU_NAME"] or binding.get_host_cpu_name(),
        "compiler_features": compiler["CPU_FEATURES"] or binding.get_host_cpu_features().flatten(),
        "compiler_flags": compiler_flags(),
        # NumPy leaves out a list that is empty
        "numpy_features": sorted({*loops.get("baseline", ()), *loops.get("found", ())}),
        "numpy_build": numpy["Build Dependencies"]["blas"]["name"],
        "blas": sorted(blas, key=str),
    }


@contextmanager
def one_thread() -> Iterator[None]:
    """Within the block, limit numeric libraries to one thread, so that sums are never split.

    BLAS has one number of threads for the whole process: blocks that overlap, in one thread or in several, are counted,
    and the last to end gives back what there was before the first. OpenMP has one for each thread that calls it.
    """
    libraries = _controller(frozenset(_BRING_BLAS & sys.modules.keys()))
    _blas.enter(libraries)
    try:
        with libraries.select(user_api="openmp").limit(limits=1):
            yield
    finally:
        _blas.leave()


class _SharedLimit:
    """The limit of one thread on BLAS that all blocks of a process share."""

    def __init__(self) -> None:
        self._lock, self._blocks = threading.Lock(), 0
        self._limits: dict[int, _Limit] = {}

    def enter(self, libraries: ThreadpoolController) -> None:
        """Count one more block; limit the libraries that no block before it has limited."""
        with self._lock:
            self._blocks += 1
            if id(libraries) not in self._limits:
                _unclaim()
                self._limits[id(libraries)] = libraries.select(user_api="blas").limit(limits=1)

    def leave(self) -> None:
        """Count one block less; after the last give back what there was, the last limit first."""
        with self._lock:
            self._blocks -= 1
            while self._limits and not self._blocks:
                _unclaim()
                self._limits.popitem()[1].restore_original_limits()


def _unclaim() -> None:
    """Let this thread change OpenBLAS: from 3.8 on threadpoolctl ignores all but the thread that did so first."""
    clear = getattr(OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


class _Limit(Protocol):
    def restore_original_limits(self) -> None: ...


@cache
def _controller(_loaded: frozenset[str]) -> ThreadpoolController:
    """Return a controller of the libraries that are loaded now; finding them takes milliseconds, so it is kept."""
    return ThreadpoolController()


_blas = _SharedLimit()
