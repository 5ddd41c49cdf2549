"""Requests of a lakehouse in a bucket fail, each in turn: what was stored stays whole, and the same command goes on."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator

import pytest

import metabt
from metabt.build.cache.bucket import connection as requests
from metabt.errors import StoreError
from metabt.lakehouse import attach, commit_run, load_run, query
from metabt.lakehouse.catalog.catalog_location import located
from metabt.lakehouse.folder import in_doubt, orphans
from metabt.lakehouse.maintenance import upkeep
from metabt.lakehouse.soundness import check_lakehouse
from metabt.lakehouse.storage import object_store
from metabt.lakehouse.storage.credentials import PATIENCE
from metabt.lakehouse.storage.place import storage_of
from tests.lakehouse.runs.test_stored_runs import assert_same_table, run, table
from tests.lakehouse.storage.remote_driver import prices
from tests.shared.object_servers import BUCKET, Fault, Proxy, Request, credentials, make_bucket, moto, need_tables
from tests.shared.postgres_server import Server

TABLES = {"weights": table("weights", 40, 1), "metrics": table("metrics", 15)}


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    need_tables()
    with credentials(), moto() as backend, Proxy(backend) as proxy, pytest.MonkeyPatch.context() as patch:
        make_bucket(backend)
        patch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy


@pytest.fixture
def place(proxy: Proxy, signed_in: Server) -> Iterator[str]:
    place = f"s3://{BUCKET}/{secrets.token_hex(8)}/lake"
    metabt.ingest(prices(60), lakehouse=place, dataset="d", catalog=signed_in.catalog)
    yield place
    proxy.fault = lambda request: None


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have no request sent again for long."""
    monkeypatch.setitem(PATIENCE, "http_retries", 0)
    monkeypatch.setattr(requests.Connection.__init__, "__defaults__", (0.0,))
    monkeypatch.setattr(requests, "REST", 0.0)
    object_store._connected.cache_clear()
    yield
    object_store._connected.cache_clear()


def stored(place: str, name: str) -> bool:
    with attach(place, read_only=True) as con:
        try:
            _, found = load_run(con, name)
        except StoreError as error:
            assert "no run" in str(error)
            return False
    for each, expected in TABLES.items():
        assert_same_table(found[each], expected)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("fault", [503, "lose", "cut"])
def test_a_request_that_fails_is_sent_again_whichever_it_is(place: str, proxy: Proxy, fault: Fault) -> None:
    """Every third of a commit's requests fails, then the next of each three, and then the third."""
    for turn in range(3):
        numbers = iter(range(10**6))

        def third(request: Request, turn: int = turn, numbers: Iterator[int] = numbers) -> Fault:
            return fault if next(numbers) % 3 == turn else None

        _fresh(proxy, third)
        assert commit_run(place, run(f"r{turn}"), TABLES)
        assert len(proxy.faults()) > 5
        _fresh(proxy, lambda request: None)
        assert stored(place, f"r{turn}")
    assert not check_lakehouse(place).faults


@pytest.mark.slow
@pytest.mark.parametrize("fault", [500, "lose"])
def test_a_store_that_fails_from_some_request_on_leaves_all_or_nothing(
    place: str, proxy: Proxy, impatient: None, fault: Fault
) -> None:
    _fresh(proxy, lambda request: None)
    assert commit_run(place, run("r0"), TABLES)
    n_requests, n_whole = len(proxy.seen), 0
    points = [round(part * n_requests) for part in (0.0, 0.3, 0.5, 0.7, 0.9)]
    for number in points:
        name = f"at{number}"
        _fresh(proxy, lambda request, number=number: fault if request.number >= number else None)  # type: ignore[misc]
        try:
            commit_run(place, run(name), TABLES)
        except StoreError as error:
            assert "object store" in str(error), str(error)
        _fresh(proxy, lambda request: None)
        n_whole += stored(place, name)
        commit_run(place, run(name), TABLES)
        assert stored(place, name)
    assert n_whole < len(points) - 1
    assert not check_lakehouse(place).faults


def _fresh(proxy: Proxy, fault: object) -> None:
    proxy.seen.clear()
    proxy.fault = fault  # type: ignore[assignment]


def test_a_store_that_is_away_is_said_to_be_with_the_cure(place: str, proxy: Proxy, impatient: None) -> None:
    proxy.fault = lambda request: 503 if "/data/" in request.path else None
    with pytest.raises(StoreError, match="object store does not answer as it should: .*HTTP 503.*see whether"):
        query(place, "SELECT sum(close) FROM prices")
    proxy.fault = lambda request: 503
    for call in (
        lambda: metabt.connect(place),
        lambda: commit_run(place, run("r"), TABLES),
        lambda: metabt.ingest(prices(80), lakehouse=place, dataset="d"),
        lambda: upkeep(place),
    ):
        with pytest.raises(StoreError, match="object store") as caught:
            call()
        assert "see whether" in str(caught.value)


def test_what_a_writer_left_goes_when_it_is_old(place: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of rows, marks and second names of one that was killed; not before their day is over."""
    storage = storage_of(located(place))
    left = ["data/main/prices/dataset=d/year=2019/ducklake-left.parquet", "writer.began-00"]
    for name in (*left, "writer.kept/00/main/weights/ducklake-left.parquet"):
        storage.write(name, b"rows")
    before = set(storage.names())
    assert commit_run(place, run("a"), TABLES) and before <= set(storage.names())
    monkeypatch.setattr(orphans, "DAY", -10.0)
    monkeypatch.setattr(in_doubt, "DAY", -10.0)
    assert commit_run(place, run("b"), TABLES)
    after = set(storage.names())
    assert not [name for name in after if "left" in name or name.startswith("writer.")]
    assert stored(place, "a") and stored(place, "b") and not check_lakehouse(place).faults


@pytest.mark.slow
def test_many_drivers_lose_nothing(place: str) -> None:
    """Each with a run of its own, at the same time."""
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            commit_run(place, run(f"r{number}"), TABLES)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and all(stored(place, f"r{number}") for number in range(4))
    assert not check_lakehouse(place).faults
