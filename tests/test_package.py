"""What `import metabt` shows: names, version, types, errors, also before anything of it is used."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

import metabt

ROOT = Path(__file__).resolve().parent.parent


def test_every_public_name_is_listed_and_there() -> None:
    assert set(metabt.__all__) <= set(dir(metabt)) and "__version__" in dir(metabt)
    assert all(getattr(metabt, name) is not None for name in metabt.__all__)
    assert metabt.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    with pytest.raises(AttributeError, match="no attribute 'backtes'; did you mean 'backtest'"):
        metabt.backtes  # noqa: B018


def test_errors_and_names_need_no_further_import() -> None:
    said = "import metabt; print(metabt.errors.ConfigError.__name__, 'backtest' in dir(metabt), len(dir(metabt)) > 15)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["ConfigError", "True", "True"]


def test_the_version_is_printed_without_a_command() -> None:
    done = subprocess.run([sys.executable, "-m", "metabt", "--version"], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"metabt {metabt.__version__}\n", "")


def test_types_are_marked_and_packed() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert (files("metabt") / "py.typed").is_file() and "/metabt" in wheel["include"] and "exclude" not in wheel
