"""Three nodes on one machine, one of which may be lost; a driver that is killed: the same bytes, nothing twice."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metabt.engines.local import Local
from tests.engines.ray.nodes import stored, walk

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

ROOT = Path(__file__).resolve().parents[3]
DRIVER = """
import json, sys
from metabt.engines.ray import Ray
from tests.engines.ray.nodes import stored, walk
if __name__ == "__main__":
    print(json.dumps(walk(sys.argv[1], Ray(workers=2))))
"""


def start(*argv: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.Popen([sys.executable, *argv], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    return walk(str(tmp_path_factory.mktemp("local") / "cache"), Local())[0]


@pytest.mark.parametrize("fault", ["none", "raylet"])
def test_three_nodes_give_the_bits_of_one_process(fault: str, expected: str, tmp_path: Path) -> None:
    done = start("-m", "tests.engines.ray.nodes", str(tmp_path / "cache"), fault)
    said, _ = done.communicate(timeout=240)
    assert done.returncode == 0
    found = json.loads(said.splitlines()[-1])
    print(f"fault {fault}: {found}")
    assert found["digest"] == expected and found["killed"] == (fault == "raylet")
    assert walk(str(tmp_path / "cache"), Local())[1] == 0


def test_a_driver_that_is_killed_is_continued_by_the_same_command(expected: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = start("-c", DRIVER, str(cache))
    while stored(cache) < 5:
        assert first.poll() is None
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    time.sleep(2.0)  # its actors notice that they are orphans, and end
    before = stored(cache)
    said, _ = (second := start("-c", DRIVER, str(cache))).communicate(timeout=240)
    assert second.returncode == 0
    found, computed, n_blocks = json.loads(said)
    print(f"driver killed with {before} of {n_blocks} blocks stored; {computed} computed by the second")
    assert found == expected and computed == n_blocks - before


def test_a_sleeve_that_takes_all_memory_is_named_with_partition_and_size(tmp_path: Path) -> None:
    done = start("-m", "tests.engines.ray.nodes", str(tmp_path / "cache"), "memory")
    said, _ = done.communicate(timeout=240)
    assert done.returncode == 0
    victim, other = json.loads(said.splitlines()[-1])
    print(victim)
    assert other == "ok"
    says = r"^sleeve 'victim/bad': 2021-\S+: it ran out of memory in partition 2021, whose windows take at most"
    assert re.search(says + r" [0-9.]+ MiB \(5 columns, \d+ sessions\)", victim)
