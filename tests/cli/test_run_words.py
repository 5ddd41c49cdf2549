"""Names on the command line, from a file to what is printed: which run it is of, and what is refused beforehand."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

import metabt
from metabt.cli import commands
from metabt.cli.main import main
from metabt.cli.run_words import chosen, named_runs
from metabt.errors import ConfigError
from metabt.lakehouse import ingest
from tests.shared.panels import stocks
from tests.shared.walks import forbid_walks

PORTFOLIO = """\
name: mine
optimizer: inverse_volatility
defaults: {dataset: stocks, lookback: 30}
sleeves:
  one: {universe: [AA, BB], optimizer: inverse_volatility}
  two: {universe: [CC, DD], optimizer: equal}
"""
SWEEP = ["backtest", "-m", "--quiet", "mine", "portfolio.optimizer=erc,min_variance", "portfolio.lookback=20,40"]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what is printed from here on, in a folder with prices and a portfolio."""
    monkeypatch.chdir(tmp_path)
    ingest("data/lakehouse", "stocks", stocks(5, 420).rename_axis("date"))
    Path("conf/portfolio").mkdir(parents=True)
    Path("conf/portfolio/mine.yaml").write_text(PORTFOLIO)
    capsys.readouterr()
    return capsys


def printed(told: Any, *argv: str, code: int = 0) -> str:
    assert main(argv) == code
    return str(told.readouterr().out)


def run_of(told: Any, *argv: str) -> str:
    """Return the beginning of the identity of the run that a command has made or found."""
    return re.findall(r"run ([0-9a-f]{12}) of", printed(told, "backtest", "--quiet", *argv))[0]


def test_after_a_sweep_every_command_means_the_portfolio_as_its_file_says_it(told: Any) -> None:
    plain = run_of(told, "mine")
    own = printed(told, "weights", "mine", "--format", "csv")
    printed(told, *SWEEP)
    printed(told, "backtest", "--quiet", "portfolio=mine", "is_meta_backtest=false")
    assert printed(told, "weights", "mine", "--format", "csv") == own
    assert f"run {plain} of mine" in printed(told, "report", "mine", "--no-baselines")
    assert f"run {plain} of mine" in printed(told, "reproduce", "mine", "--quiet")
    assert f"run {plain} of mine" in printed(told, "explain", "mine")
    assert metabt.load("data/lakehouse", "mine").run_id.startswith(plain)
    with metabt.connect("data/lakehouse") as con:
        (total,) = con.execute(
            "select sum(weight) from latest.contributions where date = (select max(date) from latest.contributions)"
        ).fetchall()
    assert total[0] == pytest.approx(1.0, abs=1e-12)
    sql = "select count(distinct run_id) as n, min(run_id)[:12] as run from metrics"
    assert printed(told, "sql", "--run", "mine", sql, "--format", "csv").split() == ["n,run", f"1,{plain}"]


def test_a_name_with_overrides_means_that_run_and_a_bare_one_says_where_there_is_no_other(told: Any) -> None:
    printed(told, *SWEEP)
    with metabt.connect("data/lakehouse") as con:
        rows = con.execute("select run_id, key, value from sweep_parameters order by all").fetchall()
    by_key = {(key, value): {run for run, k, v in rows if (k, v) == (key, value)} for _, key, value in rows}
    wanted = by_key["portfolio.optimizer", "erc"] & by_key["portfolio.lookback", "40"]
    words = ["portfolio.lookback=40", "portfolio.optimizer=erc"]
    assert {metabt.load("data/lakehouse", "mine", words).run_id} == wanted
    first = printed(told, "weights", "mine").splitlines()[0]
    assert first.startswith("no run of 'mine' without overrides is stored; this is run") and "of sweep" in first
    changed = run_of(told, "mine", "portfolio.optimizer=hrp")
    first, second, *_ = printed(told, "weights", "mine").splitlines()
    assert first.endswith(f"this is run {changed} of 'mine': portfolio.optimizer=hrp") and second.startswith("symbol")
    assert main(["weights", "mine", "--format", "csv"]) == 0
    separate = told.readouterr()
    assert separate.out.startswith("symbol,") and separate.err.startswith("no run of 'mine' without")
    with pytest.warns(UserWarning, match=f"this is run {changed}"):
        metabt.load("data/lakehouse", "mine")


def test_a_refreshed_run_keeps_the_overrides_that_it_was_asked_for_with(told: Any) -> None:
    plain = run_of(told, "mine")
    run_of(told, "mine", "portfolio.optimizer=hrp")
    ingest("data/lakehouse", "stocks", stocks(5, 440).rename_axis("date"))
    printed(told, "weights", "mine", "portfolio.optimizer=hrp", "--refresh")
    assert metabt.load("data/lakehouse", "mine").run_id.startswith(plain)
    printed(told, "weights", "mine", "--refresh")
    assert not metabt.load("data/lakehouse", "mine").run_id.startswith(plain)


def test_a_sweep_is_reported_by_the_beginning_of_its_identity(told: Any) -> None:
    printed(told, *SWEEP)
    printed(told, "backtest", "-m", "--quiet", "mine", "portfolio.lookback=15,25,none", code=1)
    with metabt.connect("data/lakehouse") as con:
        found = con.execute(
            'select sweep_id, count(distinct run_id) from asked group by 1 order by min("at")'
        ).fetchall()
    for (sweep_id, number), name in zip(found, ("all", "some"), strict=True):
        page = Path(f"{name}.html")
        said = printed(told, "report", sweep_id[:12], "--output", str(page))
        assert said.endswith(f"sweep {sweep_id[:12]} of {number} configurations\n")
        assert f"sweep {sweep_id[:12]}" in page.read_text() and "1 failed" * (name == "some") in page.read_text()
        with metabt.connect("data/lakehouse") as con:
            best = con.execute(
                "select run_id from asked join metrics using (run_id) where sweep_id = $1 and path = 'mine' "
                "and metric = 'sharpe' order by value desc",
                [sweep_id],
            ).fetchall()
        assert re.findall(r"<td>1</td><td>([0-9a-f]{12})</td>", page.read_text()) == [best[0][0][:12]]
    assert main(["report", found[0][0][:12], "--no-baselines"]) != 0
    assert "are for one run, not for a sweep" in told.readouterr().err
    run_id = best[0][0]
    assert f"run {run_id[:12]} of mine" in printed(told, "report", run_id[:12], "--no-baselines")


def test_members_of_a_sweep_are_told_apart_in_the_list(told: Any) -> None:
    printed(told, *SWEEP)
    run_of(told, "mine")
    listed = list(csv.DictReader(io.StringIO(printed(told, "runs", "--format", "csv"))))
    with metabt.connect("data/lakehouse") as con:
        spans = dict(
            con.execute(
                "select run_id, min(date) || ' ' || max(date) from returns where path = 'mine' group by 1"
            ).fetchall()
        )
        sharpe = dict(
            con.execute("select run_id, value from metrics where path = 'mine' and metric = 'sharpe'").fetchall()
        )
    assert len({row["overrides"] for row in listed}) == 5 and listed[0]["overrides"] == ""
    for row in listed:
        assert f"{row['first_date']} {row['last_date']}" == spans[row["run_id"]]
        assert float(row["sharpe"]) == sharpe[row["run_id"]]
        assert row["keep"] == ("summary" if row["overrides"] else "all") and bool(row["sweep_id"]) == bool(
            row["overrides"]
        )
    heading = printed(told, "runs").splitlines()[0].split()
    assert "cagr" in heading and "total_return" not in heading
    run_of(told, "mine", "start=2022-03-01", "portfolio.name=short")
    assert "total_return" in printed(told, "runs").splitlines()[0]


def test_a_job_of_another_launcher_is_a_member_of_a_sweep(told: Any) -> None:
    plain = run_of(told, "mine")
    printed(told, "backtest", "-m", "--quiet", "mine", "portfolio.optimizer=erc,equal", "hydra/launcher=basic")
    assert metabt.load("data/lakehouse", "mine").run_id.startswith(plain)
    with metabt.connect("data/lakehouse") as con:
        found = con.execute("select overrides, sweep_id from asked where sweep_id is not null").fetchall()
    assert [json.loads(text)[-1] for text, _ in found] == ["portfolio.optimizer=erc", "portfolio.optimizer=equal"]
    assert len({sweep_id for _, sweep_id in found}) == 1


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["backtest", "-m", "portfolio=glob(zz*)"], r"'portfolio=glob\(zz\*\)' stands for no value.*there are .*mine"),
        (["backtest", "-m", "portfolio=glob(zz*)", "hydra/sweeper=basic"], "stands for no value"),
        (["backtest", "-m", "mine", "portfolio.lookback=range(9,9)", "--dry-run"], "stands for no value"),
        (["backtest", "mine", "start=2021-01-01", "end=2020-01-01"], "start 2021-01-01 is after end 2020-01-01"),
        (["plan", "mine", "start=2021-01-01", "end=2020-01-01"], "start 2021-01-01 is after end 2020-01-01"),
        (["backtest", "-m", "mine", "start=2021-01-01", "end=2020-01-01", "portfolio.lag=0,1"], "is after end"),
        (["backtest", "mine", "demo"], "the portfolios 'mine' and 'demo' are named.* -m portfolio=NAME,NAME"),
        (["backtest", "min"], "no portfolio 'min'; did you mean 'mine'"),
        (["ingest", "nothing.csv", "--dataset", "x", "--lakehouse", "s3://L/x"], "'s3://L/x': 'L' is no name of a buc"),
        (["ingest", "s3://lake/prices.csv", "--dataset", "x"], "'s3://lake/prices.csv' is an address"),
        (["runs", "--lakehouse", "gs://lake"], "lakehouse 'gs://lake' is refused: Google"),
        (["backtest", "mine", "lakehouse=s3://L/x"], "'s3://L/x': 'L' is no name of a bucket"),
        (["sql", "select 1", "--output", "s3://lake/x.csv"], "'s3://lake/x.csv' is an address"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_walked_or_made(
    told: Any, argv: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_walks(monkeypatch, "walked")
    before = sorted(os.listdir())
    assert main(argv) == 1
    said = told.readouterr()
    assert re.search(says, said.err, flags=re.DOTALL) and "Traceback" not in said.err
    assert sorted(os.listdir()) == before


def test_a_start_in_the_file_after_the_end_is_refused_too(told: Any) -> None:
    tree = {"name": "late", "dataset": "stocks", "universe": ["AA", "BB"], "lookback": 20, "start": "2021-01-01"}
    with pytest.raises(ConfigError, match="start 2021-01-01 is after end 2020-12-31"):
        metabt.backtest(tree, "data/lakehouse", end="2020-12-31")
    leaves = {
        "name": "late",
        "defaults": {"start": "2021-01-01"},
        "sleeves": {"a": {k: tree[k] for k in ("dataset", "universe")}},
    }
    with pytest.raises(ConfigError, match="is after end"):
        metabt.backtest(leaves, {"stocks": stocks(5)}, end="2020-12-31")


def test_a_hint_that_fails_decides_nothing(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*args: str) -> list[str]:
        raise FileNotFoundError("the folder is gone")

    monkeypatch.setattr(commands, "_next_steps", lost)
    assert main(["backtest", "mine"]) == 0
    assert "run " in told.readouterr().out


def test_words_are_names_or_overrides() -> None:
    assert chosen(["glob(d*)", "+portfolio.x=1", "~portfolio.y"]) == [
        "portfolio=glob(d*)",
        "+portfolio.x=1",
        "~portfolio.y",
    ]
    with pytest.raises(ConfigError, match="'a' and 'b' are named"):
        chosen(["a", "portfolio=b"])
    assert named_runs([], 1) == {"name": "latest", "overrides": []}
    assert named_runs(["portfolio=demo", "start=2000-01-01"], 1)["name"] == "demo"
    two = named_runs(["a", "x=1", "b", "y=2", "~z"], 2)
    assert two == {"name": "a", "overrides": ["x=1"], "other": "b", "other_overrides": ["y=2", "~z"]}
    with pytest.raises(ConfigError, match=r"got 3 runs \(a, b, c\), wanted one or two"):
        named_runs(["a", "b", "c"], 2)
