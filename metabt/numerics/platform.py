"""Platform: what, besides code and versions, decides the last bits of the same arithmetic.

1. the processor and the features for which numba compiles
2. the features that NumPy was built for, and those it has found to pick its loops by
3. NumPy's BLAS: its version and the kernel it has picked

Threads are pinned to one: with more of them sums are split in other places.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

import numpy as np
from llvmlite import binding
from numba.core import config
from threadpoolctl import ThreadpoolController, threadpool_info

from metabt.numerics.kernels import compiler_flags

_BRING_BLAS = {"numpy", "scipy.linalg", "sklearn", "torch"}
"""Modules that load a numeric library with threads of its own."""
_pinned: ContextVar[bool] = ContextVar("pinned", default=False)
"""Whether a caller further up has limited threads to one already."""


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
    """Within the block, limit numeric libraries to one thread, so that sums are never split."""
    if _pinned.get():
        yield
        return
    token = _pinned.set(True)
    try:
        with _controller(frozenset(_BRING_BLAS & sys.modules.keys())).limit(limits=1):
            yield
    finally:
        _pinned.reset(token)


@cache
def _controller(_loaded: frozenset[str]) -> ThreadpoolController:
    """Return a controller of the libraries that are loaded now; finding them takes milliseconds, so it is kept."""
    return ThreadpoolController()
