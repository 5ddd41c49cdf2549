"""How kernels are compiled: to a cache on disk, without the interpreter's lock, dividing as IEEE 754 does.

`kernel` marks what Python calls; it allocates nothing, so that no code for counting references is compiled. `inner`
marks what only kernels call: it has no wrapper for Python, and no cache of its own, since the kernel's contains it.
numba compiles an `inner` anew for every literal number among its arguments: pass `np.int64(0)`, not 0.

numba would run a stored kernel although an `inner` in another file, or a flag of the compiler, has changed since. So
machine code is stored apart for each state of the files that hold kernels, and of the flags.

`FAST` lets a sum change its order to use vector registers: the same machine code then sums every window, so bits depend
on the data alone.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import config

FAST = {"reassoc", "contract"}
"""What may be done to sums; not-a-number, infinities and signed zeros keep their meaning."""

FLAGS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "ENABLE_AVX", "DISABLE_JIT", "BOUNDSCHECK", "USING_SVML")
"""Settings of the compiler that can change a bit of a result."""

PACKAGE = Path(__file__).parent


def compiler_flags() -> dict[str, str]:
    """Return the settings of the compiler that can change a bit of a result."""
    return {name: str(vars(config)[name]) for name in FLAGS}


@cache
def store() -> str:
    """Return the directory of machine code made from the present kernels under the present flags."""
    total = hashlib.sha256(repr(compiler_flags()).encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_bytes()
        if b"metabt.kernels" in source:
            total.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + source + b"\0")
    return str(_writable() / f"metabt-kernels-{total.hexdigest()[:16]}")


def _writable() -> Path:
    """Return where machine code may be stored: where numba is told to, beside the package, or in the user's cache."""
    if vars(config)["CACHE_DIR"]:
        return Path(vars(config)["CACHE_DIR"])
    beside = PACKAGE / "__pycache__"
    try:
        beside.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=beside):
            return beside
    except OSError:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _stored(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return `njit` with its store set while it decorates: kernels of others keep theirs."""

    def decorate(function: Callable[..., Any]) -> Any:
        before = vars(config)["CACHE_DIR"]
        vars(config)["CACHE_DIR"] = store()
        try:
            return njit(**options)(function)
        finally:
            vars(config)["CACHE_DIR"] = before

    return decorate


kernel = partial(_stored, cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True, _nrt=False)
inner = partial(kernel, no_cpython_wrapper=True, cache=False)
