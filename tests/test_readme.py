"""The README's commands run, in order, in one folder, as a reader would type them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
SET_UP = ("make ", "git ", "cd ", "pip ", "source ", "python3")
"""Commands that set up what this test already runs in."""


def commands(text: str) -> list[str]:
    """Return the commands of the ```bash blocks; a line that ends with a backslash goes on."""
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip().removeprefix("$ ") for line in lines if line.strip() and not line.lstrip().startswith("#")]


def test_blocks_become_commands() -> None:
    text = "x\n```bash\n# why\nmetabt a \\\n  b\n\n$ metabt c\n```\n```python\nno\n```\n"
    assert commands(text) == ["metabt a    b", "metabt c"]


@pytest.mark.slow
def test_the_commands_run(tmp_path: Path) -> None:
    found = [line for line in commands(README.read_text(encoding="utf-8")) if not line.startswith(SET_UP)]
    assert any(line.startswith("metabt ") for line in found)
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    (bin_dir / "metabt").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m metabt "$@"\n')
    (bin_dir / "metabt").chmod(0o755)
    path = os.pathsep.join([str(bin_dir), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    folder = tmp_path / "reader"
    folder.mkdir()
    if not any(line.startswith("metabt demo") for line in found[:1]):
        found.insert(0, "metabt demo --quiet")  # what `make demo` did
    for line in found:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
