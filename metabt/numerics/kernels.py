"""How kernels are compiled: to a cache on disk, without the interpreter's lock, dividing as IEEE 754 does.

`kernel` marks what Python calls; it allocates nothing, so that no code for counting references is compiled. `inner`
marks what only kernels call: it has no wrapper for Python, and no cache of its own, since the kernel's contains it.
numba compiles an `inner` anew for every literal number among its arguments: pass `np.int64(0)`, not 0.

numba would run a stored kernel although an `inner` or a constant in another file, or a flag of the compiler, has
changed since. So machine code is stored apart for each state of the flags, of the files that hold kernels, and of all
that these import. And numba would import all that it can compile before it loads the first stored kernel, SciPy's
linear algebra with it: that waits here until there is something to compile (`MachineCode`). This takes private names of
numba's; where one is gone, kernels are loaded as numba does it, from the same place.

`FAST` lets a sum change its order to use vector registers: the same machine code then sums every window, so bits depend
on the data alone.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from llvmlite import binding
from numba import njit
from numba.core import config
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher
from numba.core.runtime import nrt

from metabt.values.source_files import ROOT, code_modules, module_files

FAST = {"reassoc", "contract"}
"""Liberties that the compiler takes with sums; not-a-number, infinities and signed zeros keep their meaning."""

FLAGS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "ENABLE_AVX", "DISABLE_JIT", "BOUNDSCHECK", "USING_SVML")
"""Settings of the compiler that can change a bit of a result."""

COMPILED: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True, "_nrt": False}
"""Options of numba that every kernel is compiled with."""

IMPORTED = f"from {__name__} import".encode()
"""What stands in a file that holds kernels."""


def compiler_flags() -> dict[str, str]:
    """Return the settings of the compiler that can change a bit of a result."""
    return {name: str(vars(config)[name]) for name in FLAGS}


@cache
def store() -> str:
    """Return the directory of machine code of the present kernels, compiled under the present flags."""
    total = hashlib.sha256(repr(compiler_flags()).encode())
    holders = [name for name, path in module_files().items() if IMPORTED in path.read_bytes()]
    for name, path in sorted(code_modules(*holders).items()):
        total.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return str(_writable() / f"metabt-kernels-{total.hexdigest()[:16]}")


def _writable() -> Path:
    """Return where machine code may be stored: NUMBA_CACHE_DIR, beside the package, or the user's cache."""
    if vars(config)["CACHE_DIR"]:
        return Path(vars(config)["CACHE_DIR"])
    beside = ROOT / "__pycache__"
    try:
        beside.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=beside):
            return beside
    except OSError:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


class MachineCode(FunctionCache):
    """Machine code of one kernel, which is loaded without what only compiling needs."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the kernel for these types of arguments; None if it has not been compiled yet."""
        _name_runtime()
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


@cache
def _name_runtime() -> None:
    """Tell LLVM where the functions lie that a kernel's wrapper calls, as numba does before it compiles."""
    for name, address in nrt._nrt.c_helpers.items():
        binding.add_symbol(name if name.startswith("_") else f"NRT_{name}", address)


def inner(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a function which only kernels call; `options` go to numba."""
    return _decorated({**COMPILED, "no_cpython_wrapper": True, **options}, stored=False)


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a function which Python calls, at its first call; `options` go to numba."""
    return _decorated({**COMPILED, **options}, stored=True)


def _decorated(options: dict[str, Any], stored: bool) -> Callable[[Callable[..., Any]], Any]:
    def decorate(function: Callable[..., Any]) -> Any:
        compiled: Any = njit(**options)(function)
        if stored and isinstance(compiled, Dispatcher):  # told not to compile, numba hands the function back
            with _storing():
                if _can_load_alone(compiled):
                    compiled._cache = MachineCode(function)  # type: ignore[attr-defined]  # as enable_caching sets it
                else:
                    compiled.enable_caching()
        return compiled

    return decorate


@contextmanager
def _storing() -> Iterator[None]:
    """Let numba store in the present store, whatever it is told of its own: functions of others keep theirs."""
    before = vars(config)["CACHE_DIR"]
    vars(config)["CACHE_DIR"] = store()
    try:
        yield
    finally:
        vars(config)["CACHE_DIR"] = before


def _can_load_alone(compiled: Dispatcher) -> bool:
    """Return whether numba has the private names that MachineCode is made of."""
    return (
        hasattr(FunctionCache, "_load_overload")
        and hasattr(FunctionCache, "_guard_against_spurious_io_errors")
        and hasattr(getattr(nrt, "_nrt", None), "c_helpers")
        and hasattr(compiled, "_cache")
    )
