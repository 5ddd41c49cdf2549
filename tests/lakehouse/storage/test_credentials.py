"""Credentials of DuckDB: for one address alone, shown to nobody, renewed while a connection lives."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import duckdb
import pytest

from metabt.build.cache.bucket.client import Access
from metabt.errors import StoreError
from metabt.lakehouse.catalog.connections import opened
from metabt.lakehouse.storage import credentials
from metabt.lakehouse.storage.credentials import SETTINGS, admit, renew
from metabt.values.bucket_address import Address
from tests.shared.object_servers import need_tables

PLACE = Address("research", "lake")
SECRETS = ("first-secret", "second-secret", "first-token", "second-token")


def access(which: str, token: bool = True) -> Access:
    return Access(f"{which}-id", f"{which}-secret", f"{which}-token" if token else None, "http://h:1", "r", True)


class Store:
    """What finds credentials, other ones each time that `now` is set."""

    def __init__(self, now: Access | Exception) -> None:
        self.now = now

    def access(self) -> Access:
        if isinstance(self.now, Exception):
            raise self.now
        return self.now


@pytest.fixture
def con(monkeypatch: pytest.MonkeyPatch) -> Iterator[duckdb.DuckDBPyConnection]:
    need_tables()
    monkeypatch.setattr(credentials, "_lent", {})
    monkeypatch.setattr(credentials, "_looking", [None])  # no thread: the test renews
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-environment")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-environment")
    with opened(("httpfs",)) as con:
        yield con


def shown(con: duckdb.DuckDBPyConnection) -> str:
    return repr(con.execute("FROM duckdb_secrets()").fetchall())


def test_they_are_for_one_address_and_nobody_is_shown_more_than_the_name_of_the_key(
    con: duckdb.DuckDBPyConnection,
) -> None:
    admit(con, PLACE, Store(access("first")))  # type: ignore[arg-type]
    assert "first-id" in shown(con) and "scope=s3://research/lake/" in shown(con)
    assert not any(secret in shown(con) for secret in SECRETS)
    find = "SELECT name FROM which_secret($1, 's3')"
    assert con.execute(find, ["s3://research/lake/data/x"]).fetchall() == [("metabt",)]
    for elsewhere in ("s3://research/lakes", "s3://research/other/x", "s3://other/lake/x"):
        assert con.execute(find, [elsewhere]).fetchall() == []
    with pytest.raises(duckdb.Error):
        con.execute("FROM duckdb_secrets(redact = false)")
    assert not any(secret in repr(access("first")) for secret in (*SECRETS, "first-id"))


def test_what_the_extension_finds_in_the_environment_is_forgotten(con: duckdb.DuckDBPyConnection) -> None:
    settings = repr(con.execute("FROM duckdb_settings()").fetchall())
    assert "of-environment" not in settings
    for name in SETTINGS:
        assert con.execute(f"SELECT current_setting('{name}')").fetchall() == [("",)]


def test_those_that_last_for_a_time_are_renewed_while_the_connection_lives(con: duckdb.DuckDBPyConnection) -> None:
    store = Store(access("first"))
    admit(con, PLACE, store)  # type: ignore[arg-type]
    answer = con.execute("FROM range(5)")
    assert renew() == 0
    store.now = access("second")
    assert renew() == 1 and "second-id" in shown(con.cursor()) and "first-id" not in shown(con.cursor())
    assert len(answer.fetchall()) == 5  # what is being fetched goes on
    store.now = OSError("the chain's source is away")
    assert renew() == 0 and "second-id" in shown(con.cursor())
    store.now = access("first")
    assert renew() == 1
    con.close()
    store.now = access("second")
    assert renew() == 0 and not credentials._lent


def test_those_that_stay_and_those_of_nobody_are_not_looked_at(con: duckdb.DuckDBPyConnection) -> None:
    store = Store(access("first", token=False))
    admit(con, PLACE, store)  # type: ignore[arg-type]
    store.now = access("second", token=False)
    assert renew() == 0 and "first-id" in shown(con)
    other = opened(("httpfs",))
    admit(other, PLACE, Store(access("first")))  # type: ignore[arg-type]
    assert len(credentials._lent) == 1
    del other
    gc.collect()
    assert renew() == 0 and not credentials._lent


def test_a_statement_that_duckdb_does_not_take_is_not_quoted(
    con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    con.execute("CREATE OR REPLACE TEMPORARY SECRET other (TYPE s3, KEY_ID 'x', SECRET 'y')")
    strange = Access("id", "secret'; DROP TABLE t; --", None, "http://h:1", "r", True)
    admit(con, PLACE, Store(strange))  # type: ignore[arg-type]
    con.close()
    with pytest.raises(StoreError) as caught:
        admit(con, PLACE, Store(access("first")))  # type: ignore[arg-type]
    assert "first" not in str(caught.value) and caught.value.__cause__ is None
    assert caught.value.__suppress_context__
