"""Askings: recorded with what they are for or not at all, in the order in which they came, and never in the way."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from metabt.errors import StoreError
from metabt.lakehouse import Asking, commit_run, commit_runs, record, resolve_run, run_row
from metabt.lakehouse.catalog.schema import insert
from tests.lakehouse.conftest import state

Con = duckdb.DuckDBPyConnection
AT = datetime(2026, 1, 2, 3, 4, 5, 6)


def run(run_id: str, **columns: object) -> dict[str, object]:
    row = dict.fromkeys(("sweep_id", "overrides"), None) | dict.fromkeys(("config", "versions"), "{}")
    row |= {"run_id": run_id, "portfolio": "demo", "snapshot": 1, "engine": "local", "status": "ok"}
    return {**row, "started_at": AT, "seconds": 1.0, **columns}


def asked(run_id: str, at: datetime = AT, sweep_id: str | None = None) -> tuple[str, str | None, datetime, str]:
    return run_id, sweep_id, at, "[]"


def rows(con: Con) -> list[tuple]:
    return con.execute('SELECT run_id, "at" FROM asked ORDER BY "at"').fetchall()


def test_askings_of_one_instant_keep_their_order(fresh: Path, watch: Con) -> None:
    for run_id in ("a", "b"):
        commit_run(fresh, run(run_id), {}, asked=[asked(run_id)])
        assert resolve_run(watch, "demo") == resolve_run(watch) == run_id
    for run_id in ("a", "b", "a"):  # found again
        assert record(fresh, [asked(run_id)])
        assert resolve_run(watch, "demo") == resolve_run(watch) == run_id
    assert [name for name, _ in rows(watch)] == ["a", "b", "a", "b", "a"]
    assert [at - AT for _, at in rows(watch)] == [timedelta(microseconds=tick) for tick in range(5)]


def test_an_asking_counts_from_when_it_began_not_from_when_it_was_answered(fresh: Path, watch: Con) -> None:
    commit_run(fresh, run("quick"), {}, asked=[asked("quick", AT + timedelta(hours=1))])
    commit_run(fresh, run("slow"), {}, asked=[asked("slow", AT)])
    assert resolve_run(watch, "demo") == "quick"


def test_a_run_and_its_asking_appear_together_or_not_at_all(
    fresh: Path, watch: Con, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(watch)

    def crash(con: Con, name: str, rows: object) -> None:
        insert(con, name, rows)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr("metabt.lakehouse.runs.askings.insert", crash)
    with pytest.raises(KeyboardInterrupt):
        commit_run(fresh, run("a"), {}, asked=[asked("a")])
    assert state(watch) == before
    monkeypatch.undo()
    commit_run(fresh, run("a"), {}, asked=[asked("a")])
    after = state(watch)
    assert (after[0], after[1]["runs"], after[1]["asked"]) == (before[0] + 1, 1, 1)


def test_what_is_stored_already_is_asked_for_all_the_same(fresh: Path, watch: Con) -> None:
    commit_runs(fresh, [(run("a"), {})], asked=[asked("a", sweep_id="s")])
    assert commit_runs(fresh, [(run("a"), {})], asked=[asked("a")]) == 0
    assert [name for name, _ in rows(watch)] == ["a", "a"]


def test_a_run_that_is_kept_whole_later_stays_the_run_that_it_was(fresh: Path, watch: Con) -> None:
    first = run("a", keep="summary", sweep_id="s", overrides='["portfolio.lag=0"]', engine="ray")
    commit_run(fresh, first, {})
    assert commit_run(fresh, run("a", keep="all", started_at=AT + timedelta(days=1), seconds=9.0), {})
    row = run_row(watch, "a")
    assert {name: row[name] for name in ("started_at", "sweep_id", "overrides", "engine")} == {
        name: first[name] for name in ("started_at", "sweep_id", "overrides", "engine")
    }
    assert (row["keep"], row["seconds"]) == ("all", 9.0)


def test_a_run_that_failed_is_mended_as_a_run_of_its_own(fresh: Path, watch: Con) -> None:
    commit_run(fresh, run("a", status="failed", error="x", sweep_id="s"), {})
    later = AT + timedelta(days=1)
    commit_run(fresh, run("a", started_at=later), {})
    assert (run_row(watch, "a")["started_at"], run_row(watch, "a")["sweep_id"]) == (later, None)


def test_a_lakehouse_that_cannot_be_written_keeps_no_asking_and_does_not_fail(
    fresh: Path, watch: Con, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(watch)

    def refuse(path: object) -> None:
        raise StoreError("read-only")

    monkeypatch.setattr("metabt.lakehouse.runs.askings.check_writable", refuse)
    assert not record(fresh, [asked("a")])
    assert state(watch) == before


def test_an_asking_says_flat_where_its_run_is_and_only_there() -> None:
    assert Asking(("portfolio=demo",)).text(True) == '["portfolio=demo", "is_meta_backtest=false"]'
    assert Asking(("is_meta_backtest=False", "start=2000-01-01")).text(True).count("is_meta_backtest") == 1
    assert Asking(("is_meta_backtest=false",)).text(False) == "[]"
