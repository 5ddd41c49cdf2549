"""Run attacks in one child process, each in a folder of its own, and say what came of it.

`python -m tests.shared.attacked` reads a list of attacks as JSON and writes a list of outcomes.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECRET = "hunter2-of-the-environment"
BYTES = 6_000_000_000
"""Address space of the child: a bomb that goes off ends there and not in the machine's swap."""
SECONDS = 120
"""Wall clock that one attack may take, on a machine that is busy with other tests."""


@dataclass(frozen=True)
class Attack:
    """Files and arguments of a user who means ill, and what metabt must say."""

    name: str
    says: str
    """Pattern of the error: the key and the cure."""
    arguments: tuple[str, ...] = ()
    """Overrides and options behind `metabt backtest`."""
    files: dict[str, str] = field(default_factory=dict)
    """Place beneath `conf/` -> text, written in Latin-1 so that any byte can be had."""
    multirun: bool = True
    code: int = 1


@dataclass(frozen=True)
class Outcome:
    """What an attack has done."""

    code: int
    printed: str
    traces: list[str]
    """Files that came, went or changed, in the working folder and above it."""
    seconds: float
    """Of the processor."""
    peak: int
    """Bytes that were resident at most, so far in the child."""
    raised: str


def carried_out(attacks: list[Attack]) -> dict[str, Outcome]:
    """Return the outcome of every attack, by its name."""
    environment = {**os.environ, "METABT_TEST_SECRET": SECRET, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.shared.attacked"],
        input=json.dumps([asdict(attack) for attack in attacks]),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    outcomes = json.loads(done.stdout.splitlines()[-1])
    return {attack.name: Outcome(**outcome) for attack, outcome in zip(attacks, outcomes, strict=True)}


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file, and every folder, beneath a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


def _carry_out(attack: Attack) -> Outcome:
    with tempfile.TemporaryDirectory() as outer:
        work = Path(outer, "a", "work")
        _furnish(work, attack.files)
        before = digests(Path(outer))
        os.chdir(work)
        began = _cpu()
        printed = io.StringIO()
        code, raised = _call(attack, printed)
        seconds = _cpu() - began
        os.chdir(ROOT)
        after = digests(Path(outer))
        peak = _peak()
        traces = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        return Outcome(code, printed.getvalue(), traces, seconds, peak, raised)


def _peak() -> int:
    """Return how many bytes of this process were resident at most; `ru_maxrss` would count those of its parent too."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _furnish(work: Path, files: dict[str, str]) -> None:
    """Make a working folder with a lakehouse, a module that leaves a trace when it is imported, and files to be had."""
    (work / "data" / "lakehouse").mkdir(parents=True)
    (work / "data" / "lakehouse" / "catalog.sqlite").write_bytes(b"not to be touched")
    (work / "canary_module.py").write_text("import os\nos.mkdir('canary')\n")
    (work.parent / "outside.yaml").write_text("dataset: px\nuniverse: all\n")
    for name, text in files.items():
        file = work / "conf" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("latin-1"))


def _call(attack: Attack, printed: io.StringIO) -> tuple[int, str]:
    from metabt.cli.main import main

    words = ["backtest", *(["-m"] if attack.multirun else []), *attack.arguments]
    signal.alarm(SECONDS)
    sys.path.insert(0, "")  # what lies in the working folder can be imported, as with `python -m metabt`
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            return main(words), ""
    except SystemExit as left:
        return int(left.code or 0), ""
    except BaseException:
        return -1, traceback.format_exc()
    finally:
        signal.alarm(0)
        sys.path.remove("")
        sys.modules.pop("canary_module", None)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class _Overdue(BaseException):
    """An attack took too long; it is no error that metabt may explain."""


def _overdue(number: int, frame: object) -> None:
    raise _Overdue(f"an attack took more than {SECONDS} s")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    signal.signal(signal.SIGALRM, _overdue)
    given = [Attack(**{**one, "arguments": tuple(one["arguments"])}) for one in json.load(sys.stdin)]
    print(json.dumps([asdict(_carry_out(attack)) for attack in given]))
