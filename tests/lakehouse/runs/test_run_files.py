"""Tables that lie in files become part of the lakehouse as if they had been handed over, whole or not at all."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.errors import StoreError
from metabt.lakehouse import attach, check_lakehouse, commit_run, commit_runs, ingest, upkeep
from metabt.lakehouse.catalog.added_files import ADDED
from metabt.lakehouse.catalog.schema import RUN_TABLES
from metabt.lakehouse.folder.orphans import META
from metabt.lakehouse.folder.staging import STAGED, Staging
from metabt.lakehouse.runs.run_files import Desk, Staged, ids_of
from tests.lakehouse.conftest import wide
from tests.lakehouse.runs.test_commits import FAILED, Run, assert_stored, some_run
from tests.shared.laws import examples

Con = duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse without runs, to be copied."""
    path = tmp_path_factory.mktemp("stocked") / "lake"
    ingest(path, "d", wide(30))
    return path


@pytest.fixture
def lake(stocked: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stocked, tmp_path / "lake"))


@pytest.fixture
def desk(lake: Path) -> Iterator[Desk]:
    staging = Staging(lake)
    yield Desk(staging.path, ids(lake))
    staging.close()


def ids(lake: Path) -> dict[str, dict[str, int]]:
    with attach(lake, read_only=True) as con:
        return ids_of(con)


def staged(desk: Desk, parts: Sequence[Sequence[Run]]) -> list[tuple[dict[str, object], Staged]]:
    """Return runs whose tables lie in files, those of each part in files of their own."""
    found: list[tuple[dict[str, object], Staged]] = []
    for part in parts:
        writer = pickle.loads(pickle.dumps(desk)).writer()  # as another process has it
        measured = [writer.add(str(row["run_id"]), str(row["portfolio"]), tables) for row, tables in part]
        files = writer.close()
        found += [(row, Staged(each, files)) for (row, _), each in zip(part, measured, strict=True)]
    return found


def assert_sound(lake: Path, runs: Sequence[Run]) -> None:
    with attach(lake, read_only=True) as con:
        for expected in runs:
            assert_stored(con, expected)
    assert not check_lakehouse(lake).faults


@examples(12)
@given(
    st.lists(st.lists(st.integers(0, 7), max_size=4, unique=True), max_size=3),
    st.sets(st.integers(0, 7)),
    st.sets(st.integers(0, 7)),
    st.sampled_from([1, 9, 2**17]),
)
def test_files_are_stored_as_what_is_handed_over(
    stocked: Path,
    tmp_path_factory: pytest.TempPathFactory,
    parts: list[list[int]],
    before: set[int],
    failed: set[int],
    together: int,
) -> None:
    """Whoever has stored some of the runs meanwhile, and in whichever files they lie, of which some have the same."""
    lake = Path(shutil.copytree(stocked, tmp_path_factory.mktemp("law") / "lake"))
    earlier = [
        (some_run(number, **FAILED)[0], {}) if number in failed else some_run(number) for number in sorted(before)
    ]
    commit_runs(lake, earlier)
    staging = Staging(lake)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("metabt.lakehouse.runs.run_rows.TOGETHER", together)
        runs = staged(Desk(staging.path, ids(lake)), [[some_run(number) for number in part] for part in parts])
    numbers = {number for part in parts for number in part}
    assert commit_runs(lake, runs) == len(numbers - (before - failed))
    staging.close()
    left = [it for it in earlier if int(str(it[0]["run_id"]), 10) not in numbers]
    assert_sound(lake, [*map(some_run, numbers), *left])
    assert [path.name for path in lake.glob("writer.*")] == ["writer.lock"]


def test_what_is_in_files_is_read_by_the_numbers_of_its_columns(lake: Path, desk: Desk) -> None:
    commit_runs(lake, staged(desk, [[some_run(1), some_run(2)]]))
    with attach(lake, read_only=True) as con:
        rows = con.execute(f"SELECT path, mapping_id FROM {META}.ducklake_data_file WHERE path LIKE 'duck%'").fetchall()
    assert rows and all(mapping is None for _, mapping in rows)
    upkeep(lake)
    assert_sound(lake, [some_run(1), some_run(2)])


def test_a_folder_whose_name_looks_like_a_partition_changes_nothing(stocked: Path, tmp_path: Path) -> None:
    lake = Path(shutil.copytree(stocked, tmp_path / "run_id=other" / "lake"))
    staging = Staging(lake)
    commit_runs(lake, staged(Desk(staging.path, ids(lake)), [[some_run(1)], [some_run(2)]]))
    staging.close()
    moved = lake.rename(tmp_path / "moved")
    assert_sound(moved, [some_run(1), some_run(2)])


def test_a_run_of_which_more_is_kept_stays_the_run_that_it_was(lake: Path, desk: Desk) -> None:
    row, tables = some_run(1, keep="summary", sweep_id="first")
    commit_run(lake, row, {name: tables[name] for name in list(tables)[:2]})
    assert commit_runs(lake, staged(desk, [[some_run(1, sweep_id="second"), some_run(2)]])) == 2
    assert_sound(lake, [(some_run(1)[0] | {"sweep_id": "first"}, tables), some_run(2)])


def test_files_of_another_numbering_are_copied(lake: Path, desk: Desk) -> None:
    """A lakehouse made anew in the meantime may number columns otherwise."""
    other = {name: {column: 900 - number for column, number in own.items()} for name, own in desk.ids.items()}
    commit_runs(lake, staged(Desk(desk.folder, other), [[some_run(1), some_run(3)]]))
    assert_sound(lake, [some_run(1), some_run(3)])


def test_no_run_is_written_twice_and_no_table_that_is_none(desk: Desk) -> None:
    writer = desk.writer()
    row, tables = some_run(1)
    writer.add("one", "demo", tables)
    with pytest.raises(ValueError, match="run 'one' is in these files already"):
        writer.add("one", "demo", tables)
    with pytest.raises(ValueError, match="table 'prices': a run cannot write it"):
        writer.add("two", "demo", {"prices": {}})
    assert writer.close().run_ids == ("one",)


@pytest.mark.parametrize("step", ["write_table", "close"])
def test_a_full_disk_is_an_error_that_names_the_place_and_changes_nothing(
    lake: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, step, full)
    with pytest.raises(StoreError, match="No space left on device; free room there.*blocks are kept"):
        staged(desk, [[some_run(1)]])
    monkeypatch.undo()
    assert_sound(lake, [])


def test_a_file_that_is_gone_or_cut_short_ends_the_commit_and_changes_nothing(lake: Path, desk: Desk) -> None:
    whole = staged(desk, [[some_run(1)], [some_run(2)]])
    file = next(iter(whole[1][1].files.files.values()))
    data = file.read_bytes()
    for damage in (lambda: file.write_bytes(data[: len(data) // 2]), file.unlink):
        damage()
        names = {path.name for path in (lake / "data").rglob("*")}
        with pytest.raises(StoreError):
            commit_runs(lake, whole)
        assert {path.name for path in (lake / "data").rglob("*")} - names <= {*RUN_TABLES}
        assert_sound(lake, [])
    file.write_bytes(data)
    assert commit_runs(lake, whole) == 2
    assert_sound(lake, [some_run(1), some_run(2)])


KILLED = """
import os, signal, sys
from pathlib import Path
from metabt.lakehouse.folder.staging import Staging
from metabt.lakehouse.runs import run_files
from metabt.lakehouse import commit_runs
from tests.lakehouse.runs.test_run_files import ids, staged
from tests.lakehouse.runs.test_commits import some_run

lake, step = Path(sys.argv[1]), sys.argv[2]

def killing(module, name):
    whole = getattr(module, name)
    def done(*arguments):
        made = whole(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)
        return made
    setattr(module, name, done)

staging = Staging(lake)
if step == "write":
    killing(run_files.Writer, "close")
elif step == "name":
    killing(run_files, "_second_name")
elif step == "add":
    killing(run_files, "add")
runs = staged(run_files.Desk(staging.path, ids(lake)), [[some_run(1), some_run(2)]])
for file in staging.path.iterdir():
    os.utime(file, (0, 0))  # a sweep may take hours
commit_runs(lake, runs)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("step", ["write", "name", "add", "commit"])
def test_after_a_kill_nothing_is_half_there_and_the_next_writer_removes_the_rest(lake: Path, step: str) -> None:
    before = {path for path in lake.rglob("*") if path.is_file()}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(lake), step], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL and list((lake / STAGED).iterdir())
    runs = [some_run(1), some_run(2)] if step == "commit" else []
    assert_sound(lake, runs)
    commit_runs(lake, [some_run(3)])
    assert not (lake / STAGED).exists() and not (lake / ADDED).exists()
    assert_sound(lake, [*runs, some_run(3)])
    with attach(lake, read_only=True) as con:
        paths = con.execute(f"SELECT path FROM {META}.ducklake_data_file").fetchall()
    new = {path.name for path in lake.rglob("ducklake-*") if path not in before}
    assert new <= {path.rpartition("/")[2] for (path,) in paths}


def test_a_file_system_without_hard_links_has_copies(lake: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    runs = staged(desk, [[some_run(1)]])
    monkeypatch.setattr(os, "link", refused)
    assert commit_runs(lake, runs) == 1
    assert_sound(lake, [some_run(1)])
