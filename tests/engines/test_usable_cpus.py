"""Usable processors: affinity and every quota above a process count, in both versions of control groups."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from metabt.engines import usable_cpus as module
from metabt.engines.usable_cpus import usable_cpus

SECOND = "sys/fs/cgroup/{}cpu.max"
FIRST = "sys/fs/cgroup/cpu/{}cpu.cfs_{}_us"
CASES: dict[str, tuple[str, dict[str, str], int]] = {
    "no control groups": ("", {}, 64),
    "no quota": ("0::/", {SECOND.format(""): "max 100000\n"}, 64),
    "a container of two": ("0::/", {SECOND.format(""): "200000 100000\n"}, 2),
    "a part counts as one": ("0::/", {SECOND.format(""): "150000 100000\n"}, 2),
    "less than one": ("0::/", {SECOND.format(""): "20000 100000\n"}, 1),
    "a group of its own": ("0::/a/b", {SECOND.format("a/b/"): "300000 100000\n"}, 3),
    "a group above": (
        "0::/a/b",
        {SECOND.format("a/b/"): "max 100000\n", SECOND.format("a/"): "500000 100000\n"},
        5,
    ),
    "the least of several": (
        "0::/a",
        {SECOND.format("a/"): "700000 100000\n", SECOND.format(""): "200000 50000\n"},
        4,
    ),
    "another group's quota": ("0::/a", {SECOND.format("b/"): "100000 100000\n"}, 64),
    "more than there are": ("0::/", {SECOND.format(""): "9900000 100000\n"}, 64),
    "version 1": (
        "4:memory:/x\n3:cpu,cpuacct:/x\n",
        {FIRST.format("x/", "quota"): "250000\n", FIRST.format("x/", "period"): "100000\n"},
        3,
    ),
    "version 1 without a quota": (
        "3:cpu,cpuacct:/x",
        {FIRST.format("x/", "quota"): "-1\n", FIRST.format("x/", "period"): "100000\n"},
        64,
    ),
    "damaged": ("0::/\nnonsense\n", {SECOND.format(""): "two 0\n"}, 64),
}


@pytest.mark.parametrize("case", CASES)
def test_quotas_count(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups, files, expected = CASES[case]
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda pid: set(range(64)))
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_cpus(tmp_path) == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system binds no process to processors")
def test_a_process_that_is_bound_to_one_processor_may_use_one() -> None:
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); "
        "from metabt.engines.usable_cpus import usable_cpus; print(usable_cpus())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


@pytest.mark.parametrize(
    ("started", "mode", "expected"), [(False, 0, 7), (True, 0, 7), (True, 1, 1)], ids=["none", "a driver", "a worker"]
)
def test_a_process_that_ray_has_started_walks_on_one_thread(
    started: bool, mode: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = SimpleNamespace(worker=SimpleNamespace(mode=mode))
    ray = SimpleNamespace(is_initialized=lambda: started, WORKER_MODE=1, get_runtime_context=lambda: context)
    monkeypatch.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]  # a stand-in
    monkeypatch.setattr(module, "usable_cpus", lambda: 7)
    assert module.default_threads() == expected


def test_without_ray_there_are_as_many_threads_as_usable_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    assert module.default_threads() == usable_cpus()
