"""Exit codes tell what a retry may cure from what it cannot, and a job's last line is the command that goes on."""

from __future__ import annotations

import errno
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import metabt
from metabt.cli import main as cli
from metabt.cli.exit_codes import BROKEN, FINAL, INTERRUPTED, REFUSED, STOPPED, UNREACHABLE, of_system
from metabt.cli.main import main
from metabt.cli.sigterm import Stopped
from metabt.errors import ConfigError, DataError, MetabtError, RunError, StoreError, passing
from metabt.lakehouse import ingest
from metabt.lakehouse.catalog.connection_loss import OUTAGES, REFUSALS, may_pass
from tests.shared.panels import stocks
from tests.shared.postgres_server import running_server

KINDS: tuple[type[MetabtError], ...] = (ConfigError, DataError, StoreError, RunError)
JOB = ["backtest", "--print-id", "-m", "portfolio=demo", "portfolio.lookback=20, 30", "lakehouse=/data/lake"]
SAME = "python jobs/backtest.py -m portfolio=demo 'portfolio.lookback=20, 30' lakehouse=/data/lake"


def ending(raises: BaseException, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> int:
    """Return the exit code of a command that ends so."""

    def run(args: object) -> None:
        raise raises

    monkeypatch.setattr(cli, "run", run)
    monkeypatch.setattr(sys, "argv", ["jobs/backtest.py"])
    return main(words)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_refused_is_final_and_what_is_out_of_reach_is_not(
    kind: type[MetabtError], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ending(kind("no"), monkeypatch, ["runs"]) == REFUSED
    assert ending(passing(kind("no")), monkeypatch, ["runs"]) == UNREACHABLE
    assert ending(passing(kind("no"), when=False), monkeypatch, ["runs"]) == REFUSED
    assert REFUSED in FINAL and UNREACHABLE not in FINAL and BROKEN not in FINAL


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ESTALE, UNREACHABLE), (errno.EIO, UNREACHABLE), (errno.EACCES, REFUSED), (errno.ENOSPC, REFUSED)],
)
def test_the_system_is_asked_whether_it_may_pass(number: int, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert of_system(OSError(number, "no", "file")) == code
    assert ending(OSError(number, "no", "file"), monkeypatch, ["runs"]) == code


ENDS: dict[str, tuple[Callable[[], BaseException], int, str]] = {
    "refused": (
        lambda: ConfigError("no such setting"),
        REFUSED,
        "once that is mended, this goes on from what is stored",
    ),
    "unreachable": (lambda: passing(StoreError("lost")), UNREACHABLE, "later, this goes on from what is stored"),
    "broken": (lambda: KeyError("what"), BROKEN, "this goes on from what is stored"),
    "stopped": (Stopped, STOPPED, "the same command goes on from it"),
    "interrupted": (KeyboardInterrupt, INTERRUPTED, "the same command goes on from it"),
    "the system": (lambda: OSError(errno.EIO, "no", "file"), UNREACHABLE, "later, this goes on from what is stored"),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_job_says_once_and_last_what_failed_and_what_goes_on(
    end: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raised, code, says = ENDS[end]
    assert ending(raised(), monkeypatch, JOB) == code
    said = capsys.readouterr().err
    last = said.splitlines()[-1]
    assert last.startswith("metabt: ") and said.count("metabt: ") == 1
    assert says in last and last.endswith(f": {SAME}")
    assert shlex.split(SAME)[2:] == [word for word in JOB[1:] if word != "--print-id"]
    assert ("Traceback" in said) == (code == BROKEN)


def test_a_command_at_a_terminal_is_not_told_what_was_typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ending(ConfigError("no such setting"), monkeypatch, [word for word in JOB if word != "--print-id"]) == 1
    assert capsys.readouterr().err == "metabt: no such setting\n"


def test_what_a_server_refuses_is_told_from_what_is_out_of_reach() -> None:
    assert all(may_pass(f"IO Error: {sign}") for sign in OUTAGES)
    assert not any(may_pass(f"Unable to connect to Postgres: FATAL: {sign}") for sign in REFUSALS)
    assert not may_pass("Parser Error: syntax error")


def test_a_catalogue_out_of_reach_is_worth_a_retry_and_a_wrong_password_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["backtest", "portfolio=one", "--lakehouse", str(tmp_path / "lake")]
    with running_server() as server:
        monkeypatch.setenv("PGPASSWORD", server.password)
        ingest(tmp_path / "lake", "stocks", stocks(seed=1), catalog=server.catalog)
        assert main(["runs", *words[2:]]) == 0
        monkeypatch.setenv("PGPASSWORD", "wrong")
        assert main(["runs", *words[2:]]) == REFUSED
        monkeypatch.setenv("PGPASSWORD", server.password)
    assert main(["runs", *words[2:]]) == UNREACHABLE and main(words) == UNREACHABLE
    assert "see that" in capsys.readouterr().err and metabt.__version__
