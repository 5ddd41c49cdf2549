"""The image's definition fits the repository, and what it compiles is all that a run needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.k8s.manifests import K8S, ROOT

DOCKERFILE = (K8S / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
ADMITTED = [line[1:] for line in (K8S / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")]


def test_what_is_copied_is_there_and_admitted() -> None:
    copied = [words.split() for words in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)]
    sources = [source for *names, _ in copied for source in names]
    assert {"metabt", "jobs", "constraints.txt"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), f"COPY {source}"
        assert any(fnmatch(source, pattern) for pattern in ADMITTED), f"{source} is not in Dockerfile.dockerignore"


def test_it_runs_as_nobody_in_particular_and_is_pinned() -> None:
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE)[-1] == "1000:1000"
    (install,) = re.findall(r"^RUN pip install .+$", DOCKERFILE, re.MULTILINE)
    assert "-c constraints.txt" in install
    extras = re.search(r"\.\[(.+?)\]", install)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras is not None and {"demo", "postgres"} <= set(extras[1].split(",")) <= known.keys()
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"python:3.11-slim-bookworm"}


def test_no_copy_of_metabt_stands_before_the_installed_one() -> None:
    """Jobs run in the image's folder, which Python looks into first; kernels are of the installed package."""
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    (folder,) = re.findall(r"^WORKDIR (\S+)$", last, re.MULTILINE)
    copied = [words.split()[-1] for words in re.findall(r"^COPY (.+)$", last, re.MULTILINE)]
    assert f"{folder}/jobs" in copied and f"{folder}/metabt" not in copied and folder not in copied


def _run(*command: str, store: Path) -> subprocess.CompletedProcess[str]:
    settings = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(store)}
    return subprocess.run([sys.executable, *command], cwd=store.parent, env=settings, capture_output=True, text=True)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile what the image has."""
    found = tmp_path_factory.mktemp("image") / "kernels"
    done = _run(str(ROOT / "jobs" / "compile_kernels.py"), store=found)
    assert done.returncode == 0, done.stderr
    return found


@pytest.mark.slow
def test_a_run_compiles_nothing_that_the_image_has_not(store: Path, tmp_path: Path) -> None:
    compiled = {path.name for path in store.rglob("*.nb?")}
    assert len(compiled) > 20
    done = _run("-m", "metabt", "demo", "--quiet", "--lakehouse", str(tmp_path / "lakehouse"), store=store)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in store.rglob("*.nb?")} == compiled


FIRST_USE = """
import inspect
from importlib import import_module
import numpy as np
from numba.core import event
from metabt.estimators.registry import OPTIMIZERS, optimizer
from metabt.estimators.windows import Windows

X = np.random.default_rng(0).normal(0.001, 0.01, (80, 6))
stack = Windows(X, np.array([60, 70, 80]), np.full(3, 50)), np.ones((3, 6), bool)
cases = 0
with event.install_recorder("numba:compile") as compiled:
    for name in sorted(set(OPTIMIZERS) - {"fixed"}):
        module, _, attribute = OPTIMIZERS[name].partition(":")
        known = inspect.signature(getattr(import_module(module), attribute)).parameters
        for covariance in ("sample", "ewma", "ledoit_wolf", "oas", "denoised") if "covariance" in known else (None,):
            for mean in ("sample", "ewma", "james_stein") if "mean" in known else (None,):
                chosen = {"covariance": covariance, "mean": mean}
                rule = optimizer(name, **{key: value for key, value in chosen.items() if value})
                rule.weigh(*stack)
                rule.fit(X)
                cases += 1
print(cases, len(compiled.buffer))
"""
"""Use every optimizer with every covariance and mean; print how many there are, and what numba compiled for them."""


@pytest.mark.slow
def test_the_first_use_of_an_estimator_compiles_nothing(store: Path) -> None:
    done = _run("-c", FIRST_USE, store=store)
    assert done.returncode == 0, done.stderr
    cases, compiled = map(int, done.stdout.split())
    assert cases > 40 and compiled == 0


@pytest.mark.slow
def test_a_kernel_that_nothing_asks_for_fails_the_build(store: Path, tmp_path: Path) -> None:
    text = (ROOT / "jobs" / "compile_kernels.py").read_text(encoding="utf-8")
    smaller, n = re.subn(r', "covariance": "ewma"', "", text)
    assert n == 1
    (tmp_path / "smaller.py").write_text(smaller)
    done = _run(str(tmp_path / "smaller.py"), store=store)
    assert done.returncode == 1 and "not compiled: metabt.estimators.moments.ewma._weighted" in done.stderr
