"""Files that a killed writer left are removed by the next one, and no others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from metabt.lakehouse import attach, ingest, query
from metabt.lakehouse.catalog import transaction
from metabt.lakehouse.folder import orphans
from tests.lakehouse.conftest import wide

KILLED = """
import os, signal, sys
from metabt.lakehouse import ingest
from metabt.lakehouse.ingestion import ingestion
from tests.lakehouse.conftest import wide

store = ingestion.store

def stored(*arguments, **options):
    store(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)

ingestion.store = stored
ingest(sys.argv[1], "killed", wide(600))
"""


def files(lake: Path) -> set[str]:
    return {file.name for file in (lake / "data").rglob("*.parquet")}


def marks(lake: Path) -> list[Path]:
    return list(lake.glob(f"{orphans.MARK}*"))


def named(lake: Path) -> set[str]:
    with attach(lake, read_only=True) as con:
        return orphans._named(con)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Return a lakehouse, with a file of another program among its data, in which an ingestion was killed."""
    path = tmp_path / "lake"
    ingest(path, "d", wide(300))
    other = next((path / "data").rglob("*.parquet")).with_name("ducklake-other.parquet")
    other.write_bytes(b"other")
    os.utime(other, (time.time() - 60, time.time() - 60))
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL and marks(path)
    return path


def test_the_next_writer_removes_what_a_killed_one_left(lake: Path) -> None:
    rows = query(lake, "from prices order by all").rows
    assert len(files(lake) - named(lake)) > 1
    ingest(lake, "e", wide(60))
    assert files(lake) - named(lake) == {"ducklake-other.parquet"} and named(lake) <= files(lake)
    assert query(lake, "from prices where dataset = 'd' order by all").rows == rows and len(rows) == 900
    assert not marks(lake)


def test_the_same_ingestion_is_whole_afterwards(lake: Path) -> None:
    assert ingest(lake, "killed", wide(600)).added == 1800
    assert query(lake, "select count(*), count(close) from prices where dataset = 'killed'").rows == ((1800, 1800),)


def test_where_the_lock_may_be_lost_a_day_must_pass(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marked = orphans.marked
    monkeypatch.setattr(transaction, "marked", lambda *a, certain, **k: marked(*a, certain=False, **k))
    left = files(lake) - named(lake)
    ingest(lake, "e", wide(60))
    assert left <= files(lake)
    (mark,) = marks(lake)  # of the killed one; the writer after it took its own away
    os.utime(mark, (time.time() - 1.9 * orphans.DAY,) * 2)
    ingest(lake, "e2", wide(60))
    assert left <= files(lake) and marks(lake) == [mark]
    os.utime(mark, (time.time() - 2.1 * orphans.DAY,) * 2)
    for file in (lake / "data").rglob("*.parquet"):
        if file.name in left:
            os.utime(file, (time.time() - 1.1 * orphans.DAY,) * 2)
    ingest(lake, "f", wide(60))
    assert not (left & files(lake)) and not marks(lake)
    assert query(lake, "select count(*) from prices").rows == ((900 + 3 * 180,),)


def test_a_writer_that_fails_leaves_the_mark_for_the_next(tmp_path: Path) -> None:
    ingest(tmp_path, "d", wide(300))

    many = (
        "SELECT 'x', 'y', range::DATE, 1, 1, 1, 1, 1 FROM range(DATE '2000-01-01', DATE '2003-01-01', INTERVAL 1 DAY)"
    )

    def work(con: duckdb.DuckDBPyConnection) -> None:
        con.execute(f"INSERT INTO prices {many}")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        transaction.transact(tmp_path, work)
    ingest(tmp_path, "e", wide(60))
    assert files(tmp_path) == named(tmp_path) and not marks(tmp_path)
