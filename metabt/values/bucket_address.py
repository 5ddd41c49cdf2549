"""Addresses of object stores: `s3://bucket/prefix`, and the server that has the bucket."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from metabt.errors import ConfigError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
_BUCKET = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PART = re.compile(r"[A-Za-z0-9_=+,.-]+")
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?|https?://\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?/?")
_REGION = re.compile(r"[a-z0-9-]+")

AZURE = "Azure's storage has a protocol of its own"
REFUSED = {
    "gs": "Google's storage states that a name must be free by another header than S3's",
    "gcs": "Google's storage states that a name must be free by another header than S3's",
    **dict.fromkeys(("az", "azure", "abfs", "abfss", "adl", "wasb", "wasbs"), AZURE),
    "http": "a web server stores nothing; the address of an object store's server is its `endpoint`",
    "https": "a web server stores nothing; the address of an object store's server is its `endpoint`",
    "hdfs": "HDFS has a protocol of its own",
    "s3a": "that is Hadoop's name for s3",
    "s3n": "that is Hadoop's name for s3",
    "file": "a folder is named by its path alone",
}
"""Kind of address -> why it is refused."""


@dataclass(frozen=True)
class Server:
    """The server of an object store; credentials are no part of it."""

    endpoint: str | None = None
    """Its address, such as https://s3.example:9000; None is AWS', or what its environment and files name."""
    region: str | None = None
    """Region that requests are signed for; None is what AWS' environment and files name, else us-east-1."""

    @classmethod
    def of_environment(cls) -> Server:
        """Return the server that AWS' environment names; where it names none, AWS' files may.

        Raises
        ------
        ConfigError
            When what it names is no address of a server, or no region.
        """
        found = os.environ
        ignored = found.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"
        endpoint = None if ignored else found.get("AWS_ENDPOINT_URL_S3") or found.get("AWS_ENDPOINT_URL")
        return cls(endpoint or None, found.get("AWS_REGION") or found.get("AWS_DEFAULT_REGION") or None)

    def __post_init__(self) -> None:
        # neither is shown: an address may hold a password by mistake
        if self.endpoint is not None and not _ENDPOINT.fullmatch(self.endpoint):
            raise ConfigError(
                "the endpoint is no address of a server; wanted http(s)://HOST or http(s)://HOST:PORT, "
                "without user, password, path or query; credentials come from AWS' own chain, such as AWS_ACCESS_KEY_ID"
            )
        if self.region is not None and not _REGION.fullmatch(self.region):
            raise ConfigError("the region is no region's name; wanted such as eu-central-1")


@dataclass(frozen=True)
class Address:
    """A prefix of a bucket."""

    bucket: str
    """Name of the bucket."""
    prefix: str = ""
    """What the names of all objects begin with, without a slash at its ends; empty for the whole bucket."""

    def __str__(self) -> str:
        """Return the address: s3://bucket/prefix."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def __truediv__(self, name: str) -> Address:
        """Return the address of what is below this one."""
        return Address(self.bucket, f"{self.prefix}/{name}".lstrip("/"))

    @property
    def name(self) -> str:
        """The last part of the prefix."""
        return self.prefix.rpartition("/")[2]

    @property
    def parent(self) -> Address:
        """The address of what this one is directly below."""
        return Address(self.bucket, self.prefix.rpartition("/")[0])


def scheme(text: str | Path) -> str | None:
    """Return the kind of an address, in lower case; None for a path.

    >>> scheme("s3://lake/team"), scheme("data/lakehouse")
    ('s3', None)
    """
    found = _SCHEME.match(str(text))
    return None if found is None else found[1].lower()


def parse_address(text: str | Path, what: str = "lakehouse") -> Address:
    """Return the address that a text states; `what` says in messages whose it is.

    A path that was made of an address is one too: it has kept one of two slashes.

    Raises
    ------
    ConfigError
        For another kind of address, and for names that a bucket or its objects cannot have.
    """
    kind = scheme(text)
    if kind != "s3":
        raise ConfigError(refusal(text, what) or f"{what} '{text}' is a path; wanted s3://BUCKET/PREFIX")
    rest = str(text)[len("s3:/") :].removeprefix("/")
    bucket, _, prefix = rest.partition("/")
    if "@" in rest or "?" in rest or "#" in rest:  # not shown: it may hold a password
        raise ConfigError(
            f"{what}: an s3 address has a bucket and a prefix alone, and this one has '@', '?' or '#'; leave out "
            "what is beside them: credentials come from AWS' own chain, such as AWS_ACCESS_KEY_ID"
        )
    if not _BUCKET.fullmatch(bucket):
        raise ConfigError(
            f"{what} '{shown(text)}': {bucket!r} is no name of a bucket; wanted 3 to 63 lower-case letters, digits, "
            "dots and hyphens, such as s3://research/lakehouse"
        )
    parts = prefix.strip("/").split("/") if prefix.strip("/") else []
    bad = next((part for part in parts if not _PART.fullmatch(part) or part in (".", "..")), None)
    if bad is not None:
        raise ConfigError(
            f"{what} '{shown(text)}': {bad!r} is no part of a prefix here; wanted letters, digits and _ = + , . - "
            "between single slashes"
        )
    return Address(bucket, "/".join(parts))


def refusal(text: str | Path, what: str) -> str | None:
    """Return the message that refuses an address which is not of S3; None for one that is, and for a path."""
    kind = scheme(text)
    if kind in (None, "s3"):
        return None
    why = REFUSED.get(kind, "its protocol is not spoken here")
    return (
        f"{what} '{shown(text)}' is refused: {why}; name a folder, such as data/lakehouse or where that place is "
        "mounted, or a bucket of S3's protocol, s3://BUCKET/PREFIX"
    )


def shown(text: str | Path) -> str:
    """Return an address for messages: with the slashes that a path has lost, and without what may be a password."""
    found = _SCHEME.match(str(text))
    if found is None:
        return str(text)
    rest = str(text)[found.end() :].lstrip("/")
    host, slash, path = rest.partition("/")
    return f"{found[1]}://{host.rpartition('@')[2]}{slash}{path}".partition("?")[0]
