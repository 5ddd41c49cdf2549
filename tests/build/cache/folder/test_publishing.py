"""Publishing: temporary names, where directories are made, and which refusals mean that there are no hard links."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from metabt.build.cache.folder.publishing import (
    REFUSALS,
    directory_of,
    is_temporary,
    links_work,
    publish,
    temporary_name,
)
from metabt.build.cache.folder.syscalls import Disk
from tests.build.cache.stores import Hooked, key_of, refusing

NAME = key_of("pack")


def test_a_temporary_name_is_used_once_and_known_as_such() -> None:
    names = [temporary_name(NAME) for _ in range(50)]
    assert len(set(names)) == 50 and all(is_temporary(name) for name in names)
    prefix = f".{NAME}.{os.getpid()}-"
    for name in names:
        assert name.startswith(prefix) and name.endswith(".tmp") and len(name) == len(prefix) + 16 + 4
    assert not any(is_temporary(name) for name in (NAME, f"{NAME}.tmp", f".{NAME}", ".nfs0001", f".{NAME}.tmp.kept"))


@pytest.mark.parametrize("links", [True, False])
def test_pieces_are_published_under_the_name_and_by_the_first_alone(tmp_path: Path, links: bool) -> None:
    place = tmp_path / "new" / "packs"
    assert publish(Disk(), place, NAME, [b"ab", memoryview(b"cd"), b"e"], links=links) is True
    assert publish(Disk(), place, NAME, [b"other"], links=links) is False
    assert [(path.name, path.read_bytes()) for path in place.iterdir()] == [(NAME, b"abcde")]
    (place / key_of("link")).symlink_to(tmp_path / "nowhere")
    assert publish(Disk(), place, key_of("link"), [b"x"], links=links) is False
    assert (place / key_of("link")).is_symlink() and not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("links", [True, False])
def test_of_two_that_see_the_name_free_one_is_first(tmp_path: Path, links: bool) -> None:
    """With hard links the second one leaves what is there; without, it replaces it by the same bytes."""
    (tmp_path / NAME).parent.mkdir(exist_ok=True)

    def overtaken(step: str) -> None:
        if step == "fsync":
            (tmp_path / NAME).write_bytes(b"first")

    assert publish(Hooked(overtaken), tmp_path, NAME, [b"again"], links=links) is not links
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).read_bytes() == (b"first" if links else b"again")


@pytest.mark.parametrize(
    "code", [errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK]
)
def test_a_file_system_that_refuses_a_hard_link_has_none(tmp_path: Path, code: int) -> None:
    assert code in REFUSALS and links_work(refusing("link", code), tmp_path / "new") is False
    assert list((tmp_path / "new").iterdir()) == []


def test_any_other_refusal_is_raised(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Input/output error"):
        links_work(refusing("link", errno.EIO), tmp_path)
    assert list(tmp_path.iterdir()) == [] and links_work(Disk(), tmp_path) is True and list(tmp_path.iterdir()) == []


def test_a_directory_is_made_with_those_above_it_each_before_what_is_in_it(tmp_path: Path) -> None:
    made: list[str] = []

    class Noting(Disk):
        def mkdir(self, path: Path) -> None:
            made.append(path.name)
            super().mkdir(path)

        def fsync_dir(self, directory: int) -> None:
            made.append(f"in {Path(os.readlink(f'/proc/self/fd/{directory}')).name}")
            super().fsync_dir(directory)

    with directory_of(Noting(), tmp_path / "a" / "b") as directory:
        assert os.fstat(directory).st_ino == (tmp_path / "a" / "b").stat().st_ino
    assert made == ["a", f"in {tmp_path.name}", "b", "in a"]
    with directory_of(Noting(), tmp_path / "a" / "b"):
        assert len(made) == 4


def test_a_directory_that_another_process_makes_meanwhile_is_used(tmp_path: Path) -> None:
    def overtaken(step: str) -> None:
        if step == "mkdir":
            (tmp_path / "a").mkdir()

    with directory_of(Hooked(overtaken), tmp_path / "a") as directory:
        assert os.fstat(directory).st_ino == (tmp_path / "a").stat().st_ino
