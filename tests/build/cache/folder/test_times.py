"""Times of last use in a folder: what is written is read, to the second; of others what is there stays."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

import pytest

from metabt.build.cache.folder.times import last_uses, write_uses
from tests.build.cache.stores import key_of

PACK = key_of("pack")


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
    assert list((tmp_path / "new" / "used").iterdir()) == [path]
    assert len(os.listdir("/proc/self/fd")) <= n_open


@pytest.mark.parametrize("n_bytes", [0, 7, 9, 12])
def test_times_of_another_number_of_objects_are_none(tmp_path: Path, n_bytes: int) -> None:
    assert last_uses(tmp_path, PACK, 2, 5.5) == [5.5, 5.5]
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
