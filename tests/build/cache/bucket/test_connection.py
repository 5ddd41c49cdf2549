"""Requests through a proxy that refuses, loses, cuts and delays them: asked again, done once, given up in time."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections.abc import Iterator

import pytest

from metabt.build.cache.bucket import client
from metabt.build.cache.bucket.connection import Connection, Taken
from metabt.values.bucket_address import Server
from tests.shared.object_servers import BUCKET, KEY_ID, SECRET, Fault, Proxy, Request, credentials, make_bucket, moto

FAULTS: list[Fault] = [500, 503, 429, "refuse", "lose", "cut", 0.6]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with credentials(), moto() as at:
        make_bucket(at)
        yield at


@pytest.fixture
def proxy(endpoint: str) -> Iterator[Proxy]:
    with Proxy(endpoint) as proxy:
        yield proxy


@pytest.fixture
def connection(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setattr(client, "TIMEOUT", 0.3)  # a delay of 0.6 s is too long
    return Connection(Server(proxy.endpoint), BUCKET, patience=20.0)


@pytest.fixture
def name() -> str:
    return f"team/{secrets.token_hex(8)}"


def first(n: int, fault: Fault, method: str | None = None) -> object:
    """Return what has the first `n` requests, of a method, meet a fault."""
    left = itertools.count()
    return lambda request: fault if method in (None, request.method) and next(left) < n else None


@pytest.mark.parametrize("fault", FAULTS)
def test_every_request_is_sent_again_until_it_is_answered(
    connection: Connection, proxy: Proxy, name: str, fault: Fault
) -> None:
    times = 2

    def faulty() -> None:
        proxy.fault = first(times, fault)  # type: ignore[assignment]

    faulty()
    assert connection.put(name, b"0123456789")
    faulty()
    facts, data = connection.get(name, 2, 5)
    assert (data, facts.size, facts.name) == (b"234", 10, name)
    faulty()
    assert connection.head(name) == facts
    faulty()
    assert list(connection.list(name)) == [facts]
    faulty()
    connection.copy(name, f"{name}.copy", facts.tag)
    faulty()
    connection.delete(name)
    proxy.fault = lambda request: None
    with pytest.raises(FileNotFoundError):
        connection.get(name)
    assert connection.get(f"{name}.copy")[1] == b"0123456789"
    assert proxy.faults().count(fault) >= times * (4 if fault == "cut" else 6)  # an empty body cannot be cut


@pytest.mark.parametrize("fault", FAULTS)
def test_a_put_whose_answer_was_lost_knows_that_it_was_done(
    connection: Connection, proxy: Proxy, name: str, fault: Fault
) -> None:
    proxy.fault = first(2, fault, "PUT")  # type: ignore[assignment]
    assert connection.put(name, b"mine", absent=True)
    assert connection.get(name)[1] == b"mine"
    proxy.fault = first(2, fault, "PUT")  # type: ignore[assignment]
    assert not connection.put(name, b"other", absent=True)
    assert connection.get(name)[1] == b"mine"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_body_that_breaks_off_is_asked_for_again(
    connection: Connection, proxy: Proxy, name: str, fault: Fault
) -> None:
    whole = secrets.token_bytes(300_000)
    connection.put(name, whole)
    for begin, end in ((0, None), (1000, 299_000)):
        proxy.fault = first(2, fault, "GET")  # type: ignore[assignment]
        assert connection.get(name, begin, end)[1] == whole[begin:end]
    assert proxy.faults() == [fault] * 4


def test_a_conflict_of_two_writers_is_tried_again(connection: Connection, proxy: Proxy, name: str) -> None:
    proxy.fault = first(2, 503, "PUT")  # type: ignore[assignment]
    assert connection.put(name, b"mine", absent=True)


def test_a_server_out_of_reach_is_given_up_in_time_and_then_left_alone(proxy: Proxy, name: str) -> None:
    connection = Connection(Server(proxy.endpoint), BUCKET, patience=0.5)
    proxy.fault = lambda request: "refuse"
    began = time.monotonic()
    with pytest.raises(OSError, match=f"get of s3://{BUCKET}/{name}: "):
        connection.get(name)
    assert time.monotonic() - began < 5.0 and connection.rests
    n = len(proxy.seen)
    for _ in range(100):
        with pytest.raises(OSError, match="not asked for"):
            connection.put(name, b"x", absent=True)
    assert len(proxy.seen) == n > 2
    connection._rest_until = 0.0
    with pytest.raises(OSError):
        connection.get(name)
    assert len(proxy.seen) == n + 1  # asked once, and left alone again
    connection._rest_until, proxy.fault = 0.0, lambda request: None
    assert connection.put(name, b"x", absent=True) and not connection.rests
    assert connection._hope == 0.5


def test_what_is_not_allowed_is_not_asked_again(connection: Connection, proxy: Proxy, name: str) -> None:
    proxy.fault = lambda request: 403
    with pytest.raises(PermissionError, match=r"put of s3://research/.*: AccessDenied \(403\)"):
        connection.put(name, b"x")
    assert len(proxy.seen) == 1


def test_another_object_in_the_place_is_told(connection: Connection, name: str) -> None:
    connection.put(name, b"first one")
    facts = connection.head(name)
    connection.put(name, b"another one")
    for ask in (lambda: connection.get(name, 0, 4, facts.tag), lambda: connection.copy(name, "x", facts.tag)):
        with pytest.raises(FileNotFoundError):
            ask()


def test_ranges_beyond_the_end_are_as_long_as_there_are_bytes(connection: Connection, name: str) -> None:
    connection.put(name, b"0123456789")
    connection.put(f"{name}.empty", b"")
    assert connection.get(name, 8, 100)[1] == b"89"
    assert [it(connection.get(name, 10, 12)) for it in (lambda a: a[0].size, lambda a: a[1])] == [10, b""]
    assert connection.get(f"{name}.empty", 0, 10)[0].size == 0
    assert connection.get(name, 5, 5)[1] == b""


def test_a_listing_of_several_pages_is_whole(connection: Connection, name: str, endpoint: str) -> None:
    direct = Connection(Server(endpoint), BUCKET)
    for number in range(25):
        direct.put(f"{name}/{number:03}", b"x" * number)
    page = connection._page

    def short(prefix: str, more: dict[str, str]) -> object:
        return connection._client().list_objects_v2(Bucket=BUCKET, Prefix=prefix, MaxKeys=10, **more)

    assert page is not None
    connection._page = short  # type: ignore[method-assign,assignment]
    assert [(it.name[-3:], it.size) for it in connection.list(f"{name}/")] == [(f"{n:03}", n) for n in range(25)]


def test_no_message_and_no_log_has_a_secret(
    connection: Connection, proxy: Proxy, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    said = []
    for fault in (403, 404, 400):
        proxy.fault = lambda request, fault=fault: fault  # type: ignore[misc]
        with pytest.raises(OSError) as caught:
            connection.put(name, b"x")
        said += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
    text = "".join(said) + caplog.text + repr(connection) + repr(connection.server)
    assert KEY_ID not in text and SECRET not in text and "Signature" not in text


def test_the_second_writer_is_not_sent_twice(connection: Connection, proxy: Proxy, name: str) -> None:
    connection.put(name, b"first", absent=True)
    seen: list[Request] = []
    proxy.fault = lambda request: seen.append(request)  # type: ignore[func-returns-value]
    assert not connection.put(name, b"second", absent=True)
    assert [(it.method, it.headers.get("If-None-Match")) for it in seen] == [("PUT", "*")]
    assert issubclass(Taken, Exception)
