"""How kernels are compiled: to a cache on disk, without the interpreter's lock, dividing as IEEE 754 does.

`kernel` marks what Python calls; it allocates nothing, so that no code for counting references is compiled. `inner`
marks what only kernels call: it has no wrapper for Python, and no cache of its own, since the kernel's contains it.
numba compiles an `inner` anew for every literal number among its arguments: pass `np.int64(0)`, not 0.

`FAST` lets a sum change its order to use vector registers: the same machine code then sums every window, so bits depend
on the data alone.
"""

from __future__ import annotations

from functools import partial

from numba import njit

FAST = {"reassoc", "contract"}
"""What may be done to sums; not-a-number, infinities and signed zeros keep their meaning."""

kernel = partial(njit, cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True, _nrt=False)
inner = partial(kernel, no_cpython_wrapper=True, cache=False)
