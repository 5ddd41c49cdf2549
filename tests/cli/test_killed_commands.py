"""A command that is killed or stopped at any moment leaves nothing half, and the same command then gives the same."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import metabt
from metabt.lakehouse import check_lakehouse
from tests.shared.panels import stocks

ROOT = Path(__file__).resolve().parents[2]
PORTFOLIO = """\
name: mine
optimizer: erc
lookback: 40
defaults: {dataset: stocks, lookback: 30, schedule: weekly}
sleeves:
  calm: {universe: [AA, BB, CC], optimizer: min_variance}
  wild: {universe: [BB, CC, DD], optimizer: inverse_volatility}
"""
INGEST = ("ingest", "prices.csv", "--dataset", "stocks")
BACKTEST = ("backtest", "portfolio=mine")
SWEEP = ("backtest", "-m", "portfolio=mine", "portfolio.lookback=20,30,40,50", "portfolio.lag=0,1")
STEPS = {"ingest": INGEST, "backtest": BACKTEST, "sweep": SWEEP}
SECONDS = 600
pytestmark = pytest.mark.slow


def begun(desk: Path, words: tuple[str, ...]) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "metabt", *words, "--lakehouse", "lake"]
    return subprocess.Popen(
        command, cwd=desk, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def done(desk: Path, words: tuple[str, ...]) -> float:
    """Run a command to its end; return its seconds."""
    began = time.monotonic()
    with begun(desk, words) as command:
        said = command.communicate(timeout=SECONDS)[1]
    assert command.returncode == 0, said
    return time.monotonic() - began


def contents(lake: Path) -> dict[str, list[object]]:
    """Return the rows of what a lakehouse holds, but for times."""
    asked = {table: f"from {table} order by all" for table in ("prices", "calendars", "weights", "returns", "metrics")}
    asked["runs"] = "select run_id, portfolio, status, keep from runs order by all"
    with metabt.connect(lake) as con:
        return {name: [repr(row) for row in con.sql(sql).fetchall()] for name, sql in asked.items()}


def furnished(desk: Path) -> Path:
    (desk / "conf" / "portfolio").mkdir(parents=True)
    (desk / "conf" / "portfolio" / "mine.yaml").write_text(PORTFOLIO)
    stocks(5, 500).rename_axis("date").to_csv(desk / "prices.csv")
    return desk


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[float, dict[str, list[object]]]]:
    """Return the seconds of each step, and what the lakehouse holds after it."""
    desk = furnished(tmp_path_factory.mktemp("undisturbed"))
    return {name: (done(desk, words), contents(desk / "lake")) for name, words in STEPS.items()}


@pytest.mark.parametrize("seed", range(int(os.environ.get("METABT_FAULTS", "1"))))
def test_kills_at_random_moments_change_nothing(
    undisturbed: dict[str, tuple[float, dict[str, list[object]]]], tmp_path: Path, seed: int
) -> None:
    dice, desk = random.Random(seed), furnished(tmp_path)
    for name, words in STEPS.items():
        seconds, expected = undisturbed[name]
        with begun(desk, words) as command:
            time.sleep(dice.uniform(0.3, 1) * seconds)
            command.kill()
            command.communicate(timeout=SECONDS)
        if (desk / "lake" / "catalog.sqlite").exists():
            assert check_lakehouse(desk / "lake").faults == []
        done(desk, words)
        assert contents(desk / "lake") == expected and check_lakehouse(desk / "lake").faults == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_sweep_that_is_stopped_goes_on_from_what_was_computed(
    undisturbed: dict[str, tuple[float, dict[str, list[object]]]], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    desk = furnished(tmp_path)
    done(desk, INGEST)
    with begun(desk, SWEEP) as command:
        while command.poll() is None and not any((desk / "lake" / ".cache").glob("claims")):
            time.sleep(0.01)
        command.send_signal(number)
        said = command.communicate(timeout=SECONDS)[1]
    assert command.returncode == code and "Traceback" not in said and "the same command goes on" in said
    assert check_lakehouse(desk / "lake").faults == []
    before = contents(desk / "lake")
    for table, rows in before.items():
        assert set(rows) <= set(undisturbed["sweep"][1][table])
    done(desk, SWEEP)
    done(desk, BACKTEST)
    assert contents(desk / "lake") == undisturbed["sweep"][1]
