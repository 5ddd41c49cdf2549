"""A folder of tables that wait for a commit is its writer's for as long as that lives, and then nobody's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metabt.lakehouse.folder.orphans import DAY
from metabt.lakehouse.folder.staging import STAGED, Staging, remove_left

HOLDS = """
import os, sys, time
from pathlib import Path
from metabt.lakehouse.folder.staging import Staging
staging = Staging(Path(sys.argv[1]))
(staging.path / "rows").touch()
print(flush=True)
time.sleep(600)
"""


def test_it_goes_at_its_end_and_leaves_those_of_others(tmp_path: Path) -> None:
    one, other = Staging(tmp_path), Staging(tmp_path)
    (one.path / "rows").touch()
    remove_left(tmp_path, certain=True)
    assert one.path != other.path and one.path.is_dir() and other.path.is_dir()
    one.close()
    one.close()
    assert not one.path.exists() and other.path.is_dir()
    other.close()
    assert not (tmp_path / STAGED).exists()
    remove_left(tmp_path, certain=True)


@pytest.mark.parametrize("certain", [True, False])
def test_what_a_killed_writer_left_goes_and_what_a_living_one_has_stays(tmp_path: Path, certain: bool) -> None:
    """Where a lock may not be seen by everybody, only when nothing has come into it for two days."""
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline()
        (folder,) = (tmp_path / STAGED).iterdir()
        old = time.time() - 3 * DAY
        os.utime(folder, (old, old))
        remove_left(tmp_path, certain=certain)
        assert (folder / "rows").exists()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    os.utime(folder)
    remove_left(tmp_path, certain=certain)
    assert folder.exists() != certain
    if not certain:
        os.utime(folder, (old, old))
        remove_left(tmp_path, certain=certain)
    assert not (tmp_path / STAGED).exists()
