"""The calls that change a disk: each does what the system's call of that name does, in the directory it is given."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from metabt.build.cache.folder.syscalls import MANY, Disk


@pytest.fixture
def directory(tmp_path: Path) -> int:
    found = os.open(tmp_path, os.O_RDONLY)
    yield found
    os.close(found)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_call_writes_as_many_pieces_as_the_system_takes(tmp_path: Path, directory: int) -> None:
    assert MANY == os.sysconf("SC_IOV_MAX")
    file = Disk().create("new", directory)
    try:
        assert Disk().write(file, [b"ab"] * MANY) == 2 * MANY
        Disk().fsync(file)
    finally:
        os.close(file)
    assert (tmp_path / "new").read_bytes() == b"ab" * MANY and mode(tmp_path / "new") == 0o600


def test_what_is_made_is_new_and_its_owners(tmp_path: Path, directory: int) -> None:
    Disk().mkdir(tmp_path / "inside")
    assert mode(tmp_path / "inside") == 0o700
    (tmp_path / "there").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("there", "link", "inside"):
        with pytest.raises(FileExistsError):
            Disk().create(name, directory)
    assert (tmp_path / "there").read_text() == "x" and not (tmp_path / "nowhere").exists()
    file = Disk().create("new", directory)
    try:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.read(file, 1)
        assert not os.get_inheritable(file)
    finally:
        os.close(file)


def test_names_are_given_taken_and_removed(tmp_path: Path, directory: int) -> None:
    (tmp_path / "a").write_text("a")
    Disk().link("a", "b", directory)
    assert (tmp_path / "b").samefile(tmp_path / "a")
    (tmp_path / "c").symlink_to("a")
    Disk().link("c", "d", directory)
    assert (tmp_path / "d").is_symlink()
    with pytest.raises(FileExistsError):
        Disk().link("a", "b", directory)
    (tmp_path / "e").write_text("e")
    Disk().rename("e", "b", directory)
    assert (tmp_path / "b").read_text() == "e" and not (tmp_path / "e").exists()
    Disk().unlink("b", directory)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("call", ["fsync", "fsync_dir"])
def test_what_is_synchronised_is_what_is_given(call: str, monkeypatch: pytest.MonkeyPatch, directory: int) -> None:
    seen: list[int] = []
    monkeypatch.setattr(os, "fsync", seen.append)
    getattr(Disk(), call)(directory)
    assert seen == [directory]
