"""Usable memory: limits of control groups, and plans that are refused before they start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import metabt
from metabt.build.memory_estimate import LIBRARIES, PRICES, READING, SLEEVES, TABLES, MemoryEstimate
from metabt.engines import backtest_engine
from metabt.engines import usable_memory as module
from metabt.engines.usable_memory import CURES, check_memory, usable_memory
from metabt.errors import ConfigError
from tests.shared.executors import LEAF, NESTED, engine, years

SECOND = "sys/fs/cgroup/{}memory.max"
FIRST = "sys/fs/cgroup/memory/{}memory.limit_in_bytes"
GIB = 2**30
CASES: dict[str, tuple[str, dict[str, str], int]] = {
    "no control groups": ("", {}, 64),
    "no limit": ("0::/", {SECOND.format(""): "max\n"}, 64),
    "a container": ("0::/", {SECOND.format(""): f"{2 * GIB}\n"}, 2),
    "a group above": ("0::/a/b", {SECOND.format("a/b/"): "max\n", SECOND.format("a/"): f"{5 * GIB}\n"}, 5),
    "another group's": ("0::/a", {SECOND.format("b/"): f"{GIB}\n"}, 64),
    "more than there is": ("0::/", {SECOND.format(""): f"{99 * GIB}\n"}, 64),
    "version 1": ("4:memory:/x\n3:cpu,cpuacct:/x\n", {FIRST.format("x/"): f"{3 * GIB}\n"}, 3),
    "version 1 of another controller": ("3:cpu,cpuacct:/x", {FIRST.format("x/"): f"{3 * GIB}\n"}, 64),
    "damaged": ("0::/\nnonsense\n", {SECOND.format(""): "a lot\n"}, 64),
}


@pytest.mark.parametrize("case", CASES)
def test_limits_count(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups, files, expected = CASES[case]
    monkeypatch.setattr(module.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 64 * GIB // 4096}.__getitem__)
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_memory(tmp_path) == expected * GIB


def test_of_this_machine_it_is_what_it_has_or_less() -> None:
    assert 0 < usable_memory() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_what_takes_too_much_is_refused_with_the_estimate_its_largest_part_and_the_cure() -> None:
    estimate = MemoryEstimate({SLEEVES: 3 * GIB, TABLES: 6 * GIB, LIBRARIES: GIB // 2})
    check_memory("portfolio 'x'", estimate, estimate.total)
    with pytest.raises(ConfigError) as refused:
        check_memory("portfolio 'x'", estimate, estimate.total - 1)
    said = str(refused.value)
    assert said.startswith(
        "portfolio 'x' would take about 9.5 GiB of memory, this process may use 9.5 GiB; 6.0 GiB are "
    )
    assert f"tables: {CURES[TABLES]}" in said and said.endswith("--force runs it all the same (in Python force=True)")


def test_every_part_has_a_cure() -> None:
    assert CURES.keys() == {LIBRARIES, PRICES, SLEEVES, READING, TABLES}


def test_it_is_refused_before_anything_is_walked_and_force_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Never(metabt.Local):
        def walk(self, *_: object) -> None:  # type: ignore[override]
            raise AssertionError("it was walked")

    monkeypatch.setattr(module, "usable_memory", lambda: 1000)
    for trees, who in (([NESTED], "portfolio 'root'"), ([NESTED, LEAF], "2 portfolios together")):
        with pytest.raises(ConfigError, match=f"{who} would take about"):
            engine(trees, executor=Never()).run()
    job = engine([NESTED], force=True)
    assert job.assemble(job.run())["metrics"]
    with pytest.raises(ConfigError, match="force is int 1"):
        engine([NESTED], force=1)
    assert backtest_engine.__doc__


def test_from_python_it_is_refused_and_forced_in_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_memory", lambda: 1000)
    with pytest.raises(ConfigError, match="in Python force=True"):
        metabt.backtest(LEAF, {"stocks": years(3)["stocks"]})
    assert metabt.backtest(LEAF, {"stocks": years(3)["stocks"]}, force=True).paths == ("leaf",)
