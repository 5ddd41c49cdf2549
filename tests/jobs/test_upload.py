"""What `ray job submit --working-dir .` sends from a checkout: jobs and configuration, nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    "conf",
    "docs",
    "hydra_plugins",
    "jobs",
    "k8s",
    "metabt",
    "tests",
    ".rayignore",
    "pyproject.toml",
    "README.md",
)
LEFT_AT_HOME = (
    ".git/x",
    ".venv/bin/python",
    ".venv-lowest/bin/python",
    "data/lakehouse/catalog.sqlite",
    ".mypy_cache/x",
    "metabt/__pycache__/x.pyc",
)
"""Files that there are in a checkout that is being used."""


def test_jobs_and_configuration_travel_and_nothing_else(tmp_path: Path) -> None:
    from ray._private.runtime_env.packaging import create_package

    checkout, package = tmp_path / "checkout", tmp_path / "package.zip"
    checkout.mkdir()
    for name in SOURCES:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, checkout / name)
    for name in LEFT_AT_HOME:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_bytes(bytes(10**6))
    create_package(str(checkout), package, include_gitignore=False)  # what Git ignores need not be named again
    with ZipFile(package) as sent:
        names = set(sent.namelist())
    print(f"{len(names)} files, {package.stat().st_size / 1e3:.0f} kB")
    assert {"jobs/backtest.py", "conf/config.yaml"} <= names
    # what is installed on the nodes must not stand in the folder in which the job runs, where it would be found first
    assert {name.split("/")[0] for name in names if "/" in name} == {"conf", "jobs"}
    assert names.isdisjoint(LEFT_AT_HOME) and package.stat().st_size < 1e6
