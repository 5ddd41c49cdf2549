"""Many runs are stored at once, each as if it were alone, and a run is replaced only by more of itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import numpy as np
import pytest

from metabt.errors import ConfigError
from metabt.lakehouse import (
    attach,
    commit_run,
    commit_runs,
    connect,
    find_run,
    find_runs,
    list_runs,
    load_run,
    resolve_run,
    run_row,
    snapshot,
)
from metabt.lakehouse.catalog.schema import RUN_TABLES, insert
from metabt.lakehouse.runs import commits
from metabt.values.tables import Table
from tests.lakehouse.conftest import state
from tests.lakehouse.runs.test_stored_runs import assert_same_table, run, table

Con = duckdb.DuckDBPyConnection
Run = tuple[dict[str, object], dict[str, Table]]

FAILED = {"status": "failed", "error": "sleeve 'demo/a': ruined on 2020-03-09"}


def some_run(number: int, **columns: object) -> Run:
    """Return a run that fills some of the tables, others without a row or not at all."""
    names = [name for i, name in enumerate(RUN_TABLES) if (i + number) % 4]
    tables = {name: table(name, (7 * number + i) % 12, number + i) for i, name in enumerate(names)}
    return {**run(f"{number:03d}"), "overrides": f'["lookback={number}"]', **columns}, tables


def assert_stored(con: Con, expected: Run) -> None:
    """Check that a run is stored as it was handed over, to the bit."""
    row, tables = load_run(con, str(expected[0]["run_id"]))
    assert row == expected[0]
    for name in RUN_TABLES:
        assert_same_table(tables[name], expected[1].get(name) or table(name, 0))


def test_runs_stored_together_come_back_as_if_alone(fresh: Path, watch: Con) -> None:
    runs = [some_run(number) for number in (5, 1, 9, 3, 0, 2)]
    before = snapshot(watch)
    assert commit_runs(fresh, runs) == 6
    assert snapshot(watch) == before + 1
    for expected in runs:
        assert_stored(watch, expected)
    assert len(list_runs(watch)) == 6


@pytest.mark.parametrize("together", [1, 7, 20])
def test_runs_stored_a_few_at_a_time_come_back_as_well(
    fresh: Path, watch: Con, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    monkeypatch.setattr("metabt.lakehouse.runs.run_rows.TOGETHER", together)
    runs = [some_run(number) for number in range(8)]
    batches = list(commits._parts("returns", {str(row["run_id"]): (row, tables) for row, tables in runs}))
    assert all(len(batch) < together + 12 for batch in batches) and len(batches) > 1
    assert commit_runs(fresh, runs) == 8
    for expected in runs:
        assert_stored(watch, expected)


def test_runs_whose_texts_are_more_than_32_bits_count_come_back_as_well(
    fresh: Path, watch: Con, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Configurations of all runs of a sweep are one column; here 100 bytes stand for the 2 GiB that they may have."""
    monkeypatch.setattr("metabt.values.buffers.SHORT", 100)
    runs = [some_run(number, config=f'{{"lookback": {number}, "name": "{"x" * 40}"}}') for number in (5, 1, 9, 3)]
    assert commit_runs(fresh, runs) == 4
    for expected in runs:
        assert_stored(watch, expected)


def test_a_table_is_written_once_for_all_runs(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def count(con: Con, name: str, rows: object) -> None:
        insert(con, name, rows)
        written.append(name)

    monkeypatch.setattr("metabt.lakehouse.runs.commits.insert", count)
    assert commit_runs(fresh, [some_run(number) for number in range(50)]) == 50
    assert sorted(written) == sorted(["runs", *RUN_TABLES])


def test_runs_lie_in_the_order_of_their_identity(fresh: Path, watch: Con) -> None:
    commit_runs(fresh, [some_run(number) for number in (4, 2, 8, 6)])
    for name in ("runs", "returns", "metrics"):
        found = [row[0] for row in watch.execute(f"SELECT run_id FROM {name} ORDER BY rowid").fetchall()]
        assert found == sorted(found) and len(found) > 3


def test_runs_that_are_there_are_left_out(fresh: Path, watch: Con) -> None:
    commit_runs(fresh, [some_run(1), some_run(2)])
    assert commit_runs(fresh, [some_run(2, portfolio="renamed"), some_run(3), some_run(1, portfolio="renamed")]) == 1
    for number in (1, 2, 3):
        assert_stored(watch, some_run(number))
    before = state(watch)
    assert commit_runs(fresh, [some_run(3), some_run(1)]) == commit_runs(fresh, []) == 0
    assert state(watch) == before


def test_of_two_runs_with_one_identity_the_first_is_stored(fresh: Path, watch: Con) -> None:
    assert commit_runs(fresh, [some_run(1), some_run(2), some_run(1, portfolio="again")]) == 2
    assert_stored(watch, some_run(1))


OK, SUMMARY, FAILURE = {"keep": "all"}, {"keep": "summary"}, {"keep": "summary", **FAILED}


@pytest.mark.parametrize(
    ("stored", "new", "replaced"),
    [
        (OK, OK, False),
        (OK, SUMMARY, False),
        (OK, FAILURE, False),
        (SUMMARY, OK, True),
        (SUMMARY, SUMMARY, False),
        (SUMMARY, FAILURE, False),
        (SUMMARY, {"keep": "all", **FAILED}, False),
        (FAILURE, OK, True),
        (FAILURE, SUMMARY, True),
        (FAILURE, FAILURE, True),
    ],
)
def test_a_run_is_replaced_only_by_more_of_itself(
    fresh: Path, watch: Con, stored: Mapping[str, object], new: Mapping[str, object], replaced: bool
) -> None:
    first, second = some_run(1, **stored), (some_run(1, **new, seconds=7.0)[0], some_run(5)[1])
    commit_runs(fresh, [first, some_run(2)])
    before = snapshot(watch)
    assert commit_runs(fresh, [second]) == replaced
    assert snapshot(watch) == before + replaced
    assert_stored(watch, second if replaced else first)
    assert_stored(watch, some_run(2))
    assert len(list_runs(watch)) == 2


def test_a_crash_while_replacing_keeps_what_was_there(fresh: Path, watch: Con, monkeypatch: pytest.MonkeyPatch) -> None:
    commit_runs(fresh, [some_run(1, keep="summary"), some_run(2)])
    before = state(watch)

    def crash(con: Con, name: str, rows: object) -> None:
        insert(con, name, rows)
        if name == "runs":
            raise KeyboardInterrupt

    monkeypatch.setattr("metabt.lakehouse.runs.commits.insert", crash)
    with pytest.raises(KeyboardInterrupt):
        commit_runs(fresh, [some_run(1), some_run(3)])
    assert state(watch) == before
    assert_stored(watch, some_run(1, keep="summary"))


@pytest.mark.parametrize("read_only", [True, False])
def test_a_connection_that_has_read_writes_and_is_closed(fresh: Path, watch: Con, read_only: bool) -> None:
    commit_run(fresh, *some_run(1))
    reader = attach(fresh, read_only=read_only)
    assert find_run(reader, "001") and not find_run(reader, "002")
    commit_run(fresh, *some_run(2))  # what others commit meanwhile is seen
    assert commit_runs(fresh, [some_run(2, portfolio="renamed"), some_run(3)], reader) == 1
    for number in (1, 2, 3):
        assert_stored(watch, some_run(number))
    with pytest.raises(duckdb.ConnectionException):
        reader.execute("SELECT 1")


def test_what_need_not_be_said_is_a_whole_run_outside_a_sweep(fresh: Path, watch: Con) -> None:
    short = {name: value for name, value in run().items() if name not in ("keep", "overrides", "error")}
    assert commit_run(fresh, short, {}) is True
    assert run_row(watch, "abc123") == run()


def test_failed_runs_are_listed_but_not_found(fresh: Path, watch: Con) -> None:
    commit_runs(fresh, [(run("ok1", "demo", 9), {}), ({**run("bad", "demo", 12), **FAILED}, {})])
    assert [(row["run_id"], row["error"]) for row in list_runs(watch)] == [("bad", FAILED["error"]), ("ok1", None)]
    assert find_runs(watch, ["bad", "ok1"]) == {"ok1"}
    assert find_run(watch, "ok1") and not find_run(watch, "bad")
    assert [resolve_run(watch, name) for name in ("latest", "demo", "bad", "b")] == ["ok1", "ok1", "bad", "bad"]


def test_where_every_run_failed_the_message_says_so(fresh: Path, watch: Con) -> None:
    commit_run(fresh, {**run("bad"), **FAILED}, {})
    for name, whose in (("latest", ""), ("demo", " of 'demo'")):
        with pytest.raises(ConfigError, match=f"every run{whose} in the lakehouse failed; select run_id, error"):
            resolve_run(watch, name)


def test_runs_kept_whole_are_told_from_summaries(fresh: Path) -> None:
    commit_runs(fresh, [(run("whole"), {}), ({**run("short"), "keep": "summary"}, {})])
    with connect(fresh) as con:  # questions are asked without access to anything but the lakehouse
        assert find_runs(con, ["whole", "short"]) == {"whole", "short"}
        assert find_runs(con, ["whole", "short"], keep="all") == {"whole"}
        assert find_run(con, "short") and not find_run(con, "short", keep="all")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"status": "done"}, "got status 'done', keep 'all'; wanted ok or failed"),
        ({"keep": "some"}, "keep 'some'; wanted .* all or summary"),
        ({"error": "no"}, "got error 'no', status 'ok'"),
        ({"status": "failed"}, "got error None, status 'failed'"),
        ({"colour": "red"}, r"columns \['colour'\] are missing or unknown"),
    ],
)
def test_rows_that_cannot_be_are_refused(fresh: Path, watch: Con, columns: dict[str, object], message: str) -> None:
    before = state(watch)
    with pytest.raises(ValueError, match=message):
        commit_runs(fresh, [(run("good"), {}), ({**run("wrong"), **columns}, {})])
    assert state(watch) == before


def test_columns_of_unequal_length_are_refused(fresh: Path, watch: Con) -> None:
    uneven = {**table("metrics", 3), "value": np.zeros(2)}
    with pytest.raises(ValueError, match="table 'metrics' of run 'abc123': .* rows"):
        commit_runs(fresh, [(run(), {"metrics": uneven}), (run("other"), {"metrics": table("metrics", 4)})])
    assert list_runs(watch) == []
