"""What breaks when a name of Ray's inside goes: each is still there, and its absence costs no run."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from metabt.engines.ray.connection import KEPT, connect
from metabt.lakehouse.catalog import job_folder

ROOT = Path(__file__).resolve().parents[3]


def test_what_ray_says_of_dying_workers_stays_off_standard_output(
    cluster: None, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    from ray._private import worker

    with caplog.at_level(logging.DEBUG, "metabt.cluster"):
        connect()
        worker.print_to_stdstream({"lines": ["a worker died"], "pid": "raylet", "is_err": False}, ignore_prefix=False)
    assert "a worker died" in caplog.messages and capfd.readouterr() == ("", "")


def test_without_a_way_to_keep_ray_quiet_it_is_connected_to_all_the_same(
    cluster: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from ray._private import worker

    monkeypatch.delattr(worker, "print_to_stdstream")
    with caplog.at_level(logging.DEBUG, "metabt.cluster"):
        connect()
    assert "no worker.print_to_stdstream" in caplog.text and not hasattr(worker, "print_to_stdstream")


def test_notes_of_other_processes_are_read_here(cluster: None) -> None:
    import ray

    from metabt.engines.ray import head_notes as notes

    def leave(note: str) -> None:
        notes.write_down(note, "2021-03-04")

    note = notes.new_note()
    ray.get(ray.remote(num_cpus=0)(leave).remote(note))
    assert notes.read(note) == "2021-03-04"
    notes.erase(note)
    assert notes.read(note) == ""


@pytest.mark.parametrize("name", ["_internal_kv_put", "_internal_kv_get", "_internal_kv_del"])
def test_without_the_store_of_the_head_notes_are_empty(
    cluster: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    from metabt.engines.ray import head_notes as notes

    note = notes.new_note()
    monkeypatch.delattr(notes.internal_kv, name)
    with caplog.at_level(logging.DEBUG, "metabt.cluster"):
        notes.write_down(note, "2021-03-04")
        assert notes.read(note) == ("2021-03-04" if name == "_internal_kv_del" else "")
        notes.erase(note)
    assert f"no internal_kv.{name}" in caplog.text


IDLE = """
import os, time
import ray
from metabt.engines.ray.connection import connect
connect(n_cpus=1)
def process():
    time.sleep(3.0)
    return os.getpid()
task = ray.remote(num_cpus=0)(process)
before = set(ray.get([task.remote() for _ in range(4)]))
time.sleep(6.0)
print(len(before), len([pid for pid in before if os.path.exists(f"/proc/{pid}")]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are looked up in /proc")
def test_processes_that_read_prices_are_kept_until_the_next_read() -> None:
    assert KEPT > 6000
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run([sys.executable, "-c", IDLE], cwd=ROOT, env=environment, capture_output=True, text=True)
    began, kept = map(int, done.stdout.split())
    assert kept == began > 1, done.stderr  # Ray by itself would keep as many as there are processors


def test_a_job_is_told_that_it_is_one_in_the_variable_that_is_looked_at() -> None:
    from ray._private.runtime_env.constants import RAY_JOB_CONFIG_JSON_ENV_VAR

    assert job_folder.JOB == RAY_JOB_CONFIG_JSON_ENV_VAR


def test_copies_of_what_jobs_send_lie_in_the_folder_that_is_refused() -> None:
    from ray._private.ray_constants import DEFAULT_RUNTIME_ENV_DIR_NAME

    assert job_folder.COPIES == DEFAULT_RUNTIME_ENV_DIR_NAME
