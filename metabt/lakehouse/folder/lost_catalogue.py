"""A lost catalogue is never replaced: files without one are what is left of a lakehouse, whose runs a new one forgets.

1. `remains` finds files in the folders that only a lakehouse fills: of data, and of cached blocks.
2. `lost` is what is said then: what was found, and the cure.
"""

from __future__ import annotations

import os
from pathlib import Path

from metabt.errors import StoreError

DATA = "data"
"""Directory of the Parquet files inside a lakehouse."""
CACHE = ".cache"
"""Directory of the cached blocks inside a lakehouse."""

ABSENT = "creating a new DuckLake is explicitly disabled"
"""What DuckLake says where a catalogue holds nothing, and none may be made."""


def remains(root: Path) -> Path | None:
    """Return a folder of the lakehouse at `root` that holds files; None where there is none."""
    places = (root / DATA, root / CACHE)
    return next((place for place in places if any(names for _, _, names in os.walk(place))), None)


def lost(root: Path, place: Path, catalogue: str) -> StoreError:
    """Return the error for a lakehouse of which `place` holds files, and `catalogue` nothing."""
    return StoreError(
        f"lakehouse '{root}' has lost its catalogue: '{place}' holds files, but {catalogue} holds none; nothing was "
        f"changed, for a new catalogue would forget every run. Restore it from a copy, or name another path; to begin "
        f"anew, move '{place}' away"
    )
