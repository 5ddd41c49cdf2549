"""Buckets of a real server and of moto's, and lakehouses in them whose catalogues are in PostgreSQL."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest

from tests.shared.object_servers import BUCKET, credentials, make_bucket, moto, need_tables, seaweed

SERVERS = {"seaweed": seaweed, "moto": moto}
KINDS = [pytest.param("seaweed", marks=pytest.mark.slow), "moto"]


@pytest.fixture(scope="module")
def signed() -> Iterator[None]:
    """Have AWS' chain find the credentials of the tests' servers."""
    with credentials():
        yield


@pytest.fixture(scope="module", params=KINDS)
def endpoint(request: pytest.FixtureRequest, signed: None) -> Iterator[str]:
    """Yield the address of a server that AWS' environment names, with a bucket."""
    need_tables()
    with SERVERS[request.param]() as at, pytest.MonkeyPatch.context() as patch:
        make_bucket(at)
        patch.setenv("AWS_ENDPOINT_URL", at)
        yield at


@pytest.fixture
def somewhere() -> Callable[[], str]:
    """Return what names a prefix of the bucket that is empty."""
    return lambda: f"s3://{BUCKET}/{secrets.token_hex(8)}/lake"
