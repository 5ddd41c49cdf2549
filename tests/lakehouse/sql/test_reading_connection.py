"""A user's connection passes what reads; nothing that it is given writes a byte into the lakehouse."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import MethodType
from typing import Any

import duckdb
import pytest

import metabt
from metabt.errors import StoreError
from metabt.lakehouse import attach, connect, ingest, query
from metabt.lakehouse.sql import read_only
from metabt.lakehouse.sql.admission import TABLE_FUNCTIONS
from metabt.lakehouse.sql.reading_connection import Answer, ReadingConnection
from tests.lakehouse.conftest import wide

FILE = "{lake}/data/main/prices/dataset=d/year=2019/x.parquet"
COPIES = [
    f"copy (select 1) to '{FILE}' (format parquet)",
    "copy (select 1) to '{price}' (format parquet)",
    "copy prices to '{lake}/data/x.csv'",
    "copy prices to '{lake}/data' (format parquet, partition_by (symbol), overwrite_or_ignore)",
    "copy prices to '{lake}/data/x.json'",
    "copy prices from '{price}'",
    "copy from database lake to memory",
    "copy (from prices) to '{lake}/catalog.sqlite'",
    "export database '{lake}/data/out'",
    "export database '{lake}/data/out' (format parquet)",
    "import database '{lake}/data'",
]
WRITES = [
    *COPIES,
    "insert into prices select * from prices",
    "insert into prices by name select * from prices returning *",
    "insert or replace into datasets select * from datasets",
    "update prices set close = 1",
    "delete from prices",
    "delete from prices using datasets where true",
    "truncate prices",
    "merge into prices using prices p on false when not matched then insert",
    "drop table prices",
    "drop schema main cascade",
    "drop view latest.runs",
    "create table t (a int)",
    "create or replace table prices as select 1",
    "create temp table t as select 1",
    "create view v as select 1",
    "create schema s",
    "create sequence s",
    "create macro f(a) as a",
    "create function f(a) as table select a",
    "create type t as enum ('a')",
    "create index i on prices (symbol)",
    "create secret (type s3)",
    "alter table prices add column a int",
    "alter table prices rename to p",
    "alter table prices set partitioned by (symbol)",
    "alter view latest.runs rename to r",
    "comment on table prices is 'x'",
    "attach '{lake}/data/other.db' as o",
    "attach '{lake}/catalog.sqlite' as o (type sqlite)",
    "attach 'ducklake:sqlite:{lake}/catalog.sqlite' as o (data_path '{lake}/data/')",
    "attach or replace ':memory:' as lake",
    "detach lake",
    "use memory",
    "use __ducklake_metadata_lake",
    "install httpfs",
    "force install httpfs",
    "load httpfs",
    "load '{lake}/data/x.duckdb_extension'",
    "update extensions",
    "set threads = 1",
    "set global memory_limit = '1GB'",
    "set session temp_directory = '{lake}/data/tmp'",
    "set variable a = 1",
    "set log_query_path = '{lake}/data/log'",
    "set enable_external_access = true",
    "reset lock_configuration",
    "reset all",
    "pragma threads = 1",
    "pragma enable_profiling",
    "pragma profiling_output = '{lake}/data/profile.json'",
    "pragma database_list",
    "pragma force_checkpoint",
    "pragma table_info('prices')",
    "pragma copy_database('lake', 'memory')",
    "checkpoint",
    "checkpoint lake",
    "force checkpoint lake",
    "vacuum",
    "vacuum analyze prices",
    "analyze",
    "analyze prices",
    "begin",
    "begin transaction read write",
    "commit",
    "rollback",
    "prepare p as select 1",
    "prepare p as copy (select 1) to '{price}'",
    "execute p",
    "execute p(1)",
    "deallocate p",
    "call ducklake_flush_inlined_data('lake')",
    "call lake.flush_inlined_data()",
    "call ducklake_expire_snapshots('lake', older_than => now())",
    "call ducklake_merge_adjacent_files('lake')",
    "call lake.merge_adjacent_files()",
    "call ducklake_rewrite_data_files('lake')",
    "call ducklake_cleanup_old_files('lake', cleanup_all => true)",
    "call ducklake_delete_orphaned_files('lake', cleanup_all => true)",
    "call ducklake_add_data_files('lake', 'prices', '{price}')",
    "call ducklake_set_option('lake', 'parquet_compression', 'zstd')",
    "call lake.set_option('parquet_compression', 'zstd')",
    "call lake.set_commit_message('a', 'b')",
    "call ducklake_commit('lake')",
    "call enable_logging('QueryLog', storage = 'file', storage_path = '{lake}/data/log')",
    "call truncate_duckdb_logs()",
    "call pragma_version()",
    "explain analyze copy (select 1) to '{price}' (format parquet)",
    "explain analyze select 1",
    "explain (analyze) select 1",
    "explain (analyze, format json) copy (select 1) to '{price}'",
    "EXPLAIN/**/ANALYZE COPY (SELECT 1) TO '{price}'",
    "explain analyze explain analyze copy (select 1) to '{price}'",
    "explain analyze delete from prices",
    "explain analyze call ducklake_flush_inlined_data('lake')",
    "explain analyze checkpoint",
    "explain copy (select 1) to '{price}'",
    "explain delete from prices",
    "insert into __ducklake_metadata_lake.ducklake_metadata values ('a', 'b', null, null)",
    "update __ducklake_metadata_lake.ducklake_data_file set path = 'x'",
    "delete from __ducklake_metadata_lake.ducklake_snapshot",
    "select 1; copy (select 1) to '{price}'",
    "copy (select 1) to '{price}'; select 1",
    "select 1; select 2",
    "select 1 /* ; */; checkpoint",
    "-- select 1\ncopy (select 1) to '{price}'",
    "/* select */ copy (select 1) to '{price}'",
    "/* /* */ explain select 'a' -- */ copy (select 1) to '{price}'",
    "\ufeffcopy (select 1) to '{price}'",
    ";;;",
    "",
    "-- nothing",
    "with a as (insert into prices select * from prices returning 1) from a",
    "from (delete from prices returning 1)",
    "select 1 into prices",
    "with a as (select 1) insert into prices select * from prices",
    "with a as (select 1) delete from prices",
    "pivot prices on symbol using first(close)",
    "from prices |> copy",
    "select json_serialize_plan('select * from ducklake_flush_inlined_data(''lake'')')",
    "select write_log('x', scope => 'database')",
]
CALLS = [
    "ducklake_flush_inlined_data('lake')",
    "ducklake_expire_snapshots('lake', older_than => now())",
    "ducklake_merge_adjacent_files('lake')",
    "ducklake_rewrite_data_files('lake')",
    "ducklake_cleanup_old_files('lake', cleanup_all => true)",
    "ducklake_delete_orphaned_files('lake', cleanup_all => true)",
    "ducklake_add_data_files('lake', 'prices', '{price}')",
    "ducklake_set_option('lake', 'parquet_compression', 'zstd')",
    "ducklake_set_commit_message('lake', 'a', 'b')",
    "ducklake_commit('lake')",
    "sqlite_attach('{lake}/catalog.sqlite')",
    "sqlite_query('__ducklake_metadata_lake', 'delete from ducklake_snapshot')",
    "sqlite_scan('{lake}/catalog.sqlite', 'ducklake_snapshot')",
    "json_execute_serialized_sql(json_serialize_sql('select 1'))",
    "query('copy (select 1) to ''{price}''')",
    "query_table('prices')",
    "copy_database('lake', 'memory')",
    "import_database('{lake}/data')",
    "checkpoint()",
    "force_checkpoint()",
    "checkpoint('lake')",
    "enable_logging('QueryLog', storage = 'file', storage_path = '{lake}/data/log')",
    "enable_profiling(save_location = '{lake}/data/profile.json')",
    "read_text('{lake}/catalog.sqlite')",
    "read_parquet('{price}')",
    "glob('{lake}/**')",
    "truncate_duckdb_logs()",
    "add_parquet_key('a', '0123456789112345')",
]
CORPUS = [
    *WRITES,
    *(f"select * from {call}" for call in CALLS),
    *(f"with a as materialized (select 1 as b where exists (from {call})) select * from a" for call in CALLS[:12]),
    *(f"explain select * from {call}" for call in CALLS[:4]),
]
READS = [
    "select count(*) from prices",
    "FROM prices LIMIT 1;",
    "with a as (select 1) from a",
    "values (1)",
    "show tables",
    "show all tables",
    "describe prices",
    "summarize prices",
    "explain select * from prices",
    "table prices limit 1",
    "from prices at (version => 2) limit 1",
    "select * from ducklake_snapshots('lake')",
    "select * from range(3)",
    "select 1 -- ; drop table prices",
    "select 'copy prices to x', 1",
    "from latest.runs union all from runs",
]


def digests(folder: Path) -> dict[str, str]:
    """Return path -> SHA-256 of every file, but for SQLite's locks and its empty log, which readers leave too."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and not file.name.endswith("-shm")]
    found = {str(file.relative_to(folder)): file.read_bytes() for file in files}
    return {name: hashlib.sha256(text).hexdigest() for name, text in found.items() if text}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse with data files, deleted rows, rows in the catalogue and several snapshots."""
    path = tmp_path_factory.mktemp("lake") / "lake"
    ingest(path, "d", wide(400))
    ingest(path, "d", wide(400) * 1.5)
    with attach(path) as con:
        con.execute("DELETE FROM calendars WHERE date < '2019-10-05'")
    return path


@pytest.fixture(scope="module")
def con(lake: Path) -> Iterator[ReadingConnection]:
    before = digests(lake)
    with connect(lake) as opened:
        yield opened
    assert digests(lake) == before


def stated(sql: str, lake: Path) -> str:
    price = next((lake / "data").rglob("*.parquet"))
    return sql.replace("{lake}", str(lake)).replace("{price}", str(price))


def test_nothing_that_it_is_given_writes(con: ReadingConnection, lake: Path) -> None:
    assert len(CORPUS) >= 150 and len(set(CORPUS)) == len(CORPUS)
    con.execute("from prices").fetchall()
    before = digests(lake)
    outside = sorted(lake.parent.iterdir())
    for sql in CORPUS:
        for ask in (con.execute, con.sql, con.query, con.cursor().execute):
            with pytest.raises((StoreError, duckdb.Error)):
                ask(stated(sql, lake)).fetchall()
                pytest.fail(f"was answered: {sql}")
        assert digests(lake) == before, sql
    for sql, values in (
        ("copy (select ?) to '{price}'", [1]),
        ("select * from query(?)", ["checkpoint"]),
        ("from ducklake_flush_inlined_data($1)", ["lake"]),
        ("insert into datasets (dataset) values ($name)", {"name": "x"}),
    ):
        with pytest.raises((StoreError, duckdb.Error)):
            con.execute(stated(sql, lake), values)
    assert digests(lake) == before and sorted(lake.parent.iterdir()) == outside


def test_nothing_that_the_command_is_given_writes(lake: Path) -> None:
    """`metabt sql` and `query` answer that of the statements alone that measures a SELECT."""
    query(lake, "from prices")
    before, outside = digests(lake), sorted(lake.parent.iterdir())
    answered = []
    with read_only.reading(lake) as opened:
        for sql in CORPUS:
            with suppress(StoreError):
                read_only.ask(opened, stated(sql, lake))
                answered.append(sql)
            assert digests(lake) == before, sql
    assert answered == ["explain analyze select 1"]
    for sql in answered:
        assert query(lake, sql).rows
    assert digests(lake) == before and sorted(lake.parent.iterdir()) == outside


@pytest.mark.parametrize("sql", READS)
def test_what_reads_is_answered(con: ReadingConnection, sql: str) -> None:
    rows = con.sql(sql).fetchall()
    same = [con.execute(sql).fetchall(), rows]
    if sql.startswith("summarize"):  # its quantiles are estimates, others each time
        same = [[row[:4] for row in answer] for answer in same]
    assert same[0] == same[1]
    assert rows or "latest" in sql


def test_only_functions_that_cannot_write_are_let_in(con: ReadingConnection) -> None:
    """Of all table functions that DuckDB and its extensions have here, those of the list alone."""
    names = con.sql("select function_name from (values ('range')) t(function_name)").fetchall()
    assert names == [("range",)]
    with duckdb.connect() as free:
        rows = free.execute("select distinct function_name from duckdb_functions() where function_type = 'table'")
        known = [name for (name,) in rows.fetchall()]
    assert len(known) > 80
    for name in set(known) - set(TABLE_FUNCTIONS):
        with pytest.raises(StoreError, match=f"table function '{name}' is refused"):
            con.execute(f"select * from {name}()")


class Statement(str):
    """A text that might not be what it is."""


def test_only_texts_are_taken(con: ReadingConnection, lake: Path) -> None:
    copy = stated("copy (select 1) to '{price}' (format parquet)", lake)
    for given in (duckdb.extract_statements(copy)[0], copy.encode(), None, duckdb.values(1)):
        with pytest.raises(StoreError, match="takes one SELECT as text"):
            con.execute(given)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="is refused"):
        con.execute(Statement(copy))


def reached(thing: Any, depth: int = 3) -> Iterator[Any]:
    """Yield what public attributes lead to, and what their methods are bound to."""
    for name in dir(thing) if depth else ():
        if name.startswith("_"):
            continue
        value = getattr(thing, name)
        yield value
        yield getattr(value, "__self__", None)
        if not inspect.isroutine(value):
            yield from reached(value, depth - 1)


def test_nothing_leads_back_to_a_connection_that_writes(con: ReadingConnection) -> None:
    free = (duckdb.DuckDBPyConnection, duckdb.DuckDBPyRelation)
    con.execute("from prices")
    answer = con.sql("from prices")
    given = [con, con.cursor(), con.execute("from prices"), answer, con.query("select 1"), con.arrow()]
    for thing in given:
        assert not isinstance(thing, free)
        for value in reached(thing):
            assert not isinstance(value, free), (thing, value)
            assert not isinstance(value, MethodType) or not isinstance(value.__self__, free)


@pytest.mark.parametrize(
    "name",
    (
        "executemany register unregister append create_function from_parquet from_query from_df install_extension "
        "load_extension begin commit rollback checkpoint table view values read_csv register_filesystem "
        "to_parquet to_csv write_parquet write_csv create create_view insert insert_into to_table to_view update "
        "query_df extract_statements get_table_names"
    ).split(),
)
def test_other_methods_of_duckdb_are_not_there(con: ReadingConnection, name: str) -> None:
    for thing in (con, con.cursor(), con.sql("select 1"), con.execute("select 1")):
        with pytest.raises(AttributeError, match=f"'{name}' is not offered.*execute|'{name}' is not offered.*show"):
            getattr(thing, name)


def test_answers_come_in_every_form(lake: Path) -> None:
    sql = "select symbol, date, close from prices where symbol = ? order by date"
    with attach(lake, read_only=True) as free:
        rows = free.execute(sql, ["AA"]).fetchall()
    with metabt.connect(lake) as con:
        assert con.execute(sql, ["AA"]).fetchall() == rows and len(rows) == 400
        assert con.execute(sql.replace("?", "$s"), {"s": "AA"}).fetchone() == rows[0]
        assert con.fetchmany(2) == rows[1:3] and con.fetchone() == rows[3] and con.fetchall() == rows[4:]
        assert [column[0] for column in con.description or ()] == ["symbol", "date", "close"]
        assert list(con.execute(sql, ["AA"])) == rows
        frame = con.execute(sql, ["AA"]).df()
        assert frame["close"].tolist() == [row[2] for row in rows]
        assert frame.equals(con.execute(sql, ["AA"]).fetchdf()) and frame.equals(con.sql(sql, params=["AA"]).df())
        assert con.execute(sql, ["AA"]).arrow().read_all().num_rows == 400
        assert con.execute(sql, ["AA"]).to_arrow_table()["close"].to_pylist() == [row[2] for row in rows]
        assert con.execute(sql, ["AA"]).fetchnumpy()["close"].tolist() == [row[2] for row in rows]


def test_an_answer_can_be_fetched_again_and_beside_others(con: ReadingConnection) -> None:
    one, other = con.sql("from range(5000)"), con.sql("select range + 10 from range(3)")
    assert isinstance(one, Answer)
    rows = iter(one)
    assert next(rows) == (0,) and other.fetchone() == (10,) and next(rows) == (1,)
    assert other.fetchall() == [(11,), (12,)] and other.fetchall() == [(10,), (11,), (12,)]
    assert sum(row[0] for row in rows) == sum(range(2, 5000))
    con.execute("from range(3000)")
    assert con.fetchone() == (0,) and len(con.sql("from range(10)").fetchall()) == 10 and con.fetchone() == (1,)
    assert one.columns == ["range"] and one.types == ["BIGINT"]
    assert "there are more" in repr(one) and "(3 rows)" in repr(other)
    cursor = con.cursor()
    assert cursor.execute("select count(*) from prices").fetchone() == (1200,) and con.fetchone() == (2,)


def test_a_closed_connection_says_so(lake: Path) -> None:
    con = connect(lake)
    con.close()
    con.close()
    for call in (lambda: con.execute("select 1"), lambda: con.sql("select 1"), con.cursor, con.fetchall):
        with pytest.raises(StoreError, match=r"closed; call metabt\.connect again"):
            call()


def test_one_run_stays_one_run_on_every_cursor(lake: Path) -> None:
    with connect(lake, "none") as con:
        assert con.sql("select count(*) from runs").fetchall() == [(0,)]
        assert con.cursor().execute("select count(*) from weights").fetchall() == [(0,)]
