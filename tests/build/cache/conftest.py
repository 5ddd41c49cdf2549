"""Shelves of every kind, as fixtures: a folder, and a bucket of a real server and of moto's."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from metabt.build.cache.bucket.connection import Connection
from metabt.build.cache.bucket.shelf import BucketShelf
from metabt.build.cache.folder.shelf import FolderShelf
from metabt.build.cache.shelf import Shelf
from metabt.values.bucket_address import Server, parse_address
from tests.shared.object_servers import BUCKET, credentials, make_bucket, moto, seaweed

SERVERS = {"seaweed": seaweed, "moto": moto}
KINDS = ["folder", pytest.param("seaweed", marks=pytest.mark.slow), "moto"]


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Yield the endpoint of a server; None is a folder."""
    with ExitStack() as stack:
        if request.param == "folder":
            yield None
        else:
            stack.enter_context(credentials())
            endpoint = stack.enter_context(SERVERS[request.param]())
            make_bucket(endpoint)
            yield endpoint


@pytest.fixture
def anew(kind: str | None, tmp_path: Path) -> Callable[[], Shelf]:
    """Return what opens the same, at first empty, shelf anew."""
    if kind is None:
        return lambda: FolderShelf(tmp_path / ".cache")
    address = parse_address(f"s3://{BUCKET}/{secrets.token_hex(8)}/cache")
    return lambda: BucketShelf(connection(kind, os.getpid()), address)


@cache
def connection(endpoint: str, process: int) -> Connection:
    """Return a connection of this process alone: making one takes as long as twenty requests."""
    return Connection(Server(endpoint), BUCKET)


@pytest.fixture
def shelf(anew: Callable[[], Shelf]) -> Shelf:
    return anew()
