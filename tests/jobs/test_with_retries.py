"""A job is run again where a retry can cure what ended it, and nowhere else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs.with_retries import WAITS, main
from metabt.cli.exit_codes import BROKEN, DONE, ENDED, FINAL, INTERRUPTED, STOPPED, UNREACHABLE, USAGE

SCRIPT = """
import os, sys, pathlib
log = pathlib.Path(sys.argv[1])
log.write_text((log.read_text() if log.exists() else "") + "x")
codes = sys.argv[2].split(",")
code = int(codes[min(len(log.read_text()), len(codes)) - 1])
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Return a script that ends with one code after the other, and counts how often it was run."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def outcome(script: Path, *codes: int) -> tuple[int, int]:
    """Return the exit code and the number of runs."""
    log = script.parent / "log"
    code = main([str(script), str(log), ",".join(map(str, codes))], waits=(0.0, 0.0))
    return code, len(log.read_text())


@pytest.mark.parametrize("code", [DONE, *FINAL, *ENDED])
def test_what_a_retry_cannot_cure_is_run_once(script: Path, code: int) -> None:
    assert outcome(script, code) == (code, 1)


@pytest.mark.parametrize("code", [UNREACHABLE, BROKEN, 3, -signal.SIGKILL])
def test_what_it_may_cure_is_run_again(script: Path, code: int) -> None:
    assert outcome(script, code, DONE) == (DONE, 2)


def test_it_is_given_up_in_the_end_and_a_refusal_ends_it_at_once(script: Path) -> None:
    assert outcome(script, UNREACHABLE) == (UNREACHABLE, 1 + len(WAITS))
    (script.parent / "log").unlink()
    assert outcome(script, -signal.SIGKILL, FINAL[0], DONE) == (FINAL[0], 2)
    (script.parent / "log").unlink()
    assert outcome(script, -signal.SIGKILL) == (128 + signal.SIGKILL, 1 + len(WAITS))


def test_codes_are_told_apart() -> None:
    codes = [DONE, *FINAL, BROKEN, UNREACHABLE, *ENDED]
    assert len(set(codes)) == len(codes) and USAGE in FINAL and {INTERRUPTED, STOPPED} == set(ENDED)
    assert main([]) == USAGE


def test_what_is_stopped_is_told_so_and_not_run_again(tmp_path: Path) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import signal, sys, time\n"
        "def stop(*_):\n    print('stopped', flush=True)\n    sys.exit(75)\n"
        "signal.signal(signal.SIGTERM, stop)\nprint('begun', flush=True)\ntime.sleep(60)\n"
    )
    root = Path(__file__).resolve().parents[2]
    line = [sys.executable, str(root / "jobs" / "with_retries.py"), str(slow)]
    settings = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(line, stdout=subprocess.PIPE, env=settings, text=True) as job:
        assert job.stdout is not None and job.stdout.readline() == "begun\n"
        began = time.monotonic()
        job.terminate()
        assert job.communicate(timeout=30)[0] == "stopped\n"
        assert job.returncode == 75 and time.monotonic() - began < min(WAITS)
