"""A lakehouse that is named by an address: what is refused, why, with which cure, and before anything is asked."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import metabt
from metabt.config import compose
from metabt.errors import ConfigError, MetabtError, StoreError
from metabt.lakehouse import attach, ingest
from metabt.lakehouse.catalog.catalog_location import VARIABLE, located
from metabt.lakehouse.catalog.local_paths import refuse_remote
from tests.lakehouse.conftest import wide

PLACE = "s3://research/lake"
DATABASE = "postgres:host=127.0.0.1 port=1 dbname=metabt"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a server is asked"))


def refused(call: Callable[[], object], kind: type[MetabtError] = StoreError) -> str:
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize("place", [PLACE, Path(PLACE)])
def test_a_sqlite_file_in_an_object_store_is_refused_with_the_cure(place: str | Path) -> None:
    for call in (lambda: attach(place), lambda: ingest(place, "d", wide()), lambda: metabt.connect(place)):
        said = refused(call)
        assert f"'{PLACE}'" in said and "SQLite" in said and "catalog=postgres:host=HOST dbname=NAME" in said


def test_with_a_catalogue_in_postgresql_it_is_said_what_works(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(lambda: ingest(PLACE, "d", wide(), catalog=DATABASE))
    assert "tables cannot be kept in an object store yet" in said and "metabt.BucketCache" in said
    monkeypatch.setenv(VARIABLE, DATABASE)
    assert refused(lambda: located(PLACE)) == said


@pytest.mark.parametrize(
    ("kind", "why"), [("gs", "Google"), ("abfss", "Azure"), ("http", "endpoint"), ("s3a", "Hadoop")]
)
def test_another_kind_is_refused_by_name(kind: str, why: str) -> None:
    said = refused(lambda: attach(f"{kind}://research/lake"))
    assert said.startswith(f"lakehouse '{kind}://research/lake' is refused: ") and why in said


def test_configuration_is_refused_as_it_is_composed() -> None:
    for overrides, why in (
        ([f"lakehouse={PLACE}"], "SQLite"),
        ([f"lakehouse={PLACE}", f"catalog='{DATABASE}'"], "yet"),
        (["lakehouse=gs://b/x"], "Google"),
        (["lakehouse=s3://B/x"], "no name of a bucket"),
    ):
        assert why in refused(lambda overrides=overrides: compose(overrides), ConfigError)  # type: ignore[misc]


def test_what_may_be_a_password_is_not_shown_and_paths_are_let_through() -> None:
    assert "hunter2" not in refused(lambda: attach("s3://id:hunter2@research/lake"))
    for path in ("data/lakehouse", Path("/data"), "C:/lake"):
        refuse_remote(path, None)
