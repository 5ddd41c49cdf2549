"""Times of last use: what is written is read, to the second; of others what is there stays."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

import pytest

from metabt.build.cache import last_use
from metabt.build.cache.last_use import LastUse, last_uses, use_files, write_uses
from tests.build.cache.stores import key_of

PACK, NOW = key_of("pack"), 1_700_000_000.75
DAY = 24 * 60 * 60


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_use.time, "time", lambda: NOW)


def test_times_are_whole_seconds_of_four_bytes_each(tmp_path: Path) -> None:
    n_open = len(os.listdir("/proc/self/fd"))
    write_uses(tmp_path / "new", PACK, [7.9, 0.0, 2.0**32 - 1])
    path = tmp_path / "new" / "used" / PACK
    assert path.read_bytes() == struct.pack("<3I", 7, 0, 2**32 - 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(last_uses(tmp_path / "new", PACK, 3, 5.5)) == [7.0, 5.5, 2.0**32 - 1]
    write_uses(tmp_path / "new", PACK, [0.0, 4.0, 0.0])
    assert path.read_bytes() == struct.pack("<3I", 7, 4, 2**32 - 1)
    write_uses(tmp_path / "new", PACK, [0.0, 0.0])
    assert path.read_bytes() == struct.pack("<2I", 7, 4)
    assert [(found, status.st_size) for found, status in use_files(tmp_path / "new")] == [(path, 8)]
    assert len(os.listdir("/proc/self/fd")) <= n_open


@pytest.mark.parametrize("n_bytes", [0, 7, 9, 12])
def test_times_of_another_number_of_objects_are_none(tmp_path: Path, n_bytes: int) -> None:
    assert last_uses(tmp_path, PACK, 2, 5.5) == [5.5, 5.5] and use_files(tmp_path) == []
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / PACK).write_bytes(b"\1" * n_bytes)
    assert last_uses(tmp_path, PACK, 2, 5.5) == [5.5, 5.5]


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "precious").write_bytes(struct.pack("<I", 9))
    (tmp_path / "used" / PACK).symlink_to(tmp_path / "precious")
    assert last_uses(tmp_path, PACK, 1, 5.5) == [5.5]
    with pytest.raises(OSError, match="Too many levels"):
        write_uses(tmp_path, PACK, [3.0])
    assert (tmp_path / "precious").read_bytes() == struct.pack("<I", 9)


def test_a_use_is_recorded_once_it_is_a_day_after_the_last(tmp_path: Path) -> None:
    """Of a pack that was published at one time, and of which some objects have been used since."""
    ages = [DAY, DAY + 1, 0, 5 * DAY]
    write_uses(tmp_path, PACK, [int(NOW) - age for age in ages])
    noted = LastUse(tmp_path)
    for row in (0, 1, 3):
        noted.note(PACK, 4, row, NOW - 2 * DAY)
    assert [int(NOW) - at for at in last_uses(tmp_path, PACK, 4, 0.0)] == ages
    noted.record()
    # 0.75 s more than a day ago
    assert [int(NOW) - at for at in last_uses(tmp_path, PACK, 4, 0.0)] == [0, 0, 0, 0]
    write_uses(tmp_path, PACK, [int(NOW) + 1 - DAY] * 4)
    noted.note(PACK, 4, 2, NOW - 2 * DAY)
    noted.record()
    assert list(last_uses(tmp_path, PACK, 4, 0.0)) == [int(NOW) + 1 - DAY] * 4


def test_what_was_recorded_is_read_anew_and_nothing_is_recorded_twice(tmp_path: Path) -> None:
    noted, other = LastUse(tmp_path), key_of("other")
    for pack in (PACK, other):
        noted.note(pack, 1, 0, NOW - 2 * DAY)
    noted.record()
    assert [path.name for path, _ in use_files(tmp_path)] == sorted([PACK, other])
    for path, _ in use_files(tmp_path):
        path.unlink()
    noted.record()
    assert use_files(tmp_path) == []
    noted.note(PACK, 1, 0, NOW - 2 * DAY)
    noted.record()
    assert [path.name for path, _ in use_files(tmp_path)] == [PACK]


def test_a_store_that_cannot_be_written_is_read_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "used").write_text("")
    noted = LastUse(tmp_path)
    noted.note(PACK, 1, 0, NOW - 2 * DAY)
    noted.record()
    assert (tmp_path / "used").read_text() == "" and last_uses(tmp_path, PACK, 1, 5.5) == [5.5]
