"""What a process does on SIGTERM stays its own, although Ray puts a handler of its own in its place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from metabt.engines.ray.connection import _own_end, connect
from metabt.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]


class Ended(BaseException):
    """What the process does on SIGTERM."""


@pytest.fixture
def own() -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:
        raise Ended

    before = signal.signal(signal.SIGTERM, end)
    yield
    signal.signal(signal.SIGTERM, before)


def as_ray_connects() -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)


@pytest.mark.usefixtures("own")
def test_it_is_there_again_once_ray_is_connected() -> None:
    with _own_end():
        as_ray_connects()
    with pytest.raises(Ended):
        terminate()


@pytest.mark.usefixtures("own")
def test_a_signal_while_ray_connects_is_handed_on() -> None:
    with pytest.raises(Ended), _own_end():
        as_ray_connects()
        terminate()


@pytest.mark.usefixtures("own")
def test_other_ways_out_stay_what_they_are() -> None:
    with pytest.raises(SystemExit, match="3"), _own_end():
        sys.exit(3)


def test_where_nobody_has_decided_ray_ends_the_process() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with _own_end():
            as_ray_connects()
        with pytest.raises(SystemExit):
            terminate()
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "[::1]:1"])
def test_an_address_at_which_nobody_answers_is_refused_at_once(address: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"from metabt.engines.ray.connection import connect; connect({address!r})"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert f"ConfigError: engine ray: no cluster at '{address}' ([Errno" in done.stderr
    assert "start one with `ray start --head`" in done.stderr


def test_an_installation_without_ray_is_broken() -> None:
    """A process of its own: what is imported here stays as it is."""
    code = "import sys; sys.modules['ray'] = None; from metabt.engines.ray.connection import connect; connect('local')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "ConfigError: engine ray: " in done.stderr.splitlines()[-1]
    assert "install metabt again, or choose engine=local" in done.stderr.splitlines()[-1]


def test_a_process_has_one_cluster(cluster: None) -> None:
    here = connect()
    assert connect(here) == connect("auto") == here
    with pytest.raises(ConfigError, match=f"connected to the cluster at {here}, not to 10.0.0.1:6379"):
        connect("10.0.0.1:6379")


def test_a_private_instance_has_a_token_that_only_its_user_can_read() -> None:
    code = (
        "import os, stat; from metabt.engines.ray.connection import _bring_token; _bring_token(); "
        "path = os.environ['RAY_AUTH_TOKEN_PATH']; "
        "print(stat.S_IMODE(os.stat(path).st_mode), len(open(path).read()), os.environ['RAY_AUTH_MODE'])"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [str(0o600), "64", "token"]


LISTENERS = """
from metabt.engines.ray.connection import connect
connect(n_cpus=1)
import psutil, ray  # Ray brings psutil along

ray.get(ray.remote(lambda: None).remote())  # a worker is there
own = psutil.Process()
found = [each for process in [own, *own.children(recursive=True)] for each in process.net_connections(kind="inet")]
print(*sorted({each.laddr.ip.removeprefix("::ffff:") for each in found if each.status == "LISTEN"}))
"""


@pytest.mark.slow
def test_no_other_machine_reaches_a_private_instance() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", LISTENERS], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.split() == ["127.0.0.1"], done.stderr
