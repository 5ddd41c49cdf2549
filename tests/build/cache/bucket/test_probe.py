"""A server that lets two writers have one key is refused by name; one that heeds the condition is asked once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from metabt.build.cache.bucket import probe
from metabt.build.cache.bucket.connection import Connection
from metabt.build.cache.bucket.probe import require_conditional_puts
from metabt.errors import StoreError
from metabt.values.bucket_address import Server, parse_address
from tests.shared.object_servers import BUCKET, SECRET, Proxy, credentials, make_bucket, moto, seaweed

ADDRESS = parse_address(f"s3://{BUCKET}/team/cache")


@pytest.fixture(scope="module", params=[moto, pytest.param(seaweed, marks=pytest.mark.slow)], ids=["moto", "seaweed"])
def endpoint(request: pytest.FixtureRequest) -> Iterator[str]:
    with credentials(), request.param() as at:
        make_bucket(at)
        yield at


@pytest.fixture(autouse=True)
def _unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_sound", set())


def test_a_server_that_heeds_the_condition_is_asked_once_and_nothing_is_left(endpoint: str) -> None:
    with Proxy(endpoint) as proxy:
        connection = Connection(Server(proxy.endpoint), BUCKET)
        require_conditional_puts(connection, ADDRESS)
        n = len(proxy.seen)
        require_conditional_puts(connection, ADDRESS)
        assert len(proxy.seen) == n == 4
        assert list(connection.list("team/")) == []


@pytest.mark.parametrize("fault", ["lose", "refuse", 503])
def test_lost_answers_do_not_condemn_a_server(endpoint: str, fault: str | int) -> None:
    with Proxy(endpoint, lambda request: fault if request.number % 2 == 0 else None) as proxy:
        require_conditional_puts(Connection(Server(proxy.endpoint), BUCKET), ADDRESS)


def test_a_server_that_ignores_the_condition_is_refused_by_name_with_the_cure(endpoint: str) -> None:
    # SeaweedFS would find the signature wrong: the condition is signed
    with moto() as lax, Proxy(lax, lambda request: "strip") as proxy:
        make_bucket(lax)
        for _ in range(2):
            with pytest.raises(StoreError) as caught:
                require_conditional_puts(Connection(Server(proxy.endpoint), BUCKET), ADDRESS)
            said = str(caught.value)
            assert proxy.endpoint in said and f"'{BUCKET}'" in said and "If-None-Match" in said
            assert "use a server that heeds" in said
        assert list(Connection(Server(lax), BUCKET).list("team/")) == []


def test_a_server_out_of_reach_is_told_with_its_name(endpoint: str) -> None:
    with Proxy(endpoint, lambda request: "refuse") as proxy, pytest.raises(StoreError) as caught:
        require_conditional_puts(Connection(Server(proxy.endpoint), BUCKET, patience=0.3), ADDRESS)
    assert proxy.endpoint in str(caught.value) and f"'{BUCKET}'" in str(caught.value)


def test_where_nothing_may_be_written_nothing_is_refused(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy(endpoint, lambda request: 403 if request.method == "PUT" else None) as proxy:
        require_conditional_puts(Connection(Server(proxy.endpoint), BUCKET), ADDRESS)


def test_credentials_that_are_wrong_show_nothing_of_themselves(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"not-{SECRET}")
    connection = Connection(Server(endpoint), BUCKET)
    try:
        connection.put("team/x", b"x")
    except PermissionError as error:  # moto checks no signature
        assert "SignatureDoesNotMatch (403)" in str(error) and SECRET not in str(error)
