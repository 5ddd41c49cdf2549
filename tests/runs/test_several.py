"""Runs beside each other: what differs, and nothing else, said of each; metrics as they are stored."""

from __future__ import annotations

import csv
import io
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import metabt
from metabt.cli.main import main
from metabt.errors import ConfigError
from metabt.lakehouse import attach, ingest
from metabt.runs.beside.several import differing_settings
from metabt.runs.record import read_record
from tests.shared.panels import stocks

TREE = """\
name: mine
optimizer: inverse_volatility
defaults: {dataset: stocks, lookback: 30}
sleeves:
  one: {universe: [AA, BB], optimizer: inverse_volatility}
  two: {universe: [CC, DD], optimizer: equal}
"""
ASKED = {
    "plain": [],
    "window": ["portfolio.lookback=20"],
    "method": ["portfolio.sleeves.two.optimizer=min_variance", "portfolio.lookback=20"],
    "more": ["+portfolio.sleeves.three={universe: [EE], dataset: stocks, lookback: 30, optimizer: equal}"],
    "later": ["start=2021-06-01"],
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the folder of a lakehouse with some runs, and their identities by name."""
    folder = tmp_path_factory.mktemp("several")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        ingest("data/lakehouse", "stocks", stocks(5, 420).rename_axis("date"))
        Path("conf/portfolio").mkdir(parents=True)
        Path("conf/portfolio/mine.yaml").write_text(TREE)
        for overrides in ASKED.values():
            assert main(["backtest", "--quiet", "mine", *overrides]) == 0
        with metabt.connect("data/lakehouse") as con:
            rows = con.execute('select run_id from asked order by "at"').fetchall()
    return folder, dict(zip(ASKED, (row[0] for row in rows), strict=True))


def test_only_what_differs_is_told(stored: Any) -> None:
    folder, ids = stored
    frame = metabt.compare([ids[name] for name in ("plain", "window", "method")], lakehouse=folder / "data/lakehouse")
    settings = frame.frame().loc[:, "last_date":"sharpe"].iloc[:, 1:-1]
    assert set(settings) == {"portfolio.lookback", "portfolio.sleeves.two.optimizer.name"}
    assert settings["portfolio.lookback"].tolist() == ["30", "20", "20"]
    assert settings["portfolio.sleeves.two.optimizer.name"].tolist() == ["equal", "equal", "min_variance"]


def test_a_sleeve_that_only_some_have_is_one_line(stored: Any) -> None:
    folder, ids = stored
    with attach(folder / "data/lakehouse", read_only=True) as con:
        found = differing_settings([read_record(con, ids[name]) for name in ("plain", "more")])
    assert found == {"portfolio.sleeves.three": ("", "there")}


def test_for_any_runs_a_setting_is_told_if_and_only_if_two_of_them_differ_in_it(stored: Any) -> None:
    folder, ids = stored
    with attach(folder / "data/lakehouse", read_only=True) as con:
        records = {name: read_record(con, run_id) for name, run_id in ids.items()}
    for number in (2, 3, 4, 5):
        for chosen in combinations(records, number):
            all_at_once = differing_settings([records[name] for name in chosen])
            pairs = [differing_settings([records[a], records[b]]) for a, b in combinations(chosen, 2)]
            assert set(all_at_once) == {key for pair in pairs for key in pair}


def test_metrics_are_those_that_are_stored(stored: Any) -> None:
    folder, ids = stored
    names = [ids[name][:12] for name in ("window", "plain", "later")]
    compared = metabt.compare(names, lakehouse=folder / "data/lakehouse")
    frame = compared.frame()
    assert [run_id[:12] for run_id in frame.index] == names
    for run_id, row in frame.iterrows():
        own = metabt.load(folder / "data/lakehouse", run_id)
        metrics = own.metrics().loc["mine"]
        for name in ("sharpe", "cagr", "total_return", "volatility", "max_drawdown", "turnover", "cost"):
            assert np.array_equal(row[name], metrics[name], equal_nan=True), name
        assert (row["first_date"], row["last_date"]) == tuple(str(own.returns().index[at].date()) for at in (0, -1))
    assert "over its own sessions" in compared.remarks()[0]
    alike = metabt.compare(names[:2], lakehouse=folder / "data/lakehouse").remarks()
    assert not any("over its own sessions" in remark for remark in alike)
    assert "how likely the best of 5 trials on these data would look this good" in alike[0]


def test_text_page_and_frame_say_the_same(stored: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, ids = stored
    lake, page = str(folder / "data/lakehouse"), tmp_path / "all.html"
    assert main(["compare", *(ids[name][:12] for name in ids), "--lakehouse", lake, "--output", str(page)]) == 0
    text = capsys.readouterr().out
    assert main(["compare", *(ids[name][:12] for name in ids), "--lakehouse", lake, "--format", "csv"]) == 0
    rows = [*csv.DictReader(io.StringIO(capsys.readouterr().out))]
    frame = metabt.compare([*ids.values()], lakehouse=lake).frame()
    assert [row["run_id"] for row in rows] == [*frame.index]
    for key in ("portfolio.lookback", "portfolio.sleeves.three", "portfolio.start"):
        assert [row[key] for row in rows] == frame[key].tolist()
        line = next(line for line in text.splitlines() if line.startswith(key))
        assert line.split()[1:] == [value or "-" for value in frame[key]]
        assert f"<td>{key}</td>" in page.read_text()
    sharpe = next(line for line in text.splitlines() if line.startswith("Sharpe")).split()[1:]
    assert sharpe == [f"{value:.2f}" for value in frame["sharpe"]]
    assert all(f"<td>{value}</td>" in page.read_text() for value in sharpe)
    assert metabt.compare([*ids.values()], lakehouse=lake).report(tmp_path / "too.html").read_text() == page.read_text()
    assert json.loads(frame.to_json())  # texts and numbers alone


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["plain"], "got 1 run, wanted two or more"),
        (["plain", "window", "plain"], "is named twice"),
        (["plain", "nobody"], "no run or portfolio 'nobody'"),
    ],
)
def test_what_cannot_be_compared_is_refused(stored: Any, names: list[str], said: str) -> None:
    folder, ids = stored
    with pytest.raises(ConfigError, match=said):
        metabt.compare([ids.get(name, name) for name in names], lakehouse=folder / "data/lakehouse")
