"""The cache in an object store: the twin of a lakehouse's own, for machines that share no disk.

Nobody can be kept out of an object store: two machines may compute the same block at the same time. The bytes are the
same, one of the packs holds them or both, and what was done twice is counted as `lost` where it is noticed.
"""

from __future__ import annotations

from metabt.build.cache.bucket.connection import Connection
from metabt.build.cache.bucket.probe import require_conditional_puts
from metabt.build.cache.bucket.shelf import BucketShelf
from metabt.build.cache.disk import StoredCache
from metabt.build.cache.object_store import ObjectStore
from metabt.values.bucket_address import Server, parse_address


class BucketCache(StoredCache):
    """Remembers blocks in an object store of S3's protocol.

    Credentials are found by AWS' own chain: environment, files, the pod's or the machine's identity. They are stored
    nowhere, and a worker to which the cache is sent finds its own.

    Parameters
    ----------
    address : str
        Where, such as ``s3://research/cache``; the bucket must be there.
    endpoint : str, optional
        Address of the server, such as ``https://s3.example:9000``; None is AWS' own, or what its environment and files
        name.
    region : str, optional
        Region that requests are signed for; None is what AWS' environment and files name, else us-east-1.

    Raises
    ------
    ConfigError
        For another address than s3://BUCKET/PREFIX, and for an endpoint or a region that is none.
    StoreError
        For a server that lets two writers have one name, or cannot be reached.
    """

    def __init__(self, address: str, endpoint: str | None = None, region: str | None = None) -> None:
        self.address, self.server = parse_address(address, "cache"), Server(endpoint, region)
        connection = Connection(self.server, self.address.bucket)
        require_conditional_puts(connection, self.address)
        super().__init__(ObjectStore(BucketShelf(connection, self.address)))

    def __reduce__(self) -> tuple[type[BucketCache], tuple[str, str | None, str | None]]:
        """Pickle as the address alone: whoever unpickles it has credentials of its own."""
        return BucketCache, (str(self.address), self.server.endpoint, self.server.region)

    def __repr__(self) -> str:
        return f"BucketCache({str(self.address)!r})"
