"""What breaks when DuckDB does or says something in another way: habits that it promises nobody."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest

from metabt.lakehouse import attach, commit_run, load_run
from metabt.lakehouse.catalog.catalog_location import existing
from metabt.lakehouse.catalog.connection_loss import is_outage, said
from metabt.lakehouse.catalog.extensions import _extension_wheel
from metabt.lakehouse.sql.admission import _functions, _syntax
from metabt.lakehouse.sql.read_only import reading
from metabt.values.tables import Coded
from tests.lakehouse.runs.test_stored_runs import run
from tests.shared.resealed import reseal


def test_rows_come_back_in_the_order_in_which_they_were_written(fresh: Path) -> None:
    """DuckLake's rowid follows it, in files and in rows that are kept in the catalogue, whatever was deleted before."""
    written = {}
    for number, n_rows in enumerate((3, 40_000, 5, 2)):
        order = np.random.default_rng(number).permutation(n_rows).astype(float)
        names = Coded(np.zeros(n_rows, np.int32), ("m",))
        written[f"r{number}"] = order
        commit_run(fresh, run(f"r{number}"), {"metrics": {"path": names, "metric": names, "value": order}})
        with attach(fresh) as con:
            con.execute("DELETE FROM metrics WHERE value = 1 AND run_id = 'r0'")
            reseal(con, ["metrics"])
    written["r0"] = written["r0"][written["r0"] != 1]
    with attach(fresh, read_only=True) as con:
        for name, order in written.items():
            assert np.array_equal(load_run(con, name)[1]["metrics"]["value"], order), name


def test_table_functions_are_found_in_the_syntax_tree(unchanged: Path) -> None:
    """json_serialize_sql: its shape decides what `metabt sql` may reach; a function overlooked could read any file."""
    hidden = (
        "WITH a AS (SELECT * FROM (SELECT 1) JOIN sqlite_scan('x', 'y') ON true) SELECT * FROM a, range(3) UNION ALL "
    )
    hidden += "SELECT (SELECT max(content) FROM read_text('z')), 2"
    with reading(unchanged) as con:
        found = sorted(name for of_table, name in _functions(_syntax(con, hidden)) if of_table)
        assert found == ["range", "read_text", "sqlite_scan"]
        assert _syntax(con, "SELECT 1") is not None
        assert _syntax(con, "DROP TABLE runs") is None and _syntax(con, "SELECT 1; SELECT 2") is None


def test_writers_that_meet_are_told_so_in_words_that_are_known(fresh: Path) -> None:
    """Of `conflicts`: only what is called so is tried again."""
    where = existing(fresh)
    assert where is not None
    with attach(fresh) as one, attach(fresh) as other:
        for con in (one, other):
            con.execute("BEGIN")
            con.execute("ALTER TABLE runs ADD COLUMN another INTEGER")
        one.execute("COMMIT")
        with pytest.raises(duckdb.Error) as error:
            other.execute("COMMIT")
    assert any(sign in str(error.value).lower() for sign in where.conflicts), error.value


def test_a_server_that_is_not_there_is_told_so_in_words_that_are_known() -> None:
    """Of OUTAGES; those in the middle of a statement need a server, and are tested where there is one."""
    wheel = _extension_wheel("postgres_scanner")
    if wheel is None:
        pytest.skip("the extension for PostgreSQL is not installed (metabt[postgres])")
    with duckdb.connect() as con:
        con.execute(f"LOAD '{wheel}'")
        with pytest.raises(duckdb.Error) as error:
            con.execute("ATTACH 'host=127.0.0.1 port=1 connect_timeout=2' AS there (TYPE postgres)")
    assert is_outage(str(error.value)) and "127.0.0.1" in said(str(error.value))


@pytest.mark.parametrize("name", ["ducklake", "sqlite_scanner"])
def test_extensions_lie_in_their_wheels_where_they_are_looked_for(name: str) -> None:
    assert _extension_wheel(name) is not None, "DuckDB would download it"
