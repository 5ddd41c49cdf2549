"""File systems: what machines share is known by its mount, and whoever writes to a SQLite catalogue there is warned."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from metabt.lakehouse import attach, ingest
from metabt.lakehouse.catalog import sqlite
from metabt.lakehouse.catalog.sqlite import SqliteCatalogue
from metabt.lakehouse.folder import file_system
from metabt.lakehouse.folder.file_system import shared_file_system


def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *mounts: tuple[str, str]) -> None:
    """List mounts (place, type) as Linux does, options and optional fields among them."""
    lines = [
        f"{30 + i} 1 0:{i} / {place} rw,relatime shared:{i} master:1 - {kind} source rw\n"
        for i, (place, kind) in enumerate(mounts)
    ]
    (tmp_path / "mountinfo").write_text("".join(lines))
    monkeypatch.setattr(file_system, "MOUNTS", tmp_path / "mountinfo")


@pytest.mark.parametrize(
    ("mounts", "found"),
    [
        ([("/", "ext4")], None),
        ([("/", "overlay"), ("/mnt", "nfs4")], None),
        ([("/", "ext4"), ("/data", "nfs4")], "nfs4"),
        ([("/data", "nfs"), ("/", "ext4")], "nfs"),
        ([("/", "cifs")], "cifs"),
        ([("/", "ext4"), ("/data", "smb3")], "smb3"),
        ([("/", "ext4"), ("/data", "fuse.sshfs")], "fuse.sshfs"),
        ([("/", "ext4"), ("/data/lake", "lustre"), ("/data", "tmpfs")], "lustre"),
        ([("/", "ext4"), ("/data", "nfs4"), ("/data/lake", "xfs")], None),
        ([("/", "ext4"), ("/data", "ext4"), ("/data", "nfs4")], "nfs4"),
        ([("/", "ext4"), ("/dat", "nfs4"), ("/data/lakes", "nfs4")], None),
        ([("/", "fuse.fuse-overlayfs")], None),
        ([], None),
    ],
)
def test_a_path_is_on_the_mount_nearest_to_it(
    mounts: list[tuple[str, str]], found: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted(tmp_path, monkeypatch, *mounts)
    assert shared_file_system(Path("/data/lake")) == found


def test_places_with_blanks_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted(tmp_path, monkeypatch, ("/", "ext4"), (r"/our\040data", "nfs4"))
    assert shared_file_system(Path("/our data/lake")) == "nfs4"


def test_where_mounts_are_not_listed_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_system, "MOUNTS", tmp_path / "no such file")
    assert shared_file_system(tmp_path) is None


def test_a_writer_of_a_sqlite_catalogue_between_machines_is_warned_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mounted(tmp_path, monkeypatch, ("/", "nfs4"))
    monkeypatch.setattr(sqlite, "_WARNED", set())
    lake, prices = tmp_path / "lake", tmp_path / "prices.csv"
    prices.write_text("date,AA\n2030-01-01,1\n2030-01-02,2\n")
    with caplog.at_level(logging.WARNING, "metabt.lakehouse"):
        attach(lake, create=True).close()
        assert not caplog.records
        ingest(lake, "one", prices)
        ingest(lake, "two", prices)
        SqliteCatalogue(lake).check_writable()
    (record,) = [it for it in caplog.records if it.name == "metabt.lakehouse"]
    assert "(nfs4)" in record.getMessage() and "--catalog 'postgres:" in record.getMessage()
