"""Print every direct dependency of metabt at its lower bound, a line each as pip reads it.

`python .ci/lowest.py > requirements.txt`; what these packages need in turn is left to pip.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("demo", "postgres", "s3", "figures", "excel", "calendars", "optuna", "dev")
"""Extras that the default tests use; `bench` adds peers that they do not."""


def lowest(requirement: Requirement) -> str:
    """Return a requirement that only the lower bound of another meets.

    Raises
    ------
    SystemExit
        For one that has no lower bound, or several.
    """
    bounds = [it.version.removesuffix(".*") for it in requirement.specifier if it.operator in (">=", "==", "~=")]
    if len(bounds) != 1:
        raise SystemExit(f"{requirement}: wanted one lower bound, as in {requirement.name}>=1.2,<2")
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}=={bounds[0]}"


def direct() -> Iterator[Requirement]:
    """Yield the direct dependencies that pyproject.toml states, extras of metabt's own aside."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for text in (*project["dependencies"], *(text for extra in EXTRAS for text in extras[extra])):
        requirement = Requirement(text)
        if requirement.name != project["name"]:
            yield requirement


if __name__ == "__main__":
    print(*map(lowest, direct()), sep="\n")
