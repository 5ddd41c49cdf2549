"""Evidence: what a sweep says of luck is what the streams of its runs say, computed apart from the ledger."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.cli.main import main
from metabt.lakehouse import attach, ingest
from metabt.lakehouse.evidence import evidence
from metabt.luck.luck import luck
from tests.shared.panels import stocks

TREE = """\
name: {name}
optimizer: inverse_volatility
defaults: {{dataset: {dataset}, lookback: 30}}
sleeves:
  one: {{universe: [AA, BB], optimizer: inverse_volatility}}
  two: {{universe: [CC, DD], optimizer: equal}}
"""
SWEEP = ("portfolio.lookback=10,20", "portfolio.sleeves.two.optimizer=equal,min_variance")


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return what a command prints, in a folder with two datasets and portfolios."""
    monkeypatch.chdir(tmp_path)
    for dataset in ("stocks", "others"):
        ingest("data/lakehouse", dataset, stocks(len(dataset), 420).rename_axis("date"))
    Path("conf/portfolio").mkdir(parents=True)
    for name, dataset in (("mine", "stocks"), ("renamed", "stocks"), ("theirs", "others")):
        Path(f"conf/portfolio/{name}.yaml").write_text(TREE.format(name=name, dataset=dataset))
    capsys.readouterr()

    def printed(*argv: str, code: int = 0) -> str:
        assert main(argv) == code
        return str(capsys.readouterr().out)

    return printed


def found() -> tuple[dict[str, float], Any]:
    """Return p_luck by run of all runs on `stocks` that are stored, and the evidence."""
    with attach("data/lakehouse", read_only=True) as con:
        rows = con.execute(
            "select run_id from runs where portfolio in ('mine', 'renamed') and status = 'ok'"
        ).fetchall()
        whole = evidence(con, [row[0] for row in rows])
    return {row[0]: whole.of(row[0])["p_luck"] for row in rows}, whole


def streams(run_ids: list[str]) -> np.ndarray:
    """Return the roots' net returns as runs have them, (n_sessions, n_runs)."""
    with metabt.connect("data/lakehouse") as con:
        rows = con.execute("select run_id, date, net from returns where path in ('mine', 'renamed')").df()
    wide = rows.pivot(index="date", columns="run_id", values="net")
    assert isinstance(wide, pd.DataFrame)
    return wide[run_ids].to_numpy()


def test_p_luck_of_a_sweep_is_that_of_its_streams(told: Callable[..., str]) -> None:
    text = told("backtest", "-m", "--quiet", "mine", *SWEEP)
    chances, whole = found()
    column = {run_id: place for run_id, place in whole.columns.items()}
    ordered = sorted(chances, key=column.__getitem__)
    apart = luck(streams(ordered).astype(np.float32), whole.luck.sessions_per_year)
    assert [chances[run_id] for run_id in ordered] == apart.trials.p_luck.tolist()
    printed = {line.split()[1]: line.split()[5] for line in text.splitlines() if re.match(r"\d+ +[0-9a-f]{12} ", line)}
    assert printed == {run_id[:12]: f"{p:.3f}" for run_id, p in chances.items()}
    assert "how likely the best of 4 trials on these data would look this good" in text


def test_a_rename_counts_once_and_is_as_much_luck(told: Callable[..., str]) -> None:
    told("backtest", "-m", "--quiet", "mine", *SWEEP)
    before, _ = found()
    told("backtest", "-m", "--quiet", "renamed", *SWEEP)
    after, whole = found()
    assert whole.luck.n_trials == 4 and len(after) == 8
    assert {run_id: after[run_id] for run_id in before} == before
    assert sorted(after[run_id] for run_id in set(after) - set(before)) == sorted(before.values())


def test_what_was_forgotten_and_what_failed_is_counted_and_other_data_are_not(told: Callable[..., str]) -> None:
    sweep = told("backtest", "-m", "--quiet", "mine", *SWEEP)
    before, _ = found()
    first = next(iter(before))
    told("forget", first[:12])
    told("backtest", "--quiet", "theirs")
    after, whole = found()
    assert whole.luck.n_trials == 4 and first not in after
    assert after == {run_id: p for run_id, p in before.items() if run_id != first}
    assert whole.left_out == {"of other datasets": 1}
    assert any("1 of other datasets" in line for line in whole.lines())
    assert "trials that are not among them" not in sweep


def test_a_study_narrows_the_family_and_says_so(told: Callable[..., str]) -> None:
    told("backtest", "-m", "--quiet", "mine", *SWEEP)
    text = told("backtest", "-m", "--quiet", "mine", "portfolio.lookback=12,15", "study=small")
    assert "the best of 2 trials of study 'small' alone" in text and "4 of no such study" in text


def test_a_run_by_itself_is_too_few(told: Callable[..., str]) -> None:
    told("backtest", "--quiet", "mine")
    chances, whole = found()
    assert [np.isnan(p) for p in chances.values()] == [True]
    assert "luck needs two to choose from" in whole.lines()[0]


def test_a_broken_chain_is_said_and_the_numbers_stand(told: Callable[..., str]) -> None:
    told("backtest", "-m", "--quiet", "mine", *SWEEP)
    before, _ = found()
    with attach("data/lakehouse") as con:
        con.execute("UPDATE ledger SET who = 'nobody' WHERE ordinal = 2")
    after, whole = found()
    assert after == before
    assert whole.lines()[-1].startswith("the ledger of trials is damaged") and "2" in whole.chain


def test_the_page_of_a_sweep_says_it(told: Callable[..., str]) -> None:
    told("backtest", "-m", "--quiet", "mine", *SWEEP)
    with metabt.connect("data/lakehouse") as con:
        ((sweep_id,),) = con.execute("select distinct sweep_id from asked where sweep_id is not null").fetchall()
    told("report", sweep_id[:12], "--output", "sweep.html")
    page, (chances, _) = Path("sweep.html").read_text(), found()
    assert all(f"<td>{run_id[:12]}</td>" in page and f"<td>{p:.3f}</td>" in page for run_id, p in chances.items())
    assert "How much of it is luck" in page and "Which choice is luck" in page and "the best of noise" in page
