"""A walk whose cache is in an object store: the same bytes, nothing left to the next, whatever is killed or lost."""

from __future__ import annotations

import json
import os
import pickle
import random
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import metabt
from metabt.build.cache.bucket import connection
from metabt.build.cache.bucket.cache import BucketCache
from metabt.errors import ConfigError, StoreError
from tests.build.cache.bucket.remote_walk import walk
from tests.shared.object_servers import BUCKET, KEY_ID, SECRET, Proxy, Request, credentials, make_bucket, moto, seaweed

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with credentials(), seaweed() as at:
        make_bucket(at)
        yield at


@pytest.fixture
def address() -> str:
    return f"s3://{BUCKET}/{secrets.token_hex(8)}/cache"


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    found = walk(None)
    assert found["computed"] == found["n_blocks"] > 20
    return found


def another_machine(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.build.cache.bucket.remote_walk", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def said(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.mark.slow
def test_a_second_machine_computes_nothing(endpoint: str, address: str, expected: dict[str, Any]) -> None:
    first, second = (said(another_machine(address, endpoint)) for _ in range(2))
    assert first["digest"] == second["digest"] == expected["digest"]
    assert (first["computed"], second["computed"]) == (expected["n_blocks"], 0)
    assert first["published"] >= expected["n_blocks"] and second["published"] == 0 and second["missed"] == 0
    with BucketCache(address, endpoint) as cache:
        print(f"{first['published']} objects in {len(list(cache.store.shelf.names()))} packs")


@pytest.mark.slow
def test_two_machines_at_once_agree_and_count_what_was_done_twice(
    endpoint: str, address: str, expected: dict[str, Any]
) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = [said(it) for it in pool.map(lambda _: another_machine(address, endpoint), range(2))]
    assert {it["digest"] for it in both} == {expected["digest"]}
    third = said(another_machine(address, endpoint))
    assert (third["digest"], third["computed"]) == (expected["digest"], 0)
    print(f"computed {[it['computed'] for it in both]} of {expected['n_blocks']}, lost {[it['lost'] for it in both]}")


@pytest.mark.slow
@pytest.mark.parametrize("after", [(), ("after",)], ids=["before a put", "after it"])
@pytest.mark.parametrize("number", [0, 3])
def test_a_kill_between_put_and_publication_leaves_nothing_half(
    endpoint: str, address: str, expected: dict[str, Any], number: int, after: tuple[str, ...]
) -> None:
    assert another_machine(address, endpoint, str(number), *after).returncode == -signal.SIGKILL
    with BucketCache(address, endpoint) as cache:
        keys = list(cache.store.keys())
        assert len(list(cache.store.shelf.names())) == number + len(after) and bool(keys) == bool(number + len(after))
    again = said(another_machine(address, endpoint))
    assert (again["digest"], again["quarantined"]) == (expected["digest"], 0)
    assert again["computed"] == expected["n_blocks"] - len(keys)


def lossy(share: float, seed: int) -> Callable[[Request], Any]:
    dice = random.Random(seed)
    return lambda request: dice.choice([500, 503, "refuse", "lose", "cut"]) if dice.random() < share else None


def test_a_walk_through_a_line_that_loses_a_third_of_all_answers_has_the_same_bytes(
    expected: dict[str, Any], address: str
) -> None:
    with credentials(), moto() as backend, Proxy(backend, lossy(0.33, 1)) as proxy:
        make_bucket(backend)
        for computed in (expected["n_blocks"], 0):
            with BucketCache(address, proxy.endpoint) as cache:
                found = walk(cache)
                assert (found["digest"], found["computed"]) == (expected["digest"], computed)
                assert cache.store.counts.lost == cache.store.counts.quarantined == 0
        print(f"{len(proxy.faults())} of {len(proxy.seen)} requests failed")
        assert len(proxy.faults()) > 5


def test_a_walk_goes_on_without_a_store_that_is_gone(
    expected: dict[str, Any], address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 0.3)
    with credentials(), moto() as backend, Proxy(backend) as proxy:
        make_bucket(backend)
        with BucketCache(address, proxy.endpoint) as cache:
            cache.store.shelf._connection._patience = cache.store.shelf._connection._hope = 0.3  # type: ignore[attr-defined]
            proxy.fault = lambda request: "refuse"
            found = walk(cache)
        assert (found["digest"], found["computed"]) == (expected["digest"], expected["n_blocks"])
        said_ = [record.getMessage() for record in caplog.records if record.name == "metabt.cache"]
        assert 1 <= len(said_) <= 3 and any("the object store cannot be reached" in text for text in said_), said_
        assert not any(SECRET in text or KEY_ID in text for text in said_)


@pytest.mark.slow
def test_it_is_sent_to_workers_without_credentials(endpoint: str, address: str) -> None:
    with BucketCache(address, endpoint, "eu-central-1") as cache:
        sent = pickle.dumps(cache)
        assert SECRET.encode() not in sent and KEY_ID.encode() not in sent
        with pickle.loads(sent) as other:
            assert (other.address, other.server) == (cache.address, cache.server)
        assert repr(cache) == f"BucketCache('{address}')"
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == SECRET and metabt.BucketCache is BucketCache


def test_what_is_no_address_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(ConfigError, match="cache 'gs://bucket/x' is refused"):
        BucketCache("gs://bucket/x")
    with pytest.raises(ConfigError, match="endpoint"):
        BucketCache("s3://bucket/x", "s3.example")


def test_a_bucket_that_is_not_there_is_told() -> None:
    with credentials(), moto() as backend, pytest.raises(StoreError, match=r"'nowhere'.*NoSuchBucket|NoSuchBucket"):
        BucketCache("s3://nowhere/x", backend)
