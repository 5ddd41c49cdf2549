"""SQL over a catalogue in PostgreSQL reaches the lakehouse's tables, and nothing else of its server."""

# ruff: noqa: F401 - what is imported from other tests is run here again, on the other catalogue
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from metabt.errors import StoreError
from metabt.lakehouse import ingest
from metabt.lakehouse.catalog import catalog_location
from metabt.lakehouse.sql.read_only import ask, reading
from tests.lakehouse.conftest import state, wide
from tests.lakehouse.sql.test_read_only import (
    beside,
    test_a_misspelt_table_lists_what_there_is,
    test_anything_but_reading_is_refused,
    test_files_are_out_of_reach,
    test_neither_files_nor_python_variables_are_tables,
    test_query_opens_asks_and_closes,
    test_reading_statements_are_answered,
    test_what_is_not_admitted_would_not_write_either,
)
from tests.shared.postgres_server import Server

Con = duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def stocked(signed_in: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse that holds the dataset 'stocks', in a database that holds a secret too."""
    path = tmp_path_factory.mktemp("stocked") / "it's a lake"
    ingest(path, "stocks", wide(), catalog=signed_in.catalog)
    signed_in.sql("CREATE TABLE public.secrets AS SELECT 'hunter2' AS secret")
    return path


@pytest.fixture(scope="module")
def con(stocked: Path) -> Iterator[Con]:
    """Return a connection to the lakehouse, and check afterwards that no test changed anything."""
    before = state(stocked)
    with reading(stocked) as opened:
        yield opened
    assert state(stocked) == before


ELSEWHERE = [
    "SELECT * FROM public.secrets",
    "SELECT * FROM __ducklake_metadata_lake.public.secrets",
    "SELECT * FROM __ducklake_metadata_lake.pg_catalog.pg_authid",
    "SELECT * FROM server.public.secrets",
    "SELECT * FROM pg_authid",
]
CALLS = [
    "SELECT * FROM postgres_query('__ducklake_metadata_lake', 'SELECT * FROM public.secrets')",
    "SELECT * FROM postgres_scan('{}', 'public', 'secrets')",
    "SELECT * FROM postgres_scan_pushdown('{}', 'public', 'secrets')",
    "SELECT * FROM postgres_attach('{}')",
    "CALL postgres_execute('__ducklake_metadata_lake', 'DROP TABLE public.secrets')",
    "SELECT * FROM postgres_configure_pool(catalog_name = '__ducklake_metadata_lake', max_connections = 1)",
    "ATTACH '{}' AS other (TYPE postgres)",
    "CREATE SECRET (TYPE postgres, HOST 'elsewhere')",
]


@pytest.mark.parametrize("sql", ELSEWHERE)
def test_other_tables_of_the_database_are_not_there(con: Con, signed_in: Server, sql: str) -> None:
    assert signed_in.sql("SELECT secret FROM public.secrets") == ["hunter2"]
    with pytest.raises(StoreError, match="does not exist"):
        ask(con, sql)
    with pytest.raises(duckdb.Error, match="does not exist"):
        con.execute(sql)


@pytest.mark.parametrize("sql", CALLS)
def test_the_server_is_out_of_reach(con: Con, stocked: Path, sql: str) -> None:
    where = catalog_location.require(stocked)
    assert isinstance(where, catalog_location.PostgresCatalogue)
    with pytest.raises(StoreError, match=r"table function '\w+' is refused|read-only"):
        ask(con, sql.format(where.connection))
