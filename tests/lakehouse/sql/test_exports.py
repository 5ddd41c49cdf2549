"""Answers in files: Parquet with every value as it is, CSV with nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from pyarrow import parquet

from metabt.errors import ConfigError, StoreError
from metabt.lakehouse import export, ingest, query
from tests.lakehouse.sql.test_read_only import SQL, wide

RISKY = ["=1+1", "+A1", "-2+3", "@SUM(A1)", "\t=1", "  =1", "\r=1"]
PLAIN = ["A-B", "^GSPC", "1=1", "", "O'K"]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lake")
    ingest(path, "a", wide(50))
    return path


def literals(texts: list[str]) -> str:
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts)


def test_csv_has_no_formulas(lake: Path, tmp_path: Path) -> None:
    sql = f"""SELECT unnest([{literals(RISKY + PLAIN)}]) AS "=name", -1.5 AS number, -3 AS whole"""
    file = export(lake, sql, tmp_path / "answer.csv")
    with file.open(newline="", encoding="utf-8") as lines:
        header, *rows = csv.reader(lines)
    assert header == ["'=name", "number", "whole"]
    assert [row[0] for row in rows] == [f"'{text}" for text in RISKY] + PLAIN
    assert {(row[1], row[2]) for row in rows} == {("-1.5", "-3")}


@pytest.mark.parametrize("ending", ["parquet", "PARQUET"])
def test_parquet_is_the_answer(lake: Path, tmp_path: Path, ending: str) -> None:
    file = export(lake, f"SELECT unnest([{literals(RISKY)}]) AS name", tmp_path / f"answer.{ending}")
    assert parquet.read_table(file)["name"].to_pylist() == RISKY
    whole = parquet.read_table(export(lake, "SELECT * FROM prices ORDER BY symbol, date", tmp_path / "all.parquet"))
    answer = query(lake, "SELECT * FROM prices ORDER BY symbol, date")
    assert whole.column_names == list(answer.columns)
    assert [tuple(row.values()) for row in whole.to_pylist()] == list(answer.rows) and len(answer.rows) > 100


def test_json_is_what_is_printed(lake: Path, tmp_path: Path) -> None:
    file = export(lake, SQL, tmp_path / "answer.json")
    assert json.loads(file.read_text(encoding="utf-8")) == json.loads(query(lake, SQL).to("json"))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_refused_statement_leaves_no_file(lake: Path, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"answer.{ending}"
    file.write_text("before")
    for statement in ("DELETE FROM prices", "SELECT nope FROM prices", "SELECT * FROM read_text('/etc/passwd')"):
        with pytest.raises(StoreError):
            export(lake, statement, file)
    assert [found.name for found in tmp_path.iterdir()] == [file.name] and file.read_text() == "before"


def test_a_file_says_what_it_is_and_where_it_can_be(lake: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ends in '.xlsx'.*\.csv, \.json or \.parquet"):
        export(lake, "SELECT 1", tmp_path / "answer.xlsx")
    with pytest.raises(StoreError, match="cannot be written"):
        export(lake, "SELECT 1", tmp_path / "nowhere" / "answer.csv")
