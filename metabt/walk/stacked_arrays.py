"""Stacked arrays: arrays of consecutive partitions one below the other, left where they are.

A leaf's holdings are most of what its blocks hold, and of a walk that was found in the cache few rows of them are ever
read: those in which something trades. They are gathered from the partitions; nothing is copied before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from metabt.values.lazy_property import lazy_property


@dataclass(frozen=True)
class StackedArrays:
    """A matrix whose rows lie in several arrays."""

    parts: tuple[np.ndarray, ...]
    """(n_parts,) of (n_rows, n_columns), in time order."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the whole."""
        return int(self._firsts[-1]), self.parts[0].shape[1]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows at int64 positions that never decrease, (n_rows, n_columns)."""
        found = np.empty((len(rows), self.shape[1]), self.parts[0].dtype)
        cuts = np.searchsorted(rows, self._firsts)
        within, cuts = rows - np.repeat(self._firsts[:-1], np.diff(cuts)), cuts.tolist()
        for part, start, stop in zip(self.parts, cuts, cuts[1:], strict=False):
            if start < stop:
                # cut to their part, rows are within it; to have that checked again costs a copy
                part.take(within[start:stop], axis=0, out=found[start:stop], mode="clip")
        return found

    def stretch(self, first: int, stop: int) -> np.ndarray:
        """Return the rows from `first` up to the one before `stop`, (n_rows, n_columns)."""
        return self[np.arange(first, stop)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the whole as one array."""
        return np.concatenate(self.parts, dtype=dtype)

    @lazy_property
    def _firsts(self) -> np.ndarray:
        """(n_parts + 1,) row at which each part begins, and after the last."""
        return np.cumsum([0, *(len(part) for part in self.parts)])
