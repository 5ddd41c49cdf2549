"""Addresses: what is accepted, what is refused by name, and that no password is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from metabt.errors import ConfigError
from metabt.values.bucket_address import REFUSED, Address, Server, parse_address, refusal, scheme, shown


@pytest.mark.parametrize(
    ("text", "bucket", "prefix"),
    [
        ("s3://research", "research", ""),
        ("s3://research/", "research", ""),
        ("s3://research/team/lake", "research", "team/lake"),
        ("s3://my.bucket-1/a=b/v1.2_x+y,z/", "my.bucket-1", "a=b/v1.2_x+y,z"),
        ("S3://research/lake", "research", "lake"),
    ],
)
def test_an_address_has_a_bucket_and_a_prefix(text: str, bucket: str, prefix: str) -> None:
    found = parse_address(text)
    assert (found.bucket, found.prefix) == (bucket, prefix)
    assert parse_address(str(found)) == found == parse_address(Path(text))
    assert str(found / "cache") == f"{str(found)}/cache"


@pytest.mark.parametrize("kind", [*REFUSED, "ftp", "r2"])
def test_another_kind_of_address_is_refused_by_name_with_the_reason_and_the_cure(kind: str) -> None:
    for text in (f"{kind}://bucket/lake", Path(f"{kind}://bucket/lake")):
        with pytest.raises(ConfigError) as caught:
            parse_address(text)
        said = str(caught.value)
        assert f"lakehouse '{kind}://bucket/lake' is refused: " in said
        assert REFUSED.get(kind, "its protocol is not spoken here") in said and "s3://BUCKET/PREFIX" in said
        assert refusal(text, "lakehouse") == said


def test_paths_are_no_addresses() -> None:
    for path in ("data/lakehouse", "/a/b", "C:/lake", ".", "s3", "s3:lake"):
        assert scheme(path) is None and refusal(path, "lakehouse") is None
    with pytest.raises(ConfigError, match="'data/lake' is a path; wanted s3://BUCKET/PREFIX"):
        parse_address("data/lake")
    assert refusal("s3://research", "lakehouse") is None


@pytest.mark.parametrize(
    "bucket", ["", "ab", "Research", "a_b", "-ab", "ab-", "a..b", 64 * "a", "r\u00e9search", "a b"]
)
def test_a_bucket_that_none_can_be_called_is_refused(bucket: str) -> None:
    with pytest.raises(ConfigError, match="is no name of a bucket"):
        parse_address(f"s3://{bucket}/lake")


@pytest.mark.parametrize(
    "prefix", ["a//b", "..", "a/../b", "a/./b", "a b", "a\nb", "a'b", "a\\b", "%2e", "*", "\u00e9"]
)
def test_a_prefix_that_is_ambiguous_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="is no part of a prefix"):
        parse_address(f"s3://research/{prefix}")


@pytest.mark.parametrize("kind", ["s3", "gs", "https"])
def test_what_may_be_a_password_is_never_shown(kind: str) -> None:
    for text in (f"{kind}://id:hunter2@bucket/lake", f"{kind}://bucket/lake?secret=hunter2"):
        with pytest.raises(ConfigError) as caught:
            parse_address(text)
        assert "hunter2" not in str(caught.value) and "hunter2" not in shown(text)
    with pytest.raises(ConfigError) as caught:
        Server("https://id:hunter2@s3.example")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("endpoint", ["https://s3.example", "http://127.0.0.1:8333", "http://[::1]:9000/", None])
def test_a_server_has_an_endpoint_and_a_region(endpoint: str | None) -> None:
    assert Server(endpoint, "eu-central-1").endpoint == endpoint
    assert Address("research").prefix == ""


@pytest.mark.parametrize(
    "endpoint", ["s3.example", "s3://x", "https://s3.example/path", "https://", "http://x?y=1", ""]
)
def test_an_endpoint_that_is_none_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="the endpoint is no address of a server"):
        Server(endpoint)
    with pytest.raises(ConfigError, match="the region is no region's name"):
        Server(None, "EU central")
