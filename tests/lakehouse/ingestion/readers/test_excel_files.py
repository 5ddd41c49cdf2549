"""Workbooks: the sheet, titles above the header, dates and numbers as Excel holds them."""

from __future__ import annotations

import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from metabt.errors import DataError
from metabt.lakehouse.ingestion.column_layout import read_observations
from metabt.lakehouse.ingestion.options import Options

ROWS = [["Date", "AA", "BB"], [datetime(2024, 1, 2), 1.1, 2], [date(2024, 1, 3), 1 / 3, None]]


def book(file: Path, **sheets: list[list[Any]]) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, rows in sheets.items():
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(row)
    made.save(file)
    return file


def test_cells_keep_every_bit(tmp_path: Path) -> None:
    found = read_observations(book(tmp_path / "p.xlsx", Prices=ROWS, Empty=[]), Options())
    assert found.fields["close"].tolist() == [1.1, 2.0, 1 / 3]
    assert [str(day) for day in found.dates] == ["2024-01-02", "2024-01-02", "2024-01-03"]


def test_several_sheets_are_asked_for(tmp_path: Path) -> None:
    file = book(tmp_path / "p.xlsx", One=ROWS, Two=[["Date", "CC"], [datetime(2024, 1, 2), 5]])
    with pytest.raises(DataError, match="2 sheets hold something: 'One', 'Two'; say sheet='One'"):
        read_observations(file, Options())
    assert read_observations(file, Options(sheet="Two")).symbols.values == ("CC",)
    with pytest.raises(DataError, match="no sheet 'Tow'; did you mean 'Two'"):
        read_observations(file, Options(sheet="Tow"))


def test_a_title_is_asked_for(tmp_path: Path) -> None:
    file = book(tmp_path / "p.xlsx", Prices=[["My fund"], [], *ROWS])
    with pytest.raises(DataError, match="'My fund', looks like a title above the header; say skip_rows=1"):
        read_observations(file, Options())
    assert len(read_observations(file, Options(skip_rows=1))) == 3


def test_what_is_no_workbook_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    (tmp_path / "p.xlsx").write_text("Date,AA\n")
    with pytest.raises(DataError, match="cannot be read as a workbook"):
        read_observations(tmp_path / "p.xlsx", Options())
    with pytest.raises(DataError, match="is no workbook, so it has no sheet 'x'"):
        (tmp_path / "p.csv").write_text("Date,AA\n2024-01-02,1\n")
        read_observations(tmp_path / "p.csv", Options(sheet="x"))


def test_without_openpyxl_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p.xlsx").touch()
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(DataError, match=r"pip install 'metabt\[excel\]'"):
        read_observations(tmp_path / "p.xlsx", Options())
