"""The connection to a server is lost in the middle of a commit, wherever it may be: what was stored stays whole."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import duckdb
import numpy as np
import pytest

from metabt.errors import StoreError
from metabt.lakehouse import attach, commit_run, ingest, load_run, query
from metabt.lakehouse.catalog.transaction import transact
from metabt.lakehouse.folder import in_doubt, orphans
from metabt.lakehouse.maintenance import upkeep
from metabt.lakehouse.soundness import check_lakehouse
from metabt.lakehouse.storage.local_folder import LocalFolder
from metabt.lakehouse.storage.port import File
from tests.lakehouse.conftest import wide
from tests.lakehouse.runs.test_stored_runs import assert_same_table, run, table
from tests.shared.postgres_server import Server
from tests.shared.severed import Link

Con = duckdb.DuckDBPyConnection

DAYS = "range(DATE '2000-01-01', DATE '2003-01-01', INTERVAL 1 DAY)"
PRICES = f"INSERT INTO prices SELECT '{{}}', 'y', range::DATE, 1, 1, 1, 1, 1 FROM {DAYS}"
TABLES = {"weights": table("weights", 40, 1), "metrics": table("metrics", 15)}


@pytest.fixture(scope="module")
def link(signed_in: Server) -> Iterator[Link]:
    link = Link(signed_in.port)
    yield link
    link.close()


@pytest.fixture
def fresh(signed_in: Server, link: Link, tmp_path: Path) -> Path:
    """Return a lakehouse whose catalogue is reached by the link."""
    catalog = signed_in.catalog.replace(f"port={signed_in.port}", f"port={link.port}")
    attach(tmp_path / "fresh", create=True, catalog=catalog).close()
    link.mend()
    return tmp_path / "fresh"


def is_commit_of_a_writer() -> object:
    """Return what tells the COMMIT that follows a new snapshot from those of readers."""
    wrote = []

    def chosen(message: bytes) -> bool:
        wrote.extend([1] * (b"INSERT INTO" in message and b"ducklake_snapshot_changes" in message))
        return bool(wrote) and b"COMMIT" in message

    return chosen


def second_names(lake: Path) -> list[Path]:
    return [path for path in (lake / in_doubt.KEPT).rglob("*") if path.is_file()]


def age(path: Path, days: float) -> None:
    os.utime(path, (time.time() - days * in_doubt.DAY,) * 2)


def test_a_run_whose_answer_was_lost_is_stored_and_whole(fresh: Path, link: Link, watch: Con) -> None:
    link.sever(is_commit_of_a_writer(), delivered=True)
    with pytest.raises(StoreError, match="was lost.*give the same command again: it finds what was written"):
        commit_run(fresh, run("r"), TABLES)
    assert link.cuts > 0
    assert_same_table(load_run(watch, "r")[1]["weights"], TABLES["weights"])  # which had it attached before
    with attach(fresh, read_only=True) as after:
        assert_same_table(load_run(after, "r")[1]["weights"], TABLES["weights"])
    assert not commit_run(fresh, run("r"), TABLES)  # it is found
    assert check_lakehouse(fresh).faults == []


def test_prices_whose_answer_was_lost_are_stored_and_whole(fresh: Path, link: Link) -> None:
    link.sever(is_commit_of_a_writer(), delivered=True)
    with pytest.raises(StoreError, match="was lost"):
        ingest(fresh, "d", wide(600))
    assert query(fresh, "select count(*), count(close) from prices").rows == ((1800, 1800),)
    assert ingest(fresh, "d", wide(600)).added == 0
    assert check_lakehouse(fresh).faults == []


@pytest.mark.slow
def test_files_that_were_merged_and_whose_answer_was_lost_are_there(fresh: Path, link: Link) -> None:
    for number in range(4):
        commit_run(fresh, run(f"r{number}"), {"weights": table("weights", 40, number)})
    link.sever(is_commit_of_a_writer(), delivered=True)
    with pytest.raises(StoreError, match="was lost"):
        upkeep(fresh)
    commit_run(fresh, run("after"), {})  # records what was merged
    with attach(fresh, read_only=True) as con:
        for number in range(4):
            assert_same_table(load_run(con, f"r{number}")[1]["weights"], table("weights", 40, number))
    assert check_lakehouse(fresh).faults == []


def test_a_commit_that_never_came_is_not_made(fresh: Path, link: Link, watch: Con) -> None:
    link.sever(is_commit_of_a_writer(), delivered=False)
    with pytest.raises(StoreError, match="was lost"):
        commit_run(fresh, run("r"), TABLES)
    assert watch.execute("SELECT count(*) FROM runs").fetchall() == [(0,)]
    assert commit_run(fresh, run("r"), TABLES)
    assert check_lakehouse(fresh).faults == []


@pytest.mark.slow
def test_wherever_it_is_lost_what_is_stored_is_whole(fresh: Path, link: Link, watch: Con) -> None:
    before = link.messages
    commit_run(fresh, run("whole"), TABLES)
    per_commit = link.messages - before
    rng = np.random.default_rng(3)
    stored, cuts = 0, link.cuts
    for number in range(10):
        at = link.messages + int(rng.integers(1, per_commit + 1))
        link.sever(lambda _, at=at: link.messages >= at, delivered=bool(rng.integers(2)))
        name = f"r{number}"
        try:
            commit_run(fresh, run(name), TABLES)
        except StoreError as error:
            assert any(words in str(error) for words in ("was lost", "cannot be opened", "nothing was written"))
        link.mend()
        commit_run(fresh, run(name), TABLES)
        stored += 1
        assert_same_table(load_run(watch, name)[1]["weights"], TABLES["weights"])
        assert watch.execute("SELECT count(*) FROM runs").fetchall() == [(stored + 1,)]
    assert check_lakehouse(fresh).faults == [] and link.cuts - cuts > 5


def test_after_an_answer_nothing_is_kept(fresh: Path) -> None:
    commit_run(fresh, run("r"), TABLES)
    assert not (fresh / in_doubt.KEPT).exists()
    tries = []

    def work(con: Con) -> None:
        tries.append(con.execute(PRICES.format("mine")))
        if len(tries) == 1:
            with attach(fresh) as other:
                other.execute("INSERT INTO datasets (dataset) VALUES ('other')")
        con.execute("INSERT INTO datasets (dataset) VALUES ('mine')")

    transact(fresh, work)
    assert len(tries) == 2 and not (fresh / in_doubt.KEPT).exists()


def test_second_names_go_after_a_day(fresh: Path, link: Link) -> None:
    link.sever(is_commit_of_a_writer(), delivered=True)
    with pytest.raises(StoreError, match="was lost"):
        commit_run(fresh, run("r"), TABLES)
    assert second_names(fresh)
    (folder,) = (fresh / in_doubt.KEPT).iterdir()
    age(folder, 1.01)
    attach(fresh, read_only=True).close()
    assert not second_names(fresh) and check_lakehouse(fresh).faults == []


@pytest.mark.parametrize("refusal", [errno.EPERM, errno.EXDEV])
def test_without_hard_links_they_are_copies(
    fresh: Path, link: Link, monkeypatch: pytest.MonkeyPatch, refusal: int
) -> None:
    def refused(*_: object) -> None:
        raise OSError(refusal, os.strerror(refusal))

    monkeypatch.setattr(os, "link", refused)
    link.sever(is_commit_of_a_writer(), delivered=True)
    with pytest.raises(StoreError, match="was lost"):
        commit_run(fresh, run("r"), TABLES)
    with attach(fresh, read_only=True) as con:
        assert_same_table(load_run(con, "r")[1]["weights"], TABLES["weights"])
    assert check_lakehouse(fresh).faults == []


def test_who_has_lost_the_lock_removes_nothing_of_the_next_writer(fresh: Path, signed_in: Server) -> None:
    """The first writer fails after its lock was lost, while the second has written files and not committed them."""
    written, failed = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def second(con: Con) -> None:
        con.execute(PRICES.format("second"))
        written.set()
        assert failed.wait(60)

    def run_second() -> None:
        try:
            transact(fresh, second)
        except BaseException as error:  # shown by the test
            errors.append(error)

    def first(con: Con) -> None:
        con.execute(PRICES.format("first"))
        assert signed_in.hang_up("query LIKE '%advisory%'") == 1
        thread.start()
        assert written.wait(60)
        raise ZeroDivisionError

    thread = threading.Thread(target=run_second)
    with pytest.raises(ZeroDivisionError):
        transact(fresh, first)
    failed.set()
    thread.join(60)
    assert errors == []
    assert query(fresh, "select dataset, count(*) from prices group by all").rows == (("second", 1096),)
    (mark,) = fresh.glob(f"{orphans.MARK}*")  # what the first wrote is nobody's when two days have passed
    age(mark, 2.01)
    commit_run(fresh, run("later"), {})
    assert not list(fresh.glob(f"{orphans.MARK}*"))


@pytest.mark.parametrize("fails", [True, False])
def test_who_holds_the_lock_removes_nothing_of_a_writer_that_lost_it(
    fresh: Path, signed_in: Server, watch: Con, fails: bool
) -> None:
    """The first writer commits after its lock was lost and after the second, which took it, has failed or committed."""
    tries = []

    def second(con: Con) -> None:
        con.execute(PRICES.format("second"))
        if fails:
            raise ZeroDivisionError

    def first(con: Con) -> None:
        con.execute(PRICES.format("first"))
        tries.append(1)
        if len(tries) == 1:
            assert signed_in.hang_up("query LIKE '%advisory%'") == 1
            with pytest.raises(ZeroDivisionError) if fails else nullcontext():
                transact(fresh, second)

    transact(fresh, first)
    expected = [("first", 1096)] + [("second", 1096)] * (not fails)
    assert watch.execute("SELECT dataset, count(close) FROM prices GROUP BY ALL ORDER BY 1").fetchall() == expected
    assert len(tries) == 1 + (not fails)
    assert check_lakehouse(fresh).faults == []


def test_a_commit_that_is_answered_while_another_attaches_is_no_error(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = File(f"{in_doubt.KEPT}/answered/main/weights/ducklake-gone.parquet", 1, 0.0)
    monkeypatch.setattr(LocalFolder, "files", lambda self, beginning: iter([gone]))
    attach(fresh, read_only=True).close()
