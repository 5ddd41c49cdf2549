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


def scripts(text: str) -> list[str]:
    """Return the ```bash blocks without the lines that set up the environment."""
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    kept = [[line.removeprefix("$ ") for line in block.splitlines()] for block in blocks]
    return ["\n".join(line for line in lines if not line.startswith(SET_UP)) for lines in kept]


def test_blocks_become_scripts() -> None:
    text = "x\n```bash\n$ make demo  # first\ncat > a <<E\nb\nE\n```\n```python\nno\n```\n"
    assert scripts(text) == ["cat > a <<E\nb\nE"]


@pytest.mark.slow
def test_the_commands_run(tmp_path: Path) -> None:
    found = scripts(README.read_text(encoding="utf-8"))
    assert "metabt backtest" in "".join(found)
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    (bin_dir / "metabt").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m metabt "$@"\n')
    (bin_dir / "metabt").chmod(0o755)
    path = os.pathsep.join([str(bin_dir), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    folder = tmp_path / "reader"
    folder.mkdir()
    for script in ["metabt demo --quiet", *found]:  # the demo is what `make demo` leaves behind
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
