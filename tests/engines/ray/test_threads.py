"""Threads where Ray runs: a driver takes its processors, a task leaves them to others."""

from __future__ import annotations

import pytest
import ray

from metabt.engines.usable_cpus import default_threads, usable_cpus

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("cluster")]


def test_a_task_walks_on_one_thread_and_a_driver_on_all(capfd: pytest.CaptureFixture[str]) -> None:
    @ray.remote
    def of_a_task() -> int:
        return default_threads()

    assert ray.get(of_a_task.remote()) == 1
    assert default_threads() == usable_cpus()
    assert capfd.readouterr().err == ""
