"""How kernels are compiled: to a cache on disk, without the interpreter's lock, dividing as IEEE 754 does.

`kernel` marks what Python calls. `inner` marks what only kernels call: without the wrappers that Python would need it
compiles in half the time. `FAST` lets a sum change its order to use vector registers: the same machine code then
sums every window, so bits depend on the data alone.
"""

from __future__ import annotations

from functools import partial

from numba import njit

FAST = {"reassoc", "contract"}
"""What may be done to sums; not-a-number, infinities and signed zeros keep their meaning."""

kernel = partial(njit, cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True)
inner = partial(kernel, no_cpython_wrapper=True)
