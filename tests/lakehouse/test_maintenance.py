"""An upkeep makes few files of many, and no run that could be reproduced cannot be reproduced after it."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import metabt
from metabt.cli.main import main
from metabt.errors import MetabtError, StoreError
from metabt.lakehouse import attach, check_lakehouse, ingest, maintenance, upkeep
from metabt.lakehouse.catalog import transaction
from metabt.lakehouse.catalog.file_records import INTENDED
from metabt.lakehouse.catalog.schema import SCHEMA
from metabt.runs.reproduce import reproduce
from tests.shared.panels import stocks
from tests.shared.small_tree import tree


def parquet(lake: Path) -> int:
    return len(list((lake / "data").rglob("*.parquet")))


def snapshots(lake: Path) -> list[int]:
    with attach(lake, read_only=True) as con:
        return [
            row[0] for row in con.execute("SELECT snapshot_id FROM ducklake_snapshots('lake') ORDER BY 1").fetchall()
        ]


def contents(lake: Path, at: int | None = None) -> dict[str, str]:
    """Return a digest of every table's rows with their numbers, in order, but for what is recorded of files."""
    version = "" if at is None else f"AT (VERSION => {at})"
    found = {}
    with attach(lake, read_only=True) as con:
        for name in set(SCHEMA) - {"files"}:
            rows = con.execute(f"SELECT rowid, * FROM {name} {version} ORDER BY rowid").fetchall()
            found[name] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return found


def reproduced(lake: Path, runs: list[str]) -> list[bool]:
    found = []
    for run in runs:
        try:
            found.append(reproduce(lake, run).differs is None)
        except MetabtError:
            found.append(False)
    return found


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Return a lakehouse of many small files and snapshots, and its runs, each of other prices."""
    path, prices, runs = tmp_path_factory.mktemp("kept") / "lake", stocks(5, 300, gaps=True).rename_axis("date"), []
    for sessions in (100, 150, 290):
        ingest(path, "stocks", prices.iloc[:sessions])
        if sessions != 150:
            runs.append(metabt.backtest(tree(), path).run_id)
            ingest(path, "stocks", prices.iloc[:sessions] * 1.5)  # changed, and changed back by the next
    return path, runs


@pytest.fixture
def lake(stored: tuple[Path, list[str]], tmp_path: Path) -> tuple[Path, list[str]]:
    return Path(shutil.copytree(stored[0], tmp_path / "lake")), stored[1]


def test_every_run_is_reproduced_before_and_after(lake: tuple[Path, list[str]]) -> None:
    path, runs = lake
    with attach(path, read_only=True) as con:
        named = [row[0] for row in con.execute("SELECT DISTINCT snapshot FROM runs ORDER BY 1").fetchall()]
    before = {at: contents(path, at) for at in (None, *named)}
    there, files = snapshots(path), parquet(path)
    assert len(named) == len(runs) == 2 and reproduced(path, runs) == [True] * 2
    done = upkeep(path)
    assert done.files > done.merged and done.lost_runs == 0 and done.waiting == 0
    assert set(done.expired) >= set(there) - set(named) and len(done.expired) >= 4
    assert set(snapshots(path)) == {*named, max(snapshots(path))} and parquet(path) < files
    assert {at: contents(path, at) for at in (None, *named)} == before
    assert reproduced(path, runs) == [True] * 2
    assert upkeep(path).expired == () and contents(path) == before[None]
    ingest(path, "stocks", stocks(5, 300, gaps=True).rename_axis("date"))  # it can be written as before
    assert reproduced(path, runs) == [True] * 2


def test_what_a_killed_upkeep_had_merged_is_recorded_by_the_next_writer(
    lake: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, runs = lake
    noted: list[Path] = []

    def killed(con: object, root: Path) -> None:
        noted.extend(root.glob(INTENDED))
        if noted:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(transaction, "_make_up", killed)
        upkeep(path)
    assert noted and check_lakehouse(path).faults == []
    content = noted[0].read_bytes()
    noted[0].unlink()
    assert "was never recorded" in " ".join(check_lakehouse(path).faults)
    noted[0].write_bytes(content)
    ingest(path, "more", stocks(2, 50).rename_axis("date"))
    assert not noted[0].exists() and check_lakehouse(path).faults == []
    assert reproduced(path, runs) == [True] * 2 and upkeep(path).lost_runs == 0


def test_a_damaged_note_of_what_was_merged_is_refused(lake: tuple[Path, list[str]]) -> None:
    path, _ = lake
    for content in (b"{", b"[]", b'{"x": 1}', b"\xff", b'{"x": ["a", "b"]}'):
        (path / INTENDED).write_bytes(content)
        before = contents(path)
        with pytest.raises(StoreError, match=rf"{INTENDED}' is damaged.*remove it, and see what `metabt check` says"):
            ingest(path, "more", stocks(2, 50).rename_axis("date"))
        assert contents(path) == before
    (path / INTENDED).unlink()
    assert ingest(path, "more", stocks(2, 50).rename_axis("date"))


def readable_flip(file: Path) -> bytes:
    """Return a file's bytes with one bit flipped, so that it is read without an error, as other values."""
    sound, true = file.read_bytes(), pq.read_table(file)
    for place in range(4, len(sound)):
        flipped = sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :]
        try:
            if pq.read_table(io.BytesIO(flipped)) != true:
                return flipped
        except (pa.ArrowException, OSError):
            pass
    raise AssertionError(f"no flipped bit of {file} goes unnoticed")


@pytest.mark.parametrize("table", ["prices", "metrics"])
def test_what_is_damaged_is_not_merged_into_a_file_that_is_recorded_as_sound(
    lake: tuple[Path, list[str]], table: str
) -> None:
    path, _ = lake
    file = min((path / "data" / "main" / table).rglob("*.parquet"))
    sound, before, count = file.read_bytes(), contents(path), parquet(path)
    file.write_bytes(readable_flip(file))
    with pytest.raises(StoreError, match=f"{re.escape(str(file))}' has other bytes than were written"):
        upkeep(path)
    assert parquet(path) == count
    file.write_bytes(sound)
    assert contents(path) == before
    upkeep(path)
    assert contents(path) == before and check_lakehouse(path).faults == []


def test_runs_are_let_go_only_where_that_is_asked_for(
    lake: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    path, runs = lake
    before = contents(path)
    assert main(["upkeep", "--lakehouse", str(path), "--expire-runs", "--dry-run"]) == 0
    assert "2 stored runs could not be reproduced any more" in capsys.readouterr().out
    assert contents(path) == before and reproduced(path, runs[:1]) == [True]
    assert main(["upkeep", "--lakehouse", str(path), "--expire-runs"]) == 0
    assert "2 stored runs can not be reproduced any more" in capsys.readouterr().out
    assert contents(path) == before and len(snapshots(path)) == 1
    assert reproduced(path, runs) == [False] * 2
    assert [metabt.load(path, run).run_id for run in runs] == runs
    with pytest.raises(StoreError, match="no longer has snapshot"):
        reproduce(path, runs[0])


def test_a_dry_run_changes_nothing(lake: tuple[Path, list[str]]) -> None:
    path, _ = lake
    there, files = snapshots(path), parquet(path)
    planned = upkeep(path, dry_run=True)
    assert (snapshots(path), parquet(path)) == (there, files)
    done = upkeep(path)
    assert planned.expired and planned.expired == done.expired[: len(planned.expired)]
    assert planned.files == done.files
    assert planned.lost_runs == done.lost_runs == 0


def test_what_others_may_be_reading_stays_for_a_day(
    lake: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = lake
    there, files = snapshots(path), parquet(path)
    reader = f"import sys\nfrom metabt.lakehouse import attach\ncon = attach({str(path)!r}, read_only=True)\n"
    reader += "print('in', flush=True)\nsys.stdin.read()\n"
    arguments = [sys.executable, "-c", reader]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "in\n"
        assert upkeep(path, dry_run=True).expired == ()
        done = upkeep(path)
        assert done.expired == () and done.removed == 0 and done.waiting > 0
        assert set(there) <= set(snapshots(path)) and parquet(path) > files
        monkeypatch.setattr(maintenance, "DAY", "INTERVAL 0 DAY")  # a day later
        assert upkeep(path).removed > 0
        other.communicate("")
    monkeypatch.undo()
    assert upkeep(path).waiting == 0 and parquet(path) < files


def test_an_upkeep_during_a_backtest_breaks_neither(lake: tuple[Path, list[str]]) -> None:
    path, runs = lake
    failed: list[BaseException] = []
    over = threading.Event()

    def keep_up() -> None:
        try:
            while not over.is_set():
                upkeep(path)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=keep_up)
    thread.start()
    try:
        made = [metabt.backtest({**tree(), "name": f"b{number}"}, path).run_id for number in range(2)]
        time.sleep(0.1)
    finally:
        over.set()
        thread.join()
    assert failed == []
    assert reproduced(path, [*runs, *made]) == [True] * 4
