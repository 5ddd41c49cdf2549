"""SQL answers questions, and can do nothing else."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.errors import ConfigError, StoreError
from metabt.lakehouse import attach, connect, ingest, query
from metabt.lakehouse.sql.read_only import ask, reading
from metabt.lakehouse.sql.result_set import QueryResult, texts
from tests.lakehouse.conftest import state, wide

Con = duckdb.DuckDBPyConnection

READS = [
    "SELECT count(*) FROM prices",
    "WITH a AS (SELECT * FROM prices) SELECT count(*) FROM a;",
    "FROM prices LIMIT 1",
    "DESCRIBE prices",
    "SHOW TABLES",
    "SUMMARIZE prices",
    "EXPLAIN SELECT * FROM prices",
    "EXPLAIN ANALYZE SELECT * FROM prices",
    "VALUES (1)",
    "FROM prices AT (VERSION => 2) LIMIT 1",
    "SELECT * FROM ducklake_snapshots('lake')",
    "SELECT * FROM range(3)",
    "FROM prices PIVOT (first(close) FOR symbol IN ('AA')) LIMIT 1",
    "SELECT 1 -- ; DROP TABLE prices",
]

WRITES = [
    "INSERT INTO prices SELECT * FROM prices",
    "UPDATE prices SET close = 1",
    "DELETE FROM prices",
    "DROP TABLE prices",
    "CREATE TABLE t (a INT)",
    "CREATE TEMP TABLE t (a INT)",
    "CREATE VIEW v AS SELECT 1",
    "ALTER TABLE prices ADD COLUMN a INT",
    "TRUNCATE prices",
    "MERGE INTO prices USING prices p ON false WHEN NOT MATCHED THEN INSERT",
    "COPY prices TO '{}/stolen.csv'",
    "COPY (SELECT 1) TO '{}/it''s a lake/data/x.csv'",
    "COPY prices FROM '/etc/passwd'",
    "EXPORT DATABASE '{}/stolen'",
    "ATTACH '{}/other.sqlite' AS o (TYPE sqlite)",
    "ATTACH '{}/other.db' AS o",
    "DETACH lake",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "PRAGMA threads = 1",
    "PRAGMA database_list",
    "USE memory",
    "CALL ducklake_expire_snapshots('lake', older_than => now())",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN",
    "PREPARE p AS SELECT 1",
    "EXPLAIN ANALYZE DELETE FROM prices",
    "EXPLAIN ANALYZE CREATE TABLE memory.t AS SELECT 1",
    "INSERT INTO __ducklake_metadata_lake.ducklake_metadata VALUES ('a', 'b', NULL, NULL)",
    "SELECT 1; DROP TABLE prices",
    "",
    "-- nothing",
]

REACHES = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_parquet('{}/*.parquet')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM sqlite_scan('{}/other.sqlite', 'secrets')",
    "SELECT * FROM main.sqlite_scan('{}/other.sqlite', 'secrets')",
    "SELECT * FROM sqlite_attach('{}/other.sqlite')",
    "SELECT * FROM sqlite_query('lake', 'select 1')",
    "SELECT (SELECT count(*) FROM sqlite_scan('{}/other.sqlite', 'secrets'))",
    "WITH a AS (FROM sqlite_scan('{}/other.sqlite', 'secrets')) FROM a",
    "SUMMARIZE SELECT * FROM sqlite_scan('{}/other.sqlite', 'secrets')",
    "EXPLAIN ANALYZE SELECT * FROM sqlite_scan('{}/other.sqlite', 'secrets')",
    "/* /* */ explain select 'a' -- */ select * from sqlite_scan('{}/other.sqlite', 'secrets')",
    "SELECT * FROM query('select * from sqlite_scan(''{}/other.sqlite'', ''secrets'')')",
    "SELECT * FROM ducklake_expire_snapshots('lake', older_than => now())",
    "SELECT * FROM ducklake_cleanup_old_files('lake', cleanup_all => true)",
    "SELECT * FROM enable_logging('QueryLog', storage = 'file', storage_path = '{}/log')",
]


@pytest.fixture(scope="module")
def con(stocked: Path) -> Iterator[Con]:
    """Return a connection to the shared lakehouse, and check afterwards that no test changed anything."""
    before = state(stocked)
    with reading(stocked) as opened:
        yield opened
    assert state(stocked) == before


@pytest.fixture(scope="module")
def beside(stocked: Path) -> Path:
    """Return the directory of the lakehouse, with another SQLite file that holds a secret beside it."""
    other = sqlite3.connect(stocked.parent / "other.sqlite")
    other.execute("CREATE TABLE IF NOT EXISTS secrets AS SELECT 'hunter2' AS secret")
    other.commit()
    other.close()
    return stocked.parent


@pytest.mark.parametrize("sql", READS)
def test_reading_statements_are_answered(con: Con, sql: str) -> None:
    assert ask(con, sql).rows


@pytest.mark.parametrize("sql", WRITES)
def test_anything_but_reading_is_refused(con: Con, beside: Path, sql: str) -> None:
    files = sorted(beside.iterdir())
    with pytest.raises(StoreError, match=r"^metabt sql is read-only: .*(use SELECT|pass one at a time)"):
        ask(con, sql.format(beside))
    assert sorted(beside.iterdir()) == files


@pytest.mark.parametrize("sql", REACHES)
def test_files_are_out_of_reach(con: Con, beside: Path, sql: str) -> None:
    with pytest.raises(StoreError, match=r"table function '\w+' is refused|read-only"):
        ask(con, sql.format(beside))


@pytest.mark.parametrize("sql", ["SELECT * FROM '/etc/passwd'", "SELECT * FROM beside", "SELECT * FROM 'other.sqlite'"])
def test_neither_files_nor_python_variables_are_tables(con: Con, beside: Path, sql: str) -> None:
    with pytest.raises(StoreError, match=r"does not exist[\s\S]*tables: .*prices.*weights"):
        ask(con, sql)


def test_a_misspelt_table_lists_what_there_is(con: Con) -> None:
    with pytest.raises(
        StoreError,
        match=r"Table with name wieghts does not exist[\s\S]*tables: actions, asked, assets, cal.*, contr.*, weights",
    ):
        ask(con, "SELECT * FROM wieghts")


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT nope FROM prices", "SELECT 1/0 + 'a'"])
def test_a_wrong_statement_gets_the_message_of_duckdb(con: Con, sql: str) -> None:
    with pytest.raises(StoreError, match=r"^SQL: \w+ Error"):
        ask(con, sql)


@pytest.mark.parametrize(
    "sql", ["DELETE FROM prices", "FROM read_text('/etc/passwd')", "SET threads = 1", "INSTALL httpfs"]
)
def test_what_is_not_admitted_would_not_write_either(con: Con, sql: str) -> None:
    """Behind the parser's word: the attachment is read-only, external access off and the configuration locked."""
    with pytest.raises(duckdb.Error, match="read-only|disabled|locked"):
        con.execute(sql)


def test_query_opens_asks_and_closes(unchanged: Path) -> None:
    assert query(unchanged, "SELECT count(*) AS n FROM prices") == QueryResult(("n",), ("BIGINT",), ((900,),))


def test_a_users_connection_reads_what_another_writes(tmp_path: Path) -> None:
    ingest(tmp_path, "a", wide(50))
    with connect(tmp_path) as reader, attach(tmp_path) as writer:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO ingests (dataset) VALUES ('half')")
        assert reader.execute("SELECT count(*) FROM ingests").fetchall() == [(1,)]
        writer.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM ingests").fetchall() == [(2,)]
        assert reader.execute("SELECT count(close) FROM prices").fetchall() == [(150,)]
        ingest(tmp_path, "b", wide(60))
        assert reader.execute("SELECT count(close) FROM prices").fetchall() == [(330,)]


SQL = """SELECT DATE '2020-01-31' AS date, 'a,"b' AS text, 0.1::DOUBLE + 0.2 AS x, 7 AS n, true AS flag, NULL AS gone,
TIMESTAMP '2020-01-31 10:00:00' AS stamp, [1.5::DOUBLE, NULL] AS list"""


def test_csv_is_exact(con: Con) -> None:
    header, row = csv.reader(io.StringIO(ask(con, SQL).to("csv")))
    assert header == ["date", "text", "x", "n", "flag", "gone", "stamp", "list"]
    assert row == [
        "2020-01-31",
        'a,"b',
        "0.30000000000000004",
        "7",
        "true",
        "",
        "2020-01-31T10:00:00",
        "[1.5, null]",
    ]


def test_json_is_exact(con: Con) -> None:
    (row,) = json.loads(ask(con, SQL).to("json"))
    assert row == {
        "date": "2020-01-31",
        "text": 'a,"b',
        "x": 0.1 + 0.2,
        "n": 7,
        "flag": True,
        "gone": None,
        "stamp": "2020-01-31T10:00:00",
        "list": [1.5, None],
    }


def test_json_keeps_columns_of_one_name_apart(con: Con) -> None:
    assert json.loads(ask(con, "SELECT 1 AS a, 2 AS a").to("json")) == [{"a": 1, "a_2": 2}]


def test_json_never_writes_what_is_no_json(con: Con) -> None:
    assert json.loads(ask(con, "SELECT 'nan'::DOUBLE AS a, 'inf'::DOUBLE AS b").to("json")) == [{"a": None, "b": None}]


def test_the_table_is_aligned(con: Con) -> None:
    text = ask(con, "SELECT symbol, count(*) AS n, 0.123456789::DOUBLE AS x FROM prices GROUP BY ALL ORDER BY ALL").to(
        "table"
    )
    assert text.splitlines() == [
        "symbol    n         x",
        "------  ---  --------",
        *(f"{symbol}      300  0.123457" for symbol in ("AA", "BB", "CC")),
        "(3 rows)",
    ]


def test_the_table_shows_control_characters_instead_of_sending_them() -> None:
    text = QueryResult(("a",), ("VARCHAR",), (("\x1b[2Jx\ny",),)).to("table")
    assert "\x1b" not in text
    assert text.splitlines()[2] == r"\x1b[2Jx\ny"


def test_no_rows_are_still_an_answer(con: Con) -> None:
    answer = ask(con, "SELECT symbol FROM prices WHERE false")
    assert [answer.to(form) for form in ("table", "csv", "json")] == ["symbol\n------\n(0 rows)", "symbol", "[]"]


def test_an_unknown_format_is_refused(con: Con) -> None:
    with pytest.raises(ConfigError, match="did you mean 'json'"):
        ask(con, "SELECT 1").to("jsn")


@given(st.lists(st.sampled_from(["a", "a_2", "a_3", "a_2_2", "b"]), min_size=1, max_size=7))
def test_no_column_hides_another_in_json(columns: list[str]) -> None:
    (row,) = json.loads("".join(texts("json", columns, [""] * len(columns), [[tuple(range(len(columns)))]])))
    assert sorted(row.values()) == list(range(len(columns)))
    assert all(name in row for name in columns)


@pytest.mark.parametrize(
    "sql", ["explain (format json) select 1", "-- why\nexplain select 1", "explain copy runs to 'x'"]
)
def test_an_explain_that_is_refused_is_told_how_to_ask(con: Con, sql: str) -> None:
    with pytest.raises(StoreError, match="this EXPLAIN is refused; .*without options in brackets"):
        ask(con, sql)
