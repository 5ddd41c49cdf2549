"""A lakehouse that is named by an address: what is refused, why, with which cure, and before anything is asked."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from metabt.config import compose
from metabt.errors import ConfigError, MetabtError, StoreError
from metabt.lakehouse import attach
from metabt.lakehouse.catalog.catalog_location import VARIABLE, located
from metabt.lakehouse.catalog.local_paths import remote
from metabt.values.bucket_address import Address

PLACE = "s3://research/lake"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a server is asked"))


def refused(call: Callable[[], object], kind: type[MetabtError] = StoreError) -> str:
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize("place", [PLACE, f"{PLACE}/", Path(PLACE), Address("research", "lake")])
def test_an_address_is_a_lakehouse_of_its_own_though_a_path_has_lost_a_slash(place: str | Path | Address) -> None:
    assert located(place) == Address("research", "lake") and str(located(place)) == PLACE
    within = Address("research", "lake/dataset=a%20b")
    assert located(within) is within  # as DuckDB names it


@pytest.mark.parametrize(
    ("kind", "why"), [("gs", "Google"), ("abfss", "Azure"), ("http", "endpoint"), ("s3a", "Hadoop")]
)
def test_another_kind_is_refused_by_name(kind: str, why: str) -> None:
    said = refused(lambda: attach(f"{kind}://research/lake"))
    assert said.startswith(f"lakehouse '{kind}://research/lake' is refused: ") and why in said


def test_configuration_is_refused_as_it_is_composed() -> None:
    assert compose([f"lakehouse={PLACE}"])["lakehouse"] == PLACE
    for overrides, why in (
        (["lakehouse=gs://b/x"], "Google"),
        (["lakehouse=s3://B/x"], "no name of a bucket"),
    ):
        assert why in refused(lambda overrides=overrides: compose(overrides), ConfigError)  # type: ignore[misc]


def test_what_may_be_a_password_is_not_shown_and_paths_are_let_through() -> None:
    assert "hunter2" not in refused(lambda: attach("s3://id:hunter2@research/lake"))
    for path in ("data/lakehouse", Path("/data"), "C:/lake"):
        assert remote(path) is None
