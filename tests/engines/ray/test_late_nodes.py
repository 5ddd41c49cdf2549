"""A head without processors, machines that come late and later, a worker that is killed: the same bits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from metabt.engines.local import Local
from metabt.lakehouse import ingest
from tests.engines.ray.late_nodes import slow, walk
from tests.engines.ray.test_nodes import start
from tests.shared.executors import years

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]


def test_machines_that_come_late_are_used_and_the_head_is_not(tmp_path: Path) -> None:
    lake, twin = tmp_path / "lake", tmp_path / "twin"
    for name, frame in years(3).items():
        ingest(lake, name, frame)
    shutil.copytree(lake, twin)
    done = start("-m", "tests.engines.ray.late_nodes", str(lake))
    said, _ = done.communicate(timeout=300)
    assert done.returncode == 0
    found = json.loads(said.splitlines()[-1])
    print(found)
    assert found["digest"] == walk(str(twin), Local()) and found["killed"] == 1
    # one actor a machine, at least, and one in place of that which was killed; prices are read by tasks
    assert len(found["used_after"]) == 2 and found["actors"] > 3 and found["tasks"] > 0
    assert found["on_head"] == []
    assert {name.split()[0] for name in found["names"]} == {"leaves", "sleeves"} and len(slow()["sleeves"]) > 3


def test_a_job_that_comes_later_gets_its_part_of_a_cluster() -> None:
    done = start("-m", "tests.engines.ray.sharing")
    said, _ = done.communicate(timeout=300)
    assert done.returncode == 0
    found = json.loads(said.splitlines()[-1])
    assert found == {"first": "short", "jobs_at_once": 2, "same": True, "left": 0}
