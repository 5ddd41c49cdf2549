"""Which storage a place is, and which place a text of DuckDB's names."""

from __future__ import annotations

from pathlib import Path

from metabt.lakehouse.storage.port import Root, Storage
from metabt.values.bucket_address import Address, scheme


def storage_of(place: Root) -> Storage:
    """Return the storage that a place is.

    >>> from pathlib import Path
    >>> storage_of(Path("/tmp")).beneath
    '/tmp/'
    """
    if isinstance(place, Path):
        from metabt.lakehouse.storage.local_folder import LocalFolder

        return LocalFolder(place)
    from metabt.lakehouse.storage.object_store import Prefix

    return Prefix(place)


def place_of(text: str) -> Root:
    """Return the place that DuckDB names so: a path, or s3://bucket/name."""
    if scheme(text) != "s3":
        return Path(text)
    bucket, _, name = text.partition("://")[2].partition("/")
    return Address(bucket, name.rstrip("/"))
