"""A copy of a catalogue is of one commit, whoever writes meanwhile."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from metabt.errors import StoreError
from metabt.lakehouse.catalog import catalog_copy
from metabt.lakehouse.catalog.catalog_copy import LOG, copied


class Reader:
    """What a copy is made for."""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(catalog_copy.time, "sleep", lambda _: None)
    (tmp_path / "catalog.sqlite").write_bytes(b"old" * 100)
    return tmp_path / "catalog.sqlite"


def writing(monkeypatch: pytest.MonkeyPatch, file: Path, times: int, left: list[Path]) -> None:
    """Have somebody write the file in the middle of its first copies."""
    copy, number = shutil.copyfile, count(1)

    def meanwhile(source: Path, target: Path) -> Any:
        made = copy(source, target)
        left[:] = [target.parent]
        if (done := next(number)) <= times:
            file.write_bytes(b"new" * (100 + done))
        return made

    monkeypatch.setattr(catalog_copy.shutil, "copyfile", meanwhile)


@pytest.mark.parametrize("times", [0, 1, catalog_copy.ATTEMPTS - 1])
def test_it_is_what_was_there_before_and_after(monkeypatch: pytest.MonkeyPatch, file: Path, times: int) -> None:
    writing(monkeypatch, file, times, [])
    reader = Reader()
    assert copied(file, reader).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("open_log", [True, False])
def test_where_somebody_writes_all_the_time_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, file: Path, open_log: bool
) -> None:
    left: list[Path] = []
    writing(monkeypatch, file, 0 if open_log else 99, left)
    if open_log:
        file.with_name(file.name + LOG).touch()
    with pytest.raises(StoreError, match=r"catalog\.sqlite' was written 8 times while it was copied.*try again later"):
        copied(file, Reader())
    assert left and not left[0].exists()


def test_it_goes_with_who_it_was_made_for(file: Path) -> None:
    reader = Reader()
    copy = copied(file, reader)
    assert copy.exists() and copy.parent.stat().st_mode & 0o077 == 0
    del reader
    assert not copy.parent.exists()
