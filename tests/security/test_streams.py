"""What a terminal and its pipes may be: full, closed; names cannot steer it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from metabt.cli.main import build_parser, main
from metabt.cli.streams import escaped

ROOT = Path(__file__).resolve().parents[2]
(COMMANDS,) = [a.choices for a in build_parser()._actions if isinstance(getattr(a, "choices", None), dict)]
SHELL = f'exec "{sys.executable}" -m metabt '


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["sh", "-c", SHELL + command], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("command", ["--help", "plan --help"])
def test_a_full_disk_is_one_sentence(command: str, tmp_path: Path) -> None:
    done = shell(f"{command} > /dev/full", tmp_path)
    assert done.returncode == 1
    assert (
        done.stderr == "metabt: standard output or a file: No space left on device; make room, or name another place\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_so_is_a_closed_output_for_every_command_before_it_does_anything(command: str, tmp_path: Path) -> None:
    arguments = {"ingest": "x.csv --dataset x", "sql": "'select 1'", "cache": "stats"}.get(command, "")
    for closing in (">&-", ">&- <&-"):
        done = shell(f"{command} {arguments} {closing}", tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert done.stderr == "metabt: standard output is closed; send it to a file, or to /dev/null\n"
    assert shell(f"{command} --help 2>&-", tmp_path).returncode == 0
    assert not list(tmp_path.iterdir())


def test_an_error_steers_no_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["plan", "portfolio=\x1b[31mred\u202e", "--lakehouse", str(tmp_path / "none")]) == 1
    said = capsys.readouterr().err
    assert "\\x1b[31mred\\u202e" in said and "\x1b" not in said and "\u202e" not in said


def test_what_is_printed_is_escaped_and_its_lines_stay() -> None:
    assert escaped("a\nb é 株\t\x1b[0m\u202e\x00\ud800") == "a\nb é 株\\t\\x1b[0m\\u202e\\x00\\ud800"


@pytest.mark.parametrize(
    "command", [["plan", "portfolio.name=\udce9"], ["sql", "select '\ud800'"], ["ingest", "\udcff.csv"]]
)
def test_an_argument_that_is_no_text_is_refused(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "is no UTF-8 text; write it in UTF-8" in said and said.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [["runs", "--lakehouse", "x" * 300], ["plan", f"lakehouse={'x' * 300}"], ["plan", "--config-dir", "x" * 300]],
    ids=["lakehouse", "setting", "config-dir"],
)
def test_a_path_longer_than_any_is_one_sentence(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 1
    said = capsys.readouterr().err
    assert said.startswith("metabt: ") and said.count("\n") == 1
