"""A lost catalogue is never replaced: files without one are what is left of a lakehouse, whose runs a new one forgets.

1. `remains` finds files in the folders that only a lakehouse fills: of data, and of cached blocks.
2. `lost` is what is said then: what was found, and the cure.
"""

from __future__ import annotations

from metabt.errors import StoreError
from metabt.lakehouse.storage.place import storage_of
from metabt.lakehouse.storage.port import Root

DATA = "data"
"""Directory of the Parquet files inside a lakehouse."""
CACHE = ".cache"
"""Directory of the cached blocks inside a lakehouse."""

ABSENT = "creating a new DuckLake is explicitly disabled"
"""What DuckLake says where a catalogue holds nothing, and none may be made."""


def remains(root: Root) -> Root | None:
    """Return a folder of the lakehouse at `root` that holds files; None where there is none."""
    return next((root / name for name in (DATA, CACHE) if any(storage_of(root / name).names())), None)


def lost(root: Root, place: Root, catalogue: str) -> StoreError:
    """Return the error for a lakehouse of which `place` holds files, and `catalogue` nothing."""
    return StoreError(
        f"lakehouse '{root}' has lost its catalogue: '{place}' holds files, but {catalogue} holds none; nothing was "
        f"changed, for a new catalogue would forget every run. Restore it from a copy, or name another path; to begin "
        f"anew, move '{place}' away"
    )
