"""Tables come in from files of every kind, by the command and in Python, and are reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.cli.main import main
from metabt.errors import ConfigError, DataError
from metabt.lakehouse import attach, ingest, load_point_in_time
from metabt.values.tables import texts
from tests.lakehouse.conftest import wide

COSTS = "ticker;since;commission;borrow bp\n*;01.10.2019;1,5;\nBB;15.10.2019;;300\n"


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    ingest(tmp_path / "lake", "d", wide(60))
    return tmp_path / "lake"


def costs(lake: Path) -> list[tuple[object, ...]]:
    with attach(lake, read_only=True) as con:
        table = load_point_in_time(con, ["d"])["d"].tables["costs"]
    numbers = [np.nan_to_num(table.numbers(f"{name}_bp"), nan=-1.0) for name in ("commission", "slippage", "borrow")]
    columns = (texts(table.texts("asset")), table.numbers("first_date").astype(str), *numbers)
    return [tuple(row) for row in zip(*(column.tolist() for column in columns), strict=True)]


@pytest.mark.parametrize("medium", ["csv", "parquet", "xlsx", "pandas", "arrow"])
def test_every_medium_gives_the_same_rows(lake: Path, tmp_path: Path, medium: str) -> None:
    frame = pd.DataFrame(
        {
            "ticker": ["*", "BB"],
            "since": pd.to_datetime(["2019-10-01", "2019-10-15"]),
            "commission": [1.5, np.nan],
            "borrow bp": [np.nan, 300],
        }
    )
    file: object = tmp_path / f"costs.{medium}"
    if medium == "csv":
        Path(str(file)).write_text(COSTS)
    elif medium == "parquet":
        frame.to_parquet(file)
    elif medium == "xlsx":
        pytest.importorskip("openpyxl")
        frame.to_excel(file, index=False)
    else:
        import pyarrow as pa

        file = frame if medium == "pandas" else pa.Table.from_pandas(frame)
    metabt.ingest(file, dataset="d", lakehouse=lake, table="costs")
    assert costs(lake) == [("*", "2019-10-01", 1.5, -1.0, -1.0), ("BB", "2019-10-15", -1.0, -1.0, 300.0)]


def test_the_command_takes_them_lists_them_and_drops_them(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--lakehouse", str(lake)]
    file = tmp_path / "costs.csv"
    file.write_text(COSTS)
    command = ["ingest", str(file), "--dataset", "d", "--table", "costs", *where]
    assert main(command) == 0 and "d, table costs: 2 rows added" in capsys.readouterr().out
    assert main(command) == 0 and "Nothing new: the table is as it was" in capsys.readouterr().out
    file.write_text("asset,from,commission_bp\n*,2019-10-01,2\n")
    assert main([*command, "--replace"]) == 0
    assert "0 rows added, 1 changed, 0 unchanged, 1 withdrawn" in capsys.readouterr().out
    assert main(["datasets", *where]) == 0 and "costs 1" in capsys.readouterr().out
    assert main([*command, "--close", "x", "--rescale"]) != 0
    assert "--close, --rescale: of prices, and table 'costs' has none" in capsys.readouterr().err
    assert main(["drop", "d", "--table", "costs", *where]) == 0
    assert "table costs: 1 row dropped" in capsys.readouterr().out
    assert main(["drop", "d", "--table", "costs", *where]) != 0
    assert "has no table 'costs'; it has none" in capsys.readouterr().err


def test_raw_is_stated_with_the_first_file_or_anew(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--lakehouse", str(lake)]
    assert main(["ingest", "--dataset", "d", "--adjusted", "false", *where]) == 0
    assert "prices not adjusted" in capsys.readouterr().out
    with attach(lake, read_only=True) as con:
        assert not load_point_in_time(con, ["d"])["d"].adjusted
    assert main(["ingest", "--dataset", "d", *where]) != 0
    assert "neither --panel nor --closed to state, nor --adjusted" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["ingest", "--dataset", "d", "--adjusted", "maybe", *where])
    assert "got 'maybe', wanted true or false" in capsys.readouterr().err


def test_an_ingestion_is_one_snapshot_and_one_row(lake: Path) -> None:
    rows = pd.DataFrame({"asset": ["*", "*"], "from": ["2019-10-01", "2019-10-01"], "commission_bp": [1, 1]})
    report = metabt.ingest(rows, dataset="d", lakehouse=lake, table="costs")
    assert (report.rows_read, report.duplicates, report.added, report.rows) == (2, 1, 1, 1)
    with attach(lake, read_only=True) as con:
        found = con.execute("SELECT table_name, rows_read, duplicates, added, late FROM ingests ORDER BY ingested_at")
        assert found.fetchall()[-1] == ("costs", 2, 1, 1, 0)
    metabt.ingest(rows, dataset="d", lakehouse=lake, table="costs")
    with attach(lake, read_only=True) as con:
        assert con.execute("SELECT count(*) FROM ingests").fetchall() == [(2,)]


def test_what_stands_beside_is_left_out_and_named_and_far_ends_are_none(lake: Path) -> None:
    rows = pd.DataFrame(
        {"index": "X", "ticker": ["AA"], "weight": [0.5], "start date": ["2019-10-01"], "end date": ["9999-12-31"]}
    )
    report = metabt.ingest(rows, dataset="d", lakehouse=lake, table="members")
    assert "left out: 'weight'" in str(report) and "1 last date from 2100-01-01 on: no end" in str(report)
    with attach(lake, read_only=True) as con:
        assert con.execute("SELECT last_date FROM members").fetchall() == [(None,)]


def test_a_table_is_of_one_file_and_a_dataset_that_is_there(lake: Path, tmp_path: Path) -> None:
    rows = pd.DataFrame({"asset": ["*"], "from": ["2019-10-01"]})
    with pytest.raises(ConfigError, match="no dataset 'x'"):
        metabt.ingest(rows, dataset="x", lakehouse=lake, table="costs")
    (tmp_path / "costs").mkdir()
    for name in ("a", "b"):
        rows.to_csv(tmp_path / "costs" / f"{name}.csv", index=False)
    with pytest.raises(DataError, match="comes from one file; ingest the files one by one"):
        metabt.ingest(tmp_path / "costs", dataset="d", lakehouse=lake, table="costs")
