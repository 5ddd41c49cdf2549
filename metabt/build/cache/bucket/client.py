"""The client of a server of S3's protocol, and how others get in as it does.

Where an address of a server is stated, buckets are named in the path of a request: a server of one's own seldom has a
host's name for each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from metabt.errors import StoreError
from metabt.values.bucket_address import Server

CONNECT, TIMEOUT = 5.0, 30.0
"""Seconds within which a connection must stand, and within which some bytes must come."""
CONNECTIONS = 32
"""Connections that are kept open."""
AWS = (".amazonaws.com", ".amazonaws.com.cn")
"""How the names of AWS' own servers end."""


class Client(NamedTuple):
    """A client, and the session that it has its credentials from."""

    s3: Any
    """What sends requests."""
    session: Any
    """What finds credentials, and renews them."""


@dataclass(frozen=True)
class Access:
    """How a client gets in; what is secret is not shown."""

    key_id: str = field(repr=False)
    """Name of the key that requests are signed with."""
    secret: str = field(repr=False)
    """The key."""
    token: str | None = field(repr=False)
    """What goes with a key that lasts for a time; None with one that stays."""
    endpoint: str | None
    """Address of the server; None is AWS'."""
    region: str
    """Region that requests are signed for."""
    in_path: bool
    """Whether a bucket is named in the path of a request, and not in the server's name."""


def connected(server: Server) -> Client:
    """Return a client of a server; what AWS' environment and files say holds where the server does not.

    Raises
    ------
    StoreError
        When botocore is not installed.
    """
    try:
        from botocore import session
    except ModuleNotFoundError as error:
        raise StoreError(
            "an object store needs the package botocore, which is not installed; pip install 'metabt[s3]'"
        ) from error
    found = session.get_session()
    addressing = found.get_scoped_config().get("s3", {}).get("addressing_style") if _has_profile(found) else None
    client = _made(found, server, addressing or "auto")
    if addressing is None and not _is_aws(client):
        client = _made(found, server, "path")
    return Client(client, found)


def access_of(client: Client) -> Access:
    """Return how another client gets in as this one does, for as long as its credentials last.

    Raises
    ------
    BotoCoreError
        When there are no credentials, or they cannot be renewed.
    """
    from botocore.exceptions import NoCredentialsError

    found = client.session.get_credentials()
    if found is None:
        raise NoCredentialsError
    key = found.get_frozen_credentials()
    meta = client.s3.meta
    return Access(
        key_id=key.access_key,
        secret=key.secret_key,
        token=key.token,
        endpoint=None if _is_aws(client.s3) else str(meta.endpoint_url),
        region=str(meta.region_name),
        in_path=meta.config.s3.get("addressing_style") == "path",
    )


def _made(session: Any, server: Server, addressing: str) -> Any:
    from botocore import config

    settings = config.Config(
        connect_timeout=CONNECT,
        read_timeout=TIMEOUT,
        max_pool_connections=CONNECTIONS,
        # requests are repeated by the connection, where it is known what a lost answer means
        retries={"total_max_attempts": 1, "mode": "standard"},
        # what is stored has digests of its own, and not every server knows these
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": addressing},
    )
    region = server.region or session.get_config_variable("region") or "us-east-1"
    return session.create_client("s3", endpoint_url=server.endpoint, region_name=region, config=settings)


def _is_aws(client: Any) -> bool:
    host = urlsplit(str(client.meta.endpoint_url)).hostname or ""
    return host.endswith(AWS)


def _has_profile(session: Any) -> bool:
    profile = session.get_config_variable("profile")
    return profile is None or profile in session.available_profiles
