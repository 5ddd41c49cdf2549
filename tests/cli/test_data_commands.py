"""Commands on stored data, as a user types them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from metabt.cli.main import main
from tests.shared import stepping
from tests.shared.panels import random_walk

FRAME = random_walk(3, pd.bdate_range("2023-01-02", periods=40, name="Date"), ["AA", "BB"])


def test_a_dataset_from_its_folder_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bars").mkdir()
    odd = FRAME.copy()
    odd.iloc[20, 1] *= 100
    for symbol in odd:
        odd[[symbol]].set_axis(["Close"], axis=1).to_csv(tmp_path / "bars" / f"{symbol}.csv", date_format="%d/%m/%Y")
    lake = ["--lakehouse", "lake"]
    assert main(["ingest", "bars", "--dataset", "d", *lake]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("d: 80 prices added") and "`metabt check d` lists them" in told.out
    assert main(["check", "d", "--format", "csv", *lake]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("BB,2023-01-30,spike,")
    assert main(["check", *lake]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["noted of dataset 'd': 1 spike; `metabt check d` lists them"]
    assert main(["check", "--format", "csv", *lake]) == 1
    assert "name it, or leave --format out" in capsys.readouterr().err
    assert main(["ingest", "bars/BB.csv", "--dataset", "d", *lake]) == 1
    assert "say --symbol-name NAME" in capsys.readouterr().err
    FRAME[["BB"]].to_csv("right.csv", date_format="%d.%m.%Y", sep=";", decimal=",")
    assert main(["ingest", "right.csv", "--dataset", "d", "--date-format", "%d.%m.%Y", "--decimal", ",", *lake]) == 0
    assert "1 changed" in capsys.readouterr().out
    assert main(["check", "d", *lake]) == 0
    assert "nothing odd is noted of dataset 'd'" in capsys.readouterr().err
    assert main(["datasets", "--format", "csv", *lake]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("d,2,40,2023-01-02,2023-02-24,")
    assert main(["drop", "d", "AA", *lake]) == 0
    assert capsys.readouterr().out.startswith("d: 40 prices dropped, 1 symbol left")
    assert main(["drop", "d", *lake]) == 0
    assert "the dataset is gone" in capsys.readouterr().out
    assert main(["drop", "d", *lake]) == 1
    assert main(["forget", "abcd1234", *lake]) == 1
    assert "holds no run yet" in capsys.readouterr().err


def test_steps_are_stated_with_a_file_or_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    FRAME.to_csv("prices.csv")
    lake, dataset = ["--lakehouse", "lake"], ["--dataset", "d"]
    assert main(["ingest", "prices.csv", *dataset, "--panel", "{name: averaged, before: 2, n: 3}", *lake]) == 0
    assert main(["datasets", "--format", "csv", *lake]) == 0
    assert '"[{""before"": 2, ""n"": 3, ""name"": ""averaged"", ""over"": ""asset""}]"' in capsys.readouterr().out
    assert main(["ingest", *dataset, "--panel", "capped", *lake]) == 0
    said = 'd: open, steps between prices and returns: [{"before": 0, "name": "capped", "over": "asset"}]'
    assert capsys.readouterr().out.strip() == said
    assert main(["ingest", *dataset, "--panel", "none", "--closed", *lake]) == 0
    assert capsys.readouterr().out.strip() == "d: closed, steps between prices and returns: none"
    for words, says in (
        (["--panel", "cappd"], "panel of dataset 'd': no step is called 'cappd'; did you mean 'capped'?"),
        (["--panel", "{name: capped, limit: x}"], "step 'capped': limit is 'x'; wanted a finite number"),
        ([], "no file to ingest, and neither --panel nor --closed to state"),
    ):
        assert main(["ingest", *dataset, *words, *lake]) == 1
        assert says in capsys.readouterr().err
    assert stepping.PLUGINS
