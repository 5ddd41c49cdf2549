"""Whatever is asked for through any door is noted once, in the transaction of its run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt import lakehouse
from metabt.cli.main import main
from metabt.errors import ConfigError, RunError
from metabt.lakehouse import attach
from metabt.lakehouse.ledger.chain import read_chain
from metabt.lakehouse.ledger.family import family
from metabt.runs.reproduce import reproduce
from metabt.runs.sweep import run_sweep
from tests.shared import panels
from tests.shared.jobs import book, job


def prices(sessions: int = 330) -> pd.DataFrame:
    return panels.stocks(5, sessions, first="2020-09-01")


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = tmp_path_factory.mktemp("stocked") / "lake"
    lakehouse.ingest(lake, "stocks", prices(300).rename_axis("date"))
    return lake


@pytest.fixture
def lake(stocked: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stocked, tmp_path / "lake"))


def trials(lake: Path, columns: str = "run_id, status, sessions, study, sweep_id") -> list[tuple[Any, ...]]:
    with metabt.connect(lake) as con:
        return con.execute(f"SELECT {columns} FROM trials").fetchall()


def rows(lake: Path) -> int:
    with metabt.connect(lake) as con:
        return int(con.execute("SELECT count(*) FROM ledger").fetchall()[0][0])


def test_a_run_is_one_try_however_often_it_is_asked_for_and_whatever_it_is_called(lake: Path) -> None:
    run = metabt.backtest(book(), lake, engine="local")
    metabt.backtest(book(), lake, engine="local")
    metabt.backtest({**book(), "name": "other"}, lake, engine="local")
    metabt.backtest(book(), lake, engine="local", end="2021-06-30", benchmark="stocks:AA")
    assert reproduce(lake, run.run_id).differs is None
    metabt.backtest(book(), {"stocks": prices()})
    sessions = len(run.returns())
    assert trials(lake) == [(run.run_id, "ok", sessions, None, None)] and rows(lake) == 1


def test_appended_data_make_its_stream_longer(lake: Path) -> None:
    first = metabt.backtest(book(), lake, engine="local")
    lakehouse.ingest(lake, "stocks", prices(330)[300:].rename_axis("date"))
    second = metabt.backtest(book(), lake, engine="local")
    assert second.run_id != first.run_id and len(second.returns()) == len(first.returns()) + 30
    assert trials(lake, "run_id, sessions") == [(second.run_id, len(second.returns()))] and rows(lake) == 2
    with attach(lake, read_only=True) as con:
        found = family(con, ["stocks"], "2020-01-01", "2022-12-31")  # type: ignore[arg-type]
        np.testing.assert_array_equal(found.matrix()[:, 0], second.returns()["net"].to_numpy())
        assert read_chain(con).fault is None


@pytest.mark.parametrize("cash", [0.03, None])
@pytest.mark.parametrize("flat", [False, True])
def test_what_is_kept_gives_the_sharpe_ratio_again(lake: Path, cash: float | None, flat: bool) -> None:
    run = metabt.backtest({**book(), "cash": cash}, lake, engine="local", is_meta_backtest=False if flat else None)
    ((sharpe,),) = trials(lake, "sharpe")
    with attach(lake, read_only=True) as con:
        excess = family(con, ["stocks"], "2020-01-01", "2022-12-31").matrix()[:, 0]  # type: ignore[arg-type]
    metrics = run.frame("metrics").set_index(["path", "metric"])["value"]
    per_year = len(excess) / metrics["book", "years"]
    assert sharpe == metrics["book", "sharpe"]
    assert excess.mean() / excess.std(ddof=1) * per_year**0.5 == pytest.approx(sharpe, rel=1e-10)


@pytest.mark.parametrize("flat", [False, True])
def test_so_it_does_of_a_tree_over_unlike_calendars(lake: Path, flat: bool) -> None:
    lakehouse.ingest(lake, "coins", panels.coins(5, 420, first="2020-09-05").rename_axis("date"))
    leaf = {"lookback": 20, "optimizer": "equal"}
    sleeves = {
        "a": {**leaf, "dataset": "stocks", "universe": ["AA", "BB"]},
        "b": {**leaf, "dataset": "coins", "universe": ["XBT", "XET"]},
    }
    tree = {"name": "book", **leaf, "cash": 0.03, "sleeves": sleeves}
    run = metabt.backtest(tree, lake, engine="local", is_meta_backtest=False if flat else None)
    ((sharpe,),) = trials(lake, "sharpe")
    with attach(lake, read_only=True) as con:
        excess = family(con, ["coins"], "2020-01-01", "2022-12-31").matrix()[:, 0]  # type: ignore[arg-type]
    years = run.frame("metrics").set_index(["path", "metric"])["value"]["book", "years"]
    assert excess.mean() / excess.std(ddof=1) * (len(excess) / years) ** 0.5 == pytest.approx(sharpe, rel=1e-10)


def test_the_members_of_a_sweep_are_noted_with_it_and_those_found_are_not_noted_again(lake: Path) -> None:
    alone = metabt.backtest(book(lookback=20), lake, engine="local")
    jobs = [job(book(lookback=n), f"portfolio.lookback={n}") for n in (20, 25, 25, 30)]
    bad = {"name": "bad", "dataset": "stocks", "universe": ["AA", "BB"], "lookback": 900}
    swept = run_sweep([*jobs, job(bad, "bad=1"), job(None, error="no")], str(lake))
    found = trials(lake)
    assert [row[0] for row in found[:1]] == [alone.run_id] and found[0][4] is None
    assert {row[0] for row in found[1:]} == {run.run_id for run in swept.runs[1:5]}
    assert sorted(row[1] for row in found) == ["failed", "ok", "ok", "ok"]
    assert all(row[4] == swept.sweep_id for row in found[1:])
    run_sweep(jobs, str(lake))
    assert trials(lake) == found and rows(lake) == 4


def test_a_run_that_fails_leaves_that_it_was_tried_and_nothing_else(lake: Path) -> None:
    late = {**book(), "start": "2021-10-20"}
    with pytest.raises(RunError):
        metabt.backtest(late, lake, engine="local", end="2021-10-21")
    ((status, error),) = trials(lake, "status, error")
    assert status == "failed" and error
    with metabt.connect(lake) as con:
        assert con.execute("SELECT count(*) FROM runs").fetchall() == [(0,)]
    metabt.backtest(late, lake, engine="local")
    assert trials(lake, "status, error") == [("ok", None)]


def test_a_study_is_recorded_of_what_is_computed_and_of_what_is_found(lake: Path) -> None:
    run = metabt.backtest(book(), lake, engine="local", study="first")
    assert metabt.backtest(book(), lake, engine="local", study="second").run_id == run.run_id
    jobs = [job(book(lookback=n), study="third") for n in (30, 35)]
    run_sweep(jobs, str(lake))
    assert trials(lake, "study") == [("first, second, third",), ("third",)]
    swept = run_sweep([job(book(lookback=30), study="fourth"), job(book(), study="not a name")], str(lake))
    assert [run.status for run in swept.runs] == ["ok", "failed"]
    assert trials(lake, "study")[0] == ("first, fourth, second, third",)


@pytest.mark.parametrize("name", ["", "a b", "x/y", 3, "a, b"])
def test_a_study_is_a_name(lake: Path, name: Any) -> None:
    with pytest.raises(ConfigError, match="study is .*wanted a name such as"):
        metabt.backtest(book(), lake, engine="local", study=name)
    assert trials(lake) == []


def test_the_command_line_notes_what_it_runs(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conf" / "portfolio").mkdir(parents=True)
    tree = "name: one\ndataset: stocks\nuniverse: [AA, BB, CC]\nlookback: 20\noptimizer: equal\n"
    (tmp_path / "conf" / "portfolio" / "one.yaml").write_text(tree)
    monkeypatch.chdir(tmp_path)
    arguments = ["backtest", "--lakehouse", str(lake), "--config-dir", "conf", "portfolio=one", "engine=local"]
    assert main([*arguments, "study=mine"]) == 0
    assert main([*arguments, "-m", "portfolio.lookback=20,25", "study=swept"]) == 0
    assert trials(lake, "study") == [("mine, swept",), ("swept",)]
    assert main([*arguments, "study=no name"]) == 1
    assert "study is 'no name', wanted a name" in capsys.readouterr().err
