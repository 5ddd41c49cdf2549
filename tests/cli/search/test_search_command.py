"""`metabt backtest -m` with a sampler, and with a file of experiments: printed, stored, gone on with."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from metabt.cli.main import main
from metabt.lakehouse import connect
from tests.cli.test_cli import PORTFOLIO, prices

SPACE = ["portfolio=mine", "portfolio.lookback=range(20,61,10)", "portfolio.sleeves.calm.optimizer=erc,equal"]
SEARCH = ["sweep.sampler=tpe", "sweep.objective=sharpe", "sweep.batch=4", "sweep.seed=1"]


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("furnished")
    (folder / "prices.csv").write_text(prices())
    (folder / "conf" / "portfolio").mkdir(parents=True)
    (folder / "conf" / "portfolio" / "mine.yaml").write_text(PORTFOLIO)
    lakehouse = ["--lakehouse", str(folder / "data" / "lakehouse")]
    assert main(["ingest", str(folder / "prices.csv"), "--dataset", "prices", *lakehouse]) == 0
    return folder


@pytest.fixture
def desk(furnished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(furnished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def counted(table: str) -> int:
    with connect("data/lakehouse") as connection:
        return int(connection.execute(f"select count(*) from {table}").fetchall()[0][0])


def test_a_search_prints_its_ranking_and_goes_on(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["backtest", "-m", *SPACE, *SEARCH, "--print-id"]
    capsys.readouterr()
    assert main([*words, "sweep.n=6"]) == 0
    first = capsys.readouterr()
    assert "search over 2 keys: 6 points by tpe, 4 at once, seed 1; maximizes sharpe" in first.err
    assert "4 of 6 points" in first.err and "6 of 6 points" in first.err
    assert re.search(r"tpe with seed 1 maximizes sharpe: best of 6 is \S+, run \w{12} \(lookback", first.out)
    assert main([*words, "sweep.n=10", "--quiet"]) == 0
    second = capsys.readouterr()
    assert second.err == "" and "of 10 configurations" in second.out
    assert second.out.splitlines()[-1] == first.out.splitlines()[-1], "the same search has the same identity"
    assert counted("asked") == 16 and counted("searches") == 1


def test_a_dry_run_shows_the_first_batch_and_stores_nothing(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["backtest", "-m", *SPACE, *SEARCH, "sweep.n=6", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("4 configurations") and "of the first batch" in told
    assert counted("asked") == counted("searches") == 0


def test_experiments_are_run_as_one_forest(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_text("- [portfolio.lookback=20, portfolio.lag=0]\n- {portfolio.lookback: 40}\n")
    capsys.readouterr()
    assert main(["backtest", "-m", "--experiments", "mine.yaml", "portfolio=mine", "--quiet"]) == 0
    assert "of 2 configurations" in capsys.readouterr().out and counted("asked") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*SPACE, "sweep.sampler=tpe"], "sweep.sampler=tpe has no objective"),
        ([*SPACE, "sweep.n=3"], "sweep.n is of a search, and a grid has none"),
        (["portfolio.lookback=interval(20,40)"], "list the values, KEY=1,2,3 or range(1,4), or search: sweep.sampler="),
        ([*SPACE, *SEARCH, "hydra/launcher=basic"], "hydra/launcher=metabt alone"),
        ([*SPACE, "hydra/sweeper=optuna"], "type: metabt backtest -m portfolio=mine"),
        ([*SPACE, *SEARCH, "sweep.n=2", "sweep.objective=beta"], "set benchmark=SYMBOL"),
        (["--experiments", "none.yaml"], "none.yaml cannot be read"),
        (["--experiments", "none.yaml", "sweep.n=3"], "leave one of them out"),
        (["--experiments", "none.yaml", "hydra/launcher=basic"], "which 'hydra/launcher=basic' cannot"),
    ],
)
def test_bad_input_is_told(desk: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    capsys.readouterr()
    assert main(["backtest", "-m", "--quiet", *words]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--experiments", "mine.yaml"], ["sweep.sampler=tpe"]])
def test_what_is_for_sweeps_is_refused_without_one(
    desk: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    capsys.readouterr()
    assert main(["backtest", "portfolio=mine", *words]) == 1
    assert "-m" in capsys.readouterr().err and counted("runs") == 0
