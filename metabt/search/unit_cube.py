"""Points of the unit cube, mapped to values key by key: drawn at random, or by Sobol's sequence.

Neither learns, so that what is told is left aside, and a point depends on the seed and on its place alone: not on the
batch, and not on the version of any library.

random : u = (the upper 53 of 64 bits of PCG64) / 2^53, whose stream NumPy guarantees.
sobol : the sequence of Sobol (1967) with the direction numbers of Joe and Kuo (2008), its first 30 bits shifted by
        XOR with bits drawn for each key. A digital shift keeps the balance of the points: of 2^m of them each of 2^m
        equal parts of a key's range has one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import qmc

from metabt.errors import ConfigError
from metabt.search.settings import Settings
from metabt.search.space import Point, Space

BITS = 30
"""Bits of a coordinate of Sobol's sequence; it repeats after 2^30 points."""
DIMENSIONS = qmc.Sobol.MAXDIM
"""Keys for which there are direction numbers."""


class UnitCube:
    """A sampler that does not learn."""

    library: str | None = None
    """Its points depend on no version."""

    def __init__(self, settings: Settings, space: Space) -> None:
        self._space, self._bits = space, np.random.PCG64(settings.seed)
        self._sequence = None if settings.sampler == "random" else _Shifted(self._bits, space)

    def ask(self, n: int) -> list[Point]:
        """Return the next `n` points."""
        us = self._drawn(n) if self._sequence is None else self._sequence.next(n)
        return [tuple(it.at(u) for it, u in zip(self._space.values(), row, strict=True)) for row in us.tolist()]

    def tell(self, values: Sequence[float | None]) -> None:
        """Leave aside what points were worth."""

    def _drawn(self, n: int) -> np.ndarray:
        raw = self._bits.random_raw(n * len(self._space))
        return (raw >> np.uint64(11)).reshape(n, -1) * 2.0**-53


class _Shifted:
    """Sobol's sequence, shifted."""

    def __init__(self, bits: np.random.PCG64, space: Space) -> None:
        if len(space) > DIMENSIONS:
            raise ConfigError(f"sweep.sampler=sobol takes {DIMENSIONS:,} keys, got {len(space):,}; take random")
        self._shift = bits.random_raw(len(space)) >> np.uint64(64 - BITS)
        self._points = qmc.Sobol(len(space), scramble=False, bits=BITS)
        self._next = 0

    def next(self, n: int) -> np.ndarray:
        """Return the next `n` points, (n, n_keys) in [0, 1)."""
        first, self._next = self._next, self._next + n
        self._points.reset()
        # SciPy warns unless a power of two is taken from the beginning on
        whole = self._points.random_base2(max(self._next - 1, 0).bit_length())[first : self._next]
        return ((whole * 2**BITS).astype(np.uint64) ^ self._shift) * 2.0**-BITS
