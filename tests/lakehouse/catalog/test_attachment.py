"""A lakehouse is found, made, moved, and refused when it is something else."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path

import duckdb
import pytest

from metabt.errors import StoreError
from metabt.lakehouse import attach, check_writable, ingest, load_facts, load_prices
from metabt.lakehouse.catalog import attachment, connections
from metabt.lakehouse.catalog.schema import SCHEMA
from metabt.lakehouse.catalog.sqlite import SqliteCatalogue
from metabt.lakehouse.folder.orphans import META
from metabt.lakehouse.soundness import check_lakehouse
from metabt.values.held_folders import CATALOGUE
from tests.lakehouse.conftest import same, state, wide


def test_a_missing_lakehouse_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no lakehouse at .*nowhere.*metabt ingest.*make demo"):
        attach(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_create_makes_every_table(tmp_path: Path) -> None:
    attach(tmp_path / "new", create=True).close()
    _, rows = state(tmp_path / "new")
    assert rows == dict.fromkeys(SCHEMA, 0)


@pytest.mark.parametrize("name", ['it\'s a "lake"', "x'; drop table prices; --", "ünï"])
def test_any_path_works_and_is_never_sql(tmp_path: Path, name: str) -> None:
    ingest(tmp_path / name, "d", wide(20))
    assert state(tmp_path / name)[1]["prices"] == 60
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_what_memory_has_no_room_for_goes_to_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(tmp_path / "lake", "d", wide(20))
    for name in ("work", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    distinct = "CREATE TEMP TABLE spilled AS SELECT DISTINCT hash(i) AS a, hash(i + 1) AS b FROM range(2_000_000) t(i)"
    with attach(tmp_path / "lake") as one, attach(tmp_path / "lake", read_only=True) as two:
        for con in (one, two):
            con.execute("SET memory_limit = '40MB'")
            con.execute(distinct)
            assert con.execute("SELECT count(*) FROM spilled").fetchall() == [(2_000_000,)]
        assert len(list((tmp_path / "temporary").iterdir())) == 2  # two that share a folder would share files
    assert [list((tmp_path / name).iterdir()) for name in ("work", "temporary")] == [[], []]


def test_a_lakehouse_may_be_moved(tmp_path: Path) -> None:
    ingest(tmp_path / "here", "d", wide())
    with attach(tmp_path / "here") as con:
        before = load_prices(con, {"d": None})["d"]
    shutil.move(tmp_path / "here", tmp_path / "there")
    with attach(tmp_path / "there", read_only=True) as con:
        assert same(load_prices(con, {"d": None})["d"].close, before.close)


@pytest.mark.parametrize("content", [b"hello, world\n" * 300, b"SQLite format 3\0" + b"\1" * 5000])
def test_a_corrupt_catalogue_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "catalog.sqlite").write_bytes(content)
    with pytest.raises(StoreError, match=r"catalog\.sqlite' cannot be opened.*restore the file"):
        attach(tmp_path)
    assert (tmp_path / "catalog.sqlite").read_bytes() == content


def test_an_empty_catalogue_is_no_lakehouse(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite").touch()
    with pytest.raises(StoreError, match="no lakehouse"):
        attach(tmp_path, read_only=True)


def test_another_sqlite_file_is_no_lakehouse(tmp_path: Path) -> None:
    con = sqlite3.connect(tmp_path / "catalog.sqlite")
    con.execute("CREATE TABLE mine (a)")
    con.commit()
    con.close()
    with pytest.raises(StoreError, match=r"cannot be opened as a lakehouse's catalogue"):
        attach(tmp_path)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DROP TABLE weights", "table weights"),
        ("DROP TABLE trial_cash", "table trial_cash"),
        ("DROP VIEW trials", r"view main\.trials"),
        ("ALTER TABLE runs DROP COLUMN ledger_head", r"column runs\.ledger_head"),
        ("ALTER TABLE runs DROP COLUMN digests", r"column runs\.digests"),
    ],
)
def test_a_lakehouse_of_an_older_format_is_refused_with_the_command_that_makes_it_anew(
    tmp_path: Path, statement: str, what: str
) -> None:
    ingest(tmp_path, "d", wide(5))
    with attach(tmp_path) as con:
        con.execute(statement)
    before = sorted((tmp_path / "data").rglob("*"))
    refusal = rf"older format.* no {what}; make it anew with `metabt ingest FILE --dataset NAME --lakehouse"
    for attempt in (lambda: attach(tmp_path, read_only=True), lambda: ingest(tmp_path, "e", wide(5))):
        with pytest.raises(StoreError, match=refusal):
            attempt()
    assert sorted((tmp_path / "data").rglob("*")) == before


@pytest.mark.parametrize("step", ["create_tables", "create_views", "keep_in_catalogue"])
def test_a_lakehouse_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def stopped(con: duckdb.DuckDBPyConnection) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(attachment, step, stopped)
        with pytest.raises(KeyboardInterrupt):
            ingest(tmp_path / "lake", "d", wide(5))
    with pytest.raises(StoreError, match="no lakehouse at"):
        attach(tmp_path / "lake", read_only=True)
    assert {file.name for file in (tmp_path / "lake").iterdir()} <= {"data", "writer.lock"}
    ingest(tmp_path / "lake", "d", wide(5))
    ingest(tmp_path / "undisturbed", "d", wide(5))
    assert state(tmp_path / "lake") == state(tmp_path / "undisturbed")
    assert check_lakehouse(tmp_path / "lake").faults == []
    assert options(tmp_path / "lake") == options(tmp_path / "undisturbed") != set()


def test_what_killed_makers_left_goes_after_an_hour(tmp_path: Path) -> None:
    for name, age in (("old", attachment.LONG_AGO + 60), ("new", 60)):
        file = tmp_path / SqliteCatalogue.draft(name)
        file.touch()
        os.utime(file, (time.time() - age,) * 2)
    attach(tmp_path, create=True).close()
    drafts = {file.name for file in tmp_path.glob(SqliteCatalogue.draft("*"))}
    assert drafts == {SqliteCatalogue.draft("new")}


@pytest.mark.parametrize("linked", [True, False])
def test_a_catalogue_that_was_put_meanwhile_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    if not linked:
        monkeypatch.setattr("metabt.lakehouse.catalog.sqlite.os.link", refused)
    catalogue = SqliteCatalogue(tmp_path)
    for text in ("first", "second")[: 1 + linked]:
        (tmp_path / text).write_text(text)
        catalogue.put(tmp_path / text)
        assert catalogue.file.read_text() == "first"


def options(lake: Path) -> set[tuple[str, str, str]]:
    """Return what the catalogue is told of tables."""
    sql = f"SELECT m.key, m.value, t.table_name FROM {META}.ducklake_metadata m JOIN {META}.ducklake_table t "
    with attach(lake, read_only=True) as con:
        return set(con.execute(f"{sql} ON m.scope_id = t.table_id WHERE m.scope = 'table'").fetchall())


def test_read_only_attachments_refuse_to_write(unchanged: Path) -> None:
    with attach(unchanged, read_only=True) as con, pytest.raises(duckdb.Error, match="read-only"):
        con.execute("DELETE FROM prices")


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("mine")
    for attempt in (check_writable, lambda path: ingest(path, "d", wide(5))):
        with pytest.raises(StoreError, match=r"cannot be written: .*is a file, not a directory; .*name another path"):
            attempt(tmp_path / "lake")
    assert (tmp_path / "lake").read_text() == "mine"


def test_a_file_in_the_place_of_the_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("mine")
    with pytest.raises(StoreError, match="is a file, not a directory"):
        check_writable(tmp_path)


def test_a_directory_in_the_place_of_the_catalogue_is_refused(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite").mkdir()
    with pytest.raises(StoreError, match="not a writable file"):
        check_writable(tmp_path)


def test_a_failing_write_is_refused_whatever_the_permission_bits_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only_mount(**_: object) -> object:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", read_only_mount)
    with pytest.raises(StoreError, match="cannot be written: .*Read-only file system; restore write permission"):
        check_writable(tmp_path)


def test_a_write_protected_lakehouse_is_read_and_refuses_what_writes_and_stays_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def copies() -> set[Path]:
        return set(Path(tempfile.gettempdir()).glob(f"{CATALOGUE}*"))

    left = copies()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lake"
        ingest(path, "d", wide(20))
        before = state(path)
        with attach(path, read_only=True) as con:
            expected = load_prices(con, {"d": None})["d"]
        for lock_file in path.glob("catalog.sqlite-*"):  # a reader may have left them; without them SQLite cannot read
            lock_file.unlink()
        places = [Path(folder), path, *path.rglob("*")]
        for place in places:
            place.chmod(0o555 if place.is_dir() else 0o444)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # root ignores permission bits
        try:
            for attempt in (check_writable, lambda p: ingest(p, "d", wide(30)), lambda p: attach(p, create=True)):
                with pytest.raises(
                    StoreError, match=r"cannot be written: .*Permission denied; restore write permission"
                ):
                    attempt(path)
            with attach(path, read_only=True) as con:
                assert same(load_prices(con, {"d": None})["d"].close, expected.close)
                assert copies() != left
            del con
            assert copies() == left
            with monkeypatch.context() as full:
                full.setattr(tempfile, "tempdir", str(path))
                with pytest.raises(StoreError, match=r"restore write permission on the directory.*Permission denied"):
                    attach(path, read_only=True)
        finally:
            os.seteuid(user)
            for place in places:
                place.chmod(0o755)
        assert state(path) == before


def test_check_writable_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_an_extension_that_is_not_there_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(SqliteCatalogue, "extensions", ("no_such_extension",))
    with pytest.raises(StoreError, match=r"wheel duckdb-extension-no-such-extension==.*copy no_such_extension"):
        attach(tmp_path, create=True)


def test_a_connection_that_was_begun_is_taken_once(monkeypatch: pytest.MonkeyPatch, fresh: Path) -> None:
    made: list[object] = []
    make = connections._made
    monkeypatch.setattr(connections, "_made", lambda names: made.append(make(names)) or made[-1])
    for _ in range(2):
        connections.begin(lambda: SqliteCatalogue.extensions)
    with attach(fresh, read_only=True) as one, attach(fresh, read_only=True) as other:
        assert len(made) == 2 and made[0] is one and made[1] is other


def test_a_connection_that_was_begun_for_less_is_taken_too(monkeypatch: pytest.MonkeyPatch, fresh: Path) -> None:
    connections.begin(lambda: ("ducklake",))
    begun = connections._begun[0].result()
    with attach(fresh, read_only=True) as con:
        assert con is begun and load_facts(con, {}) == {}


def test_what_goes_wrong_in_the_background_is_told_to_who_asks(monkeypatch: pytest.MonkeyPatch, fresh: Path) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(SqliteCatalogue, "extensions", ("no_such_extension",))
        connections.begin(lambda: SqliteCatalogue.extensions)
        with pytest.raises(StoreError, match="no_such_extension"):
            attach(fresh, read_only=True)
    attach(fresh, read_only=True).close()


def test_what_goes_wrong_in_the_background_alone_is_nobodys_concern(fresh: Path) -> None:
    connections.begin(lambda: ("no_such_extension",))
    attach(fresh, read_only=True).close()
    assert not connections._begun
