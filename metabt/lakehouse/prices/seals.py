"""Seals: digests over digests, so that what is known of a dataset is whole, and as ingestion left it.

1. A cell's digest covers what a symbol observed in a partition, in one field (metabt.data.prices).
2. A symbol's row in `symbols` has one digest of all its cells of close and volume, `inputs`, and one of those of open,
   high and low, `bars`.
3. A dataset's row in `datasets` has `contents`, a digest of its rows in `symbols`; `calendar`, a digest of its
   sessions; `tables`, the digests of what is dated beside its prices (metabt.lakehouse.point_in_time); and `digest`, of
   the row itself.

A cell that is missing, old or wrong shows in the row above it, and that row in its own digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from metabt.values.digests import array_digest, joint_digest

INPUTS = ("close", "volume")
"""Fields that keys of blocks are made of."""
BARS = ("open", "high", "low")
"""Fields that only SQL reads."""
ROW = (
    *("dataset", "closed", "panel", "adjusted", "returns", "tables"),
    *("symbols", "sessions", "first_date", "last_date", "calendar", "contents"),
)
"""Columns of `datasets` that its column `digest` covers."""

Seals = Mapping[str, tuple[str, str]]
"""Symbol -> its `inputs` and `bars`."""


def cells_seal(cells: Iterable[tuple[str, str, str]]) -> str:
    """Return one digest of a symbol's cells: partition, field, digest; in any order."""
    # none of the three has a blank in it, and there are many
    return hashlib.sha256("\n".join(map(" ".join, sorted(cells))).encode()).hexdigest()


def contents_seal(symbols: Seals) -> str:
    """Return one digest of a dataset's symbols and their seals."""
    return joint_digest([text for symbol in sorted(symbols) for text in (symbol, *symbols[symbol])])


def calendar_seal(dates: np.ndarray) -> str:
    """Return one digest of a dataset's sessions, (n_sessions,) datetime64[D]."""
    return array_digest(dates.astype("datetime64[D]").astype(np.int64))


def row_seal(row: Mapping[str, object], columns: Sequence[str] = ROW) -> str:
    """Return one digest of some columns of a row."""
    return joint_digest([str(row[column]) for column in columns])
