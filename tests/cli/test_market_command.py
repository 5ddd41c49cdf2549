"""`metabt demo --market` writes the market's files and says what to do with them."""

from __future__ import annotations

from pathlib import Path
from shlex import split

import pytest

import metabt.demo_market
from metabt.cli.main import main
from metabt.cli.market_command import market_commands
from metabt.data.point_in_time.tables import COLUMNS
from metabt.demo_market import DemoMarket


@pytest.fixture(scope="module")
def market() -> DemoMarket:
    return metabt.demo_market.demo_market(7)


def test_files_are_written_and_the_commands_for_them_printed(
    market: DemoMarket, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metabt.demo_market, "demo_market", lambda: market)
    folder = tmp_path / "a market"
    assert main(["demo", "--market", "--folder", str(folder), "--lakehouse", str(tmp_path / "lake")]) == 0
    said = capsys.readouterr()
    lines = [split(line) for line in said.out.splitlines()]
    names = ["prices", *COLUMNS]
    assert sorted(it.name for it in folder.iterdir()) == sorted(f"{name}.csv" for name in names)
    assert [line[:3] for line in lines[:-1]] == [["metabt", "ingest", str(folder / f"{name}.csv")] for name in names]
    assert lines[-1] == ["metabt", "backtest", "market", "--lakehouse", str(tmp_path / "lake")]
    assert all(line[-2:] == ["--lakehouse", str(tmp_path / "lake")] for line in lines)
    assert "400 listings" in said.err and not (tmp_path / "lake").exists()


def test_prices_are_raw_and_come_before_their_tables() -> None:
    prices, members, run = market_commands({"prices": Path("p.csv"), "members": Path("m.csv")})
    assert prices == ["ingest", "p.csv", "--dataset", "market", "--adjusted", "false"]
    assert members == ["ingest", "m.csv", "--dataset", "market", "--table", "members"]
    assert run == ["backtest", "market"]


def test_a_folder_without_a_market_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--folder", "somewhere"]) == 1
    assert "state --market too" in capsys.readouterr().err
