"""What is installed beside metabt: each package has a range and a reason, and the lower bounds can be had at once."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(TEXT)["project"]
EXTRAS = PROJECT["optional-dependencies"]
USED = [*PROJECT["dependencies"], *(text for extra, texts in EXTRAS.items() if extra != "dev" for text in texts)]
ALL = [*USED, *EXTRAS["dev"]]


@pytest.mark.parametrize("text", [text for text in USED if Requirement(text).name != "metabt"])
def test_what_metabt_uses_has_a_lower_and_an_upper_bound(text: str) -> None:
    operators = {it.operator for it in Requirement(text).specifier}
    assert operators in ({">=", "<"}, {"=="}), f"{text}: wanted a range of versions that is tested, >=1.2,<2"


@pytest.mark.parametrize("text", [text for text in ALL if Requirement(text).name != "metabt"])
def test_a_reason_stands_beside_each(text: str) -> None:
    assert re.search(rf'^ *"{re.escape(text)}", *# \S', TEXT, re.MULTILINE), f"{text}: say what it is for"


def test_the_lower_bounds_are_what_pyproject_states() -> None:
    done = subprocess.run([sys.executable, ROOT / ".ci" / "lowest.py"], capture_output=True, text=True, check=True)
    pinned = [Requirement(line) for line in done.stdout.splitlines()]
    stated = {it.name: it for text in ALL if (it := Requirement(text)).name != "metabt"}
    assert {it.name for it in pinned} >= {Requirement(text).name for text in PROJECT["dependencies"]}
    for requirement in pinned:
        ((version, operator),) = [(it.version, it.operator) for it in requirement.specifier]
        assert operator == "==" and requirement.extras == stated[requirement.name].extras
        assert stated[requirement.name].specifier.contains(version), f"{requirement} is outside of what is stated"
        assert f"{version}" in str(stated[requirement.name].specifier)
