"""Kernel time: what of metabt's time passes in compiled kernels, by what they do, and what is left beside them.

One more run under the profiler, which sees a compiled kernel by the file and line of its Python text. It slows Python
down, not kernels: only their seconds are taken from it.
"""

from __future__ import annotations

import cProfile
import pstats
import sys
from time import process_time

from numba.core.dispatcher import Dispatcher

from benchmarks.engine_time import run_engine
from benchmarks.works import Work

KINDS = {
    "metabt.estimators.moments.risk_by_asset": "risk shares",
    "metabt.estimators.moments.risk_contribution": "risk shares",
    "metabt.estimators.moments": "moments",
    "metabt.estimators.windows": "moments",
    "metabt.estimators.selectors": "select",
    "metabt.estimators.optimizers": "solve",
    "metabt.estimators.clustering": "solve",
    "metabt.walk.holdings": "hold",
    "metabt.walk.meta": "flatten",
    "metabt": "other",
}
"""Modules, or what they begin with -> what their kernels do; the first that fits."""


def kernel_seconds(work: Work) -> dict[str, float]:
    """Return CPU seconds in kernels, by kind."""
    profile = cProfile.Profile(process_time)
    profile.enable()
    run_engine(work)
    profile.disable()
    kernels, seconds = _kernels(), dict.fromkeys(KINDS.values(), 0.0)
    for (file, line, _), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        if (file, line) in kernels:
            seconds[kernels[file, line]] += own
    return seconds


def _kernels() -> dict[tuple[str, int], str]:
    """Return (file, first line) -> kind of every kernel that is loaded."""
    found: dict[tuple[str, int], str] = {}
    for name, module in list(sys.modules.items()):
        kind = next((it for prefix, it in KINDS.items() if f"{name}.".startswith(f"{prefix}.")), None)
        for kernel in vars(module).values() if kind else ():
            if isinstance(kernel, Dispatcher) and kernel.py_func.__module__ == name:  # not one that it imports
                code = kernel.py_func.__code__
                found[code.co_filename, code.co_firstlineno] = str(kind)
    return found
