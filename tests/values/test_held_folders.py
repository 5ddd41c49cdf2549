"""A temporary folder lasts as long as its owner; a killed owner's is removed by the next one, a living one's never."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from metabt.values.held_folders import KINDS, hold, release, sweep_up

OWNER = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from metabt.values.held_folders import hold
folder = hold(sys.argv[2])
(folder / "inside").mkdir()
(folder / "inside" / "file").write_text("x")
print(folder, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def another(place: Path, kind: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Yield a process that holds a folder, and the folder."""
    arguments = [sys.executable, "-c", OWNER, str(place), kind]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        try:
            yield owner, Path(owner.stdout.readline().strip())
        finally:
            owner.kill()


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_owners_folder_is_removed_and_a_living_ones_is_not(place: Path, kind: str) -> None:
    with another(place, kind) as (killed, gone), another(place, kind) as (_, kept):
        own = hold(kind)
        assert sweep_up() == 0 and sorted(place.iterdir()) == sorted([gone, kept, own])
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        assert sweep_up() == 1 and sorted(place.iterdir()) == sorted([kept, own])
        assert (kept / "inside" / "file").read_text() == "x"
        release(own)
        assert list(place.iterdir()) == [kept]


def test_what_is_not_known_to_be_held_is_not_touched(place: Path) -> None:
    target = place / "elsewhere"
    target.mkdir()
    (target / ".held").touch()
    for name in ("metabt-sweep-old", "metabt-ray-old", "metabt-other"):
        (place / name).mkdir()
    (place / "metabt-sweep-link").symlink_to(target)
    (place / "metabt-sweep-file").touch()
    before = sorted(place.rglob("*"))
    assert sweep_up() == 0 and sorted(place.rglob("*")) == before


def test_a_folder_is_the_owners_alone() -> None:
    folder = hold("metabt-ray-")
    assert folder.stat().st_mode & 0o777 == 0o700 and folder.name.startswith("metabt-ray-")
    release(folder)
    release(folder)
    assert not folder.exists()
