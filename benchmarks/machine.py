"""The machine and the versions that results were measured on, without what would name it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "scipy", "numba", "skfolio", "clarabel", "cvxpy-base", "scikit-learn", "pandas", "bt", "ffn")
"""What decides how fast metabt and its peers are."""


def machine() -> str:
    """Return processor, cores and memory in a line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB of memory, {platform.system()}"


def versions() -> str:
    """Return the versions of Python and of the packages that are installed."""
    found = [f"Python {platform.python_version()}", f"metabt {version('metabt')}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:  # a peer that is not installed
            continue
    return ", ".join(found)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
