"""Every try counts once, with its longest stream, whatever becomes of its run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb
import pytest

from metabt.lakehouse import attach, commit_runs, record
from metabt.lakehouse.catalog.schema import insert
from metabt.lakehouse.ledger.chain import read_chain
from metabt.lakehouse.ledger.trial import Trial
from metabt.lakehouse.stored_data import forget
from tests.shared.noted import AT, DAYS, idle, run, stream, trial

Con = duckdb.DuckDBPyConnection


def trials(con: Con) -> dict[str, tuple[object, ...]]:
    """Return key -> run_id, status, sessions, study and row of every trial, as SQL has them."""
    rows = con.execute("SELECT key, run_id, status, sessions, study, ordinal FROM trials").fetchall()
    return {key: tuple(rest) for key, *rest in rows}


def streams(con: Con) -> dict[int, list[float]]:
    """Return row of the ledger -> net returns; a stream that no trial has fails."""
    sql = "SELECT t.ordinal, list(net ORDER BY date) FROM trial_returns r LEFT JOIN trials t USING (stream) GROUP BY 1"
    found = dict(con.execute(sql).fetchall())
    assert None not in found
    return found


def test_runs_are_noted_in_the_transaction_that_stores_them(fresh: Path, watch: Con) -> None:
    commit_runs(fresh, [run(1), run(2)], trials=[trial(1), trial(2, study="mine")])
    found = trials(watch)
    assert list(found.values()) == [("001", "ok", 300, None, 1), ("002", "ok", 300, "mine", 2)]
    assert streams(watch) == {number: stream(number)["net"][:300].tolist() for number in (1, 2)}
    row = watch.execute('SELECT "at", datasets, first_date, last_date, sharpe, error FROM trials LIMIT 1').fetchall()
    assert row == [(AT, ["stocks"], date(2020, 1, 1), date(2020, 10, 26), 0.1, None)]
    heads = watch.execute("SELECT DISTINCT ledger_head FROM runs").fetchall()
    assert heads == watch.execute("SELECT ordinal || ':' || \"hash\" FROM ledger WHERE ordinal = 2").fetchall()


def test_the_same_try_under_another_run_is_no_new_one(fresh: Path, watch: Con) -> None:
    commit_runs(fresh, [run(1)], trials=[trial(1)])
    commit_runs(fresh, [run(2, portfolio="demo")], trials=[trial(2, key=trial(1).base)])
    assert list(trials(watch).values()) == [("001", "ok", 300, None, 1)]
    assert set(streams(watch)) == {1}


def test_the_longest_stream_is_kept_and_no_other(fresh: Path, watch: Con) -> None:
    key = trial(1).base
    for number, sessions, expected in ((1, 300, 300), (2, 200, 300), (3, 320, 320), (4, 320, 320)):
        commit_runs(fresh, [run(number, sessions)], trials=[trial(number, key=key)])
        ((_, _, longest, _, ordinal),) = trials(watch).values()
        assert longest == expected and {n: len(net) for n, net in streams(watch).items()} == {ordinal: expected}


def test_of_one_try_in_two_views_of_a_sweep_the_longest_is_kept(fresh: Path, watch: Con) -> None:
    key = trial(1).base
    runs = [run(1, 200), run(2, 300), run(3, 250)]
    commit_runs(fresh, runs, trials=[trial(number, key=key) for number in (1, 2, 3)])
    ((run_id, _, sessions, _, ordinal),) = trials(watch).values()
    assert (run_id, sessions) == ("002", 300) and {n: len(net) for n, net in streams(watch).items()} == {ordinal: 300}


def test_what_failed_is_a_try_and_becomes_ok_when_it_does(fresh: Path, watch: Con) -> None:
    failed = run(1, 0, status="failed", error="ruined")
    commit_runs(fresh, [failed], trials=[trial(1, status="failed", error="ruined", sharpe=None)])
    commit_runs(fresh, [failed], trials=[trial(1, status="failed", error="ruined", sharpe=None)])
    assert list(trials(watch).values()) == [("001", "failed", None, None, 1)] and not streams(watch)
    commit_runs(fresh, [run(1)], trials=[trial(1)])
    assert list(trials(watch).values()) == [("001", "ok", 300, None, 2)]


def test_a_try_may_be_of_several_studies(fresh: Path, watch: Con) -> None:
    commit_runs(fresh, [run(1)], trials=[trial(1, study="b")])
    for study in ("a", "b", None):
        record(fresh, [], trials=[trial(1, study=study)])
    assert list(trials(watch).values()) == [("001", "ok", 300, "a, b", 1)]
    assert watch.execute("SELECT count(*) FROM ledger").fetchall() == [(2,)]


def test_forgotten_runs_stay_tried(fresh: Path, watch: Con) -> None:
    commit_runs(fresh, [run(1), run(2)], trials=[trial(1), trial(2)])
    before = trials(watch), streams(watch)
    assert forget(fresh, "001").gone == ("001",)
    assert (trials(watch), streams(watch)) == before and read_chain(watch).fault is None


def test_what_cash_earned_lies_beside_the_stream(fresh: Path, watch: Con) -> None:
    commit_runs(fresh, [run(1), run(2), run(3)], trials=[trial(1), trial(2, idle=idle()), trial(3, idle=idle(2e-4))])
    sql = (
        "SELECT t.ordinal, count(idle), min(idle), max(idle) FROM trial_returns r JOIN trials t USING (stream) "
        "LEFT JOIN trial_cash c ON c.cash = t.cash AND c.date = r.date GROUP BY 1 ORDER BY 1"
    )
    assert watch.execute(sql).fetchall() == [(1, 0, None, None), (2, 300, 1e-4, 1e-4), (3, 300, 2e-4, 2e-4)]
    commit_runs(fresh, [run(4)], trials=[trial(4, idle=idle())])
    assert watch.execute("SELECT count(DISTINCT cash), count(*) FROM trial_cash").fetchall() == [(2, 2 * len(DAYS))]


def test_rows_that_were_written_are_compared_by_the_day_of_the_earlier_asking(fresh: Path, watch: Con) -> None:
    def asked(number: int, day: date, changed: bool = False) -> Trial:
        return trial(number, base="base", by=day, key_by=lambda by: f"{by}{' changed' * changed}")

    commit_runs(fresh, [run(1)], trials=[asked(1, date(2024, 1, 31))])
    commit_runs(fresh, [run(2, 320)], trials=[asked(2, date(2024, 2, 28))])
    assert list(trials(watch)) == ["2024-01-31"]
    commit_runs(fresh, [run(3)], trials=[asked(3, date(2024, 2, 28), changed=True)])
    assert list(trials(watch)) == ["2024-01-31", "2024-02-28 changed"]


def test_nothing_is_noted_of_a_commit_that_fails(fresh: Path, watch: Con, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(con: Con, name: str, rows: object) -> None:
        if name == "runs":
            raise KeyboardInterrupt
        insert(con, name, rows)

    monkeypatch.setattr("metabt.lakehouse.runs.commits.insert", crash)
    with pytest.raises(KeyboardInterrupt):
        commit_runs(fresh, [run(1)], trials=[trial(1)])
    assert not trials(watch) and not streams(watch)


WRITER = """
import sys
from metabt.lakehouse import commit_runs
from tests.shared.noted import run, trial
for number in range(int(sys.argv[2]), int(sys.argv[2]) + 6):
    commit_runs(sys.argv[1], [run(number, 20)], trials=[trial(number)])
"""


def test_two_processes_write_one_chain(fresh: Path, watch: Con) -> None:
    command = [sys.executable, "-c", WRITER, str(fresh)]
    running = [subprocess.Popen([*command, str(first)]) for first in (0, 100)]
    assert [each.wait(120) for each in running] == [0, 0]
    chain = read_chain(watch)
    assert chain.fault is None and [link.ordinal for link in chain.links] == list(range(1, 13))
    assert len(trials(watch)) == 12
    assert len({link.key for link in chain.links}) == 12


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    content[-6] ^= 0xFF
    file.write_bytes(content)


def many(first: int, count: int) -> tuple[list[object], Sequence[Trial]]:
    numbers = range(first, first + count)
    return [run(number, 30) for number in numbers], [trial(number) for number in numbers]


def test_runs_go_on_where_the_ledger_is_damaged_and_the_chain_says_so(fresh: Path, tmp_path: Path) -> None:
    runs, tried = many(0, 200)
    commit_runs(fresh, runs, trials=tried)  # type: ignore[arg-type]
    (file,) = fresh.glob("data/main/ledger/*.parquet")
    damage(file)
    lake = Path(shutil.copytree(fresh, tmp_path / "damaged"))
    runs, tried = many(500, 2)
    assert commit_runs(lake, runs, trials=tried) == 2  # type: ignore[arg-type]
    with attach(lake, read_only=True) as con:
        chain = read_chain(con)
        assert [link.ordinal for link in chain.links] == [201, 202]
        assert chain.fault is not None and "at row 1, which is missing" in chain.fault
