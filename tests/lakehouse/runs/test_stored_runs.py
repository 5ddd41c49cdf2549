"""A run is there whole or not at all, and comes back to the bit."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from metabt.errors import ConfigError, StoreError
from metabt.lakehouse import (
    attach,
    commit_run,
    find_run,
    find_runs,
    list_runs,
    load_run,
    resolve_run,
    run_row,
    snapshot,
)
from metabt.lakehouse.catalog import transaction
from metabt.lakehouse.catalog.schema import RUN_TABLES, SCHEMA, from_arrow, insert, to_arrow
from metabt.values.tables import Coded, Table
from tests.lakehouse.conftest import same, state

Con = duckdb.DuckDBPyConnection


def run(run_id: str = "abc123", portfolio: str = "demo", hour: int = 10) -> dict[str, object]:
    return {
        "run_id": run_id,
        "sweep_id": None,
        "portfolio": portfolio,
        "config": '{"name": "it\'s"}',
        "snapshot": 7,
        "versions": "{}",
        "engine": "local",
        "status": "ok",
        "started_at": datetime(2026, 1, 2, hour, 4, 5, 678901),
        "seconds": 0.1 + 0.2,
        "keep": "all",
        "overrides": None,
        "error": None,
    }


def table(name: str, n_rows: int, seed: int = 0) -> Table:
    """Return columns of table `name` filled at random, with awkward floats and missing values among them."""
    rng = np.random.default_rng(seed)
    awkward = np.array([0.0, -0.0, 5e-324, -2.2e-310, 1.7e308, 0.1 + 0.2, np.nan, 1 / 3])
    makers = {
        "VARCHAR": lambda: Coded(rng.integers(-1, 3, n_rows).astype(np.int32), ("demo", "it's", "ä/b")),
        "DATE": lambda: np.datetime64("1969-12-30") + rng.integers(0, 9999, n_rows),
        "DOUBLE": lambda: np.where(rng.random(n_rows) < 0.5, rng.normal(size=n_rows), rng.choice(awkward, n_rows)),
        "BIGINT": lambda: rng.integers(-(2**62), 2**62, n_rows),
        "BOOLEAN": lambda: rng.random(n_rows) < 0.5,
    }
    return {column: makers[kind]() for column, kind in SCHEMA[name].items() if column != "run_id"}


def texts(column: Coded) -> list[str | None]:
    return [column.values[code] if code >= 0 else None for code in column.codes]


def assert_same_table(found: Table, expected: Table) -> None:
    assert list(found) == list(expected)
    for name, column in expected.items():
        if isinstance(column, Coded):
            assert texts(found[name]) == texts(column)
        else:
            assert same(found[name], column), name


@pytest.fixture(scope="module")
def lake(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse with three runs of two portfolios; tests that share it must not change it."""
    path = Path(shutil.copytree(template, tmp_path_factory.mktemp("runs") / "lake"))
    commit_run(path, run("abc123", "demo", 10), {name: table(name, 3) for name in RUN_TABLES})
    commit_run(
        path, run("abd456", "demo", 12), {"weights": table("weights", 50_000, 1), "metrics": table("metrics", 0)}
    )
    commit_run(path, run("bcd789", "other", 11), {})
    return path


@pytest.fixture(scope="module")
def con(lake: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with attach(lake, read_only=True) as opened:
        yield opened


def test_a_run_comes_back_to_the_bit_and_in_order(con: duckdb.DuckDBPyConnection) -> None:
    found, tables = load_run(con, "abc123")
    assert found == run()
    assert list(tables) == list(RUN_TABLES)
    for name in RUN_TABLES:
        assert_same_table(tables[name], table(name, 3))


def test_a_large_table_keeps_its_order_too(con: duckdb.DuckDBPyConnection) -> None:
    _, tables = load_run(con, "abd456")
    assert_same_table(tables["weights"], table("weights", 50_000, 1))


def test_a_table_without_rows_comes_back_empty(con: duckdb.DuckDBPyConnection) -> None:
    _, tables = load_run(con, "bcd789")
    assert {len(table["path" if "path" in table else "date"]) for table in tables.values()} == {0}


def test_nan_is_stored_as_null(con: duckdb.DuckDBPyConnection) -> None:
    expected = int(np.isnan(table("weights", 50_000, 1)["target"]).sum())
    sql = "SELECT count(*) - count(target), coalesce(sum(isnan(target)::INT), 0) FROM weights WHERE run_id = 'abd456'"
    assert expected > 1000
    assert con.execute(sql).fetchall() == [(expected, 0)]


@settings(max_examples=100)
@given(values=hnp.arrays(np.float64, st.integers(1, 20), elements=st.floats(allow_nan=False)))
def test_floats_pass_through_arrow_to_the_bit(values: np.ndarray) -> None:
    rows = {"path": Coded.constant("p", len(values)), "metric": Coded.constant("m", len(values)), "value": values}
    back = from_arrow("metrics", to_arrow("metrics", rows, {"run_id": "r"}))
    assert same(back["value"], values)


def test_a_run_that_is_there_is_left_alone(lake: Path) -> None:
    before = state(lake)
    assert commit_run(lake, run("abc123", "renamed"), {"weights": table("weights", 5)}) is False
    assert state(lake) == before


def test_committing_says_that_it_did(fresh: Path, watch: Con) -> None:
    assert commit_run(fresh, run(), {"weights": table("weights", 5)}) is True
    assert find_run(watch, "abc123") and not find_run(watch, "abc12")


def test_a_run_is_one_snapshot(fresh: Path, watch: Con) -> None:
    before = snapshot(watch)
    commit_run(fresh, run(), {name: table(name, 30) for name in RUN_TABLES})
    assert snapshot(watch) == before + 1


def test_there_must_be_a_lakehouse(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no lakehouse"):
        commit_run(tmp_path / "nowhere", run(), {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (
            {"weights": {"date": np.array(["2020-01-01"], "M8[D]")}},
            "'weights': columns .* are missing or unknown",
        ),
        ({"weights": table("weights", 2) | {"more": np.zeros(2)}}, r"columns \['more'\] are missing or unknown"),
        ({"prices": table("metrics", 2)}, "table 'prices': a run cannot write it"),
        ({"weight": table("metrics", 2)}, "table 'weight': a run cannot write it"),
    ],
)
def test_tables_of_another_shape_are_refused(lake: Path, tables: dict[str, Table], message: str) -> None:
    before = state(lake)
    with pytest.raises(ValueError, match=message):
        commit_run(lake, run("new"), tables)
    assert state(lake) == before


def test_a_crash_in_the_middle_leaves_nothing(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state(lake)
    written = []

    def crash(con: duckdb.DuckDBPyConnection, name: str, rows: object) -> None:
        insert(con, name, rows)
        written.append(name)
        if len(written) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("metabt.lakehouse.runs.commits.insert", crash)
    with pytest.raises(KeyboardInterrupt):
        commit_run(lake, run("new"), {name: table(name, 50) for name in RUN_TABLES})
    assert len(written) == 3
    assert state(lake) == before


PRELUDE = """
import os, sys
from pathlib import Path
from metabt.lakehouse import commit_run
from metabt.lakehouse.runs import commits
from tests.lakehouse.runs.test_stored_runs import run, table
path = Path(sys.argv[1])
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PRELUDE + code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=Path(__file__).parents[3], stderr=subprocess.PIPE, text=True)


def test_a_killed_writer_leaves_nothing_and_blocks_nobody(fresh: Path, watch: Con) -> None:
    before = state(watch)
    dying = start(
        """
write = commits.insert
def die(con, name, rows):
    write(con, name, rows)
    if name == "runs":
        os.kill(os.getpid(), 9)
commits.insert = die
commit_run(path, run("dead"), {"weights": table("weights", 2000)})
""",
        fresh,
    )
    _, errors = dying.communicate(timeout=60)
    assert dying.returncode == -9, errors
    assert state(watch) == before
    assert commit_run(fresh, run("alive"), {"weights": table("weights", 2000)})


def test_three_processes_lose_nothing_and_repeat_nothing(fresh: Path, watch: Con) -> None:
    writers = [
        start(
            """
stored = [commit_run(path, run(f"{sys.argv[2]}{i}"), {"weights": table("weights", 30, i)}) for i in range(4)]
stored += [commit_run(path, run(f"shared{i}"), {"weights": table("weights", 30, i)}) for i in range(2)]
assert all(stored[:4])
""",
            fresh,
            name,
        )
        for name in "abc"
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    found = watch.execute("SELECT run_id, count(*) FROM weights GROUP BY run_id ORDER BY run_id").fetchall()
    names = sorted([f"{name}{i}" for name in "abc" for i in range(4)] + ["shared0", "shared1"])
    assert found == [(name, 30) for name in names]
    assert sorted(str(row["run_id"]) for row in list_runs(watch)) == names


def test_a_busy_catalogue_is_tried_again(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction.time, "sleep", lambda seconds: None)
    tries = []

    def busy_twice(con: duckdb.DuckDBPyConnection) -> str:
        tries.append(con)
        if len(tries) < 3:
            raise duckdb.TransactionException("Failed to commit: database is locked")
        return "done"

    assert transaction.transact(fresh, busy_twice) == "done"
    assert len(tries) == 3


def test_a_catalogue_that_stays_busy_is_reported(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(transaction, "ATTEMPTS", 2)

    def busy(con: duckdb.DuckDBPyConnection) -> None:
        raise duckdb.TransactionException("database is locked")

    with pytest.raises(StoreError, match="stayed locked by another program through 2 attempts.*end that program"):
        transaction.transact(fresh, busy)


def test_an_error_that_waiting_does_not_mend_is_not_tried_again(fresh: Path, watch: Con) -> None:
    tries = []

    def wrong(con: duckdb.DuckDBPyConnection) -> None:
        tries.append(con.execute("INSERT INTO runs (run_id) VALUES ('half')"))
        con.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(StoreError, match="nothing was written: .*nowhere"):
        transaction.transact(fresh, wrong)
    assert len(tries) == 1
    assert state(watch)[1]["runs"] == 0


@pytest.mark.parametrize(
    ("name", "run_id"),
    [
        ("latest", "abd456"),
        ("demo", "abd456"),
        ("other", "bcd789"),
        ("abc", "abc123"),
        ("b", "bcd789"),
        ("abc123", "abc123"),
    ],
)
def test_runs_are_found_by_many_names(con: duckdb.DuckDBPyConnection, name: str, run_id: str) -> None:
    assert resolve_run(con, name) == run_id


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ab", r"'ab' begins 2 runs \(abd456, abc123\); give more"),
        ("dem", "no run or portfolio 'dem' in the lakehouse; did you mean 'demo'"),
        ("%", "no run or portfolio '%'"),
        ("", "no run or portfolio ''"),
        ("x' OR 1=1 --", "no run or portfolio"),
    ],
)
def test_a_name_that_means_no_run_or_several_is_refused(
    con: duckdb.DuckDBPyConnection, name: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve_run(con, name)


def test_without_runs_there_is_no_latest(stocked: Path) -> None:
    with attach(stocked, read_only=True) as con, pytest.raises(ConfigError, match="no run yet; `metabt backtest`"):
        resolve_run(con, "latest")


def test_runs_are_listed_newest_first(con: duckdb.DuckDBPyConnection) -> None:
    assert [row["run_id"] for row in list_runs(con)] == ["abd456", "bcd789", "abc123"]
    large = ("config", "versions")
    assert list_runs(con)[2] == {name: value for name, value in run().items() if name not in large}
    assert [row["run_id"] for row in list_runs(con, "demo")] == ["abd456", "abc123"]
    assert [row["run_id"] for row in list_runs(con, "demo", 1)] == ["abd456"]
    assert [row["run_id"] for row in list_runs(con, limit=2)] == ["abd456", "bcd789"]
    assert list_runs(con, "dem") == []


def test_a_row_has_the_configuration(con: duckdb.DuckDBPyConnection) -> None:
    assert run_row(con, "abc123") == run()


def test_runs_are_found_many_at_once(con: duckdb.DuckDBPyConnection) -> None:
    assert find_runs(con, ["bcd789", "abc123", "nope", "x' OR 1=1 --"]) == {"abc123", "bcd789"}
    assert find_runs(con, []) == set()


def test_a_run_that_is_not_there_is_refused(con: duckdb.DuckDBPyConnection) -> None:
    for ask in (load_run, run_row):
        with pytest.raises(StoreError, match="no run 'nope' in the lakehouse; `metabt runs` lists"):
            ask(con, "nope")
