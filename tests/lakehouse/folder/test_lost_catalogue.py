"""A folder with files of a lakehouse and no catalogue is refused by whatever would make one, and stays as it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from metabt.cli.main import main
from metabt.errors import StoreError
from metabt.lakehouse import attach, ingest, query
from tests.lakehouse.conftest import wide


def files(folder: Path) -> dict[str, bytes]:
    found = [file for file in sorted(folder.rglob("*")) if file.is_file() and not file.name.endswith(("-shm", "-wal"))]
    return {str(file.relative_to(folder)): file.read_bytes() for file in found}


def removed(file: Path) -> None:
    file.unlink()


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def without_tables(file: Path) -> None:
    """Put a sound SQLite file there that holds another table alone."""
    file.unlink()
    with sqlite3.connect(file) as con:
        con.execute("PRAGMA journal_mode = WAL")
        con.execute("CREATE TABLE another (a INT)")
    con.close()


LOSSES = [removed, emptied, without_tables]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    ingest(tmp_path / "lake", "d", wide(60))
    return tmp_path / "lake"


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_catalogue_is_not_replaced(lake: Path, loss: Callable[[Path], None]) -> None:
    loss(lake / "catalog.sqlite")
    before = files(lake)
    said = r"lost its catalogue: '.*data' holds files.*Restore it from a copy, or name another path.*move '.*data' away"
    for command in (
        lambda: ingest(lake, "e", wide(20)),
        lambda: attach(lake, create=True),
        lambda: attach(lake),
        lambda: query(lake, "from prices"),
    ):
        with pytest.raises(StoreError, match=said):
            command()
        assert files(lake) == before


def test_cached_blocks_alone_are_remains_too(tmp_path: Path) -> None:
    block = tmp_path / ".cache" / "objects" / "ab" / "block"
    block.parent.mkdir(parents=True)
    block.write_bytes(b"x")
    with pytest.raises(StoreError, match=r"lost its catalogue: '.*\.cache' holds files"):
        ingest(tmp_path, "d", wide(20))
    assert files(tmp_path) == {".cache/objects/ab/block": b"x"}


def test_folders_without_files_are_a_place_for_a_new_one(tmp_path: Path) -> None:
    for name in ("data/main", ".cache"):
        (tmp_path / name).mkdir(parents=True)
    assert ingest(tmp_path, "d", wide(20)).added == 60


def test_what_was_put_back_is_all_there(lake: Path) -> None:
    file = lake / "catalog.sqlite"
    copy = file.read_bytes()
    rows = query(lake, "from prices order by all").rows
    file.unlink()
    with pytest.raises(StoreError):
        ingest(lake, "e", wide(20))
    file.write_bytes(copy)
    assert query(lake, "from prices order by all").rows == rows


@pytest.mark.parametrize("command", [["demo", "--quiet"], ["ingest", "p.csv", "--dataset", "e"]])
def test_commands_refuse_in_a_sentence(
    lake: Path, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    wide(20).to_csv("p.csv")
    (lake / "catalog.sqlite").unlink()
    before = files(lake)
    assert main([*command, "--lakehouse", str(lake)]) == 1
    assert "has lost its catalogue" in capsys.readouterr().err and files(lake) == before
