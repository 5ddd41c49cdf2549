"""The cache in an object store: the twin of a lakehouse's own, for machines that share no disk.

Nobody can be kept out of an object store: two machines may compute the same block at the same time. The bytes are the
same, one of the packs holds them or both, and what was done twice is counted as `lost` where it is noticed.
"""

from __future__ import annotations

from metabt.build.cache.bucket.address import Server, parse_address
from metabt.build.cache.bucket.connection import Connection
from metabt.build.cache.bucket.probe import require_conditional_puts
from metabt.build.cache.bucket.shelf import BucketShelf
from metabt.build.cache.disk import StoredCache
from metabt.build.cache.object_store import ObjectStore


class BucketCache(StoredCache):
    """Remembers blocks below an address such as s3://research/cache."""

    def __init__(self, address: str, server: Server | None = None) -> None:
        """Connect, with the credentials that AWS' own chain finds, and see that the server heeds conditions.

        Raises
        ------
        ConfigError
            For another address than s3://BUCKET/PREFIX.
        StoreError
            For a server that lets two writers have one name, or cannot be reached.
        """
        self.address, self.server = parse_address(address, "cache"), server or Server()
        connection = Connection(self.server, self.address.bucket)
        require_conditional_puts(connection, self.address)
        super().__init__(ObjectStore(BucketShelf(connection, self.address)))

    def __reduce__(self) -> tuple[type[BucketCache], tuple[str, Server]]:
        """Pickle as the address alone: whoever unpickles it has credentials of its own."""
        return BucketCache, (str(self.address), self.server)
