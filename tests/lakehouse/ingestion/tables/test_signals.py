"""Signals come long or wide, whole dates at a time; what comes late is known from the day on which it came."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.errors import DataError
from metabt.lakehouse import attach, load_point_in_time
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.ingestion.tables.table_ingestion import ingest_table
from metabt.values.tables import texts
from tests.lakehouse.conftest import wide

FRAME = wide(60)  # 2019-10-01 to 2019-12-23
WEIGHTS = pd.DataFrame({"AA": [0.5, 0.25], "BB": [0.5, 0.0]}, pd.to_datetime(["2019-10-15", "2019-11-15"]))
TODAY = date(2020, 3, 2)


@pytest.fixture
def lake(fresh: Path) -> Path:
    metabt.ingest(FRAME, dataset="d", lakehouse=fresh)
    return fresh


def rows(lake: Path) -> list[tuple[object, ...]]:
    with attach(lake, read_only=True) as con:
        table = load_point_in_time(con, ["d"])["d"].tables["signals"]
    names, assets = texts(table.texts("name")), texts(table.texts("asset"))
    dates, weights, known = (table.numbers(it) for it in ("date", "weight", "known_at"))
    found = zip(names, dates.astype(str), assets, weights.tolist(), known.astype(str), strict=True)
    return [tuple(row) for row in found]


FIRST = [
    ("mine", "2019-10-15", "AA", 0.5, "2019-10-15"),
    ("mine", "2019-10-15", "BB", 0.5, "2019-10-15"),
    ("mine", "2019-11-15", "AA", 0.25, "2019-11-15"),
    ("mine", "2019-11-15", "BB", 0.0, "2019-11-15"),
]


@pytest.mark.parametrize("shape", ["wide frame", "long frame", "wide file", "long file"])
def test_a_frame_and_a_file_wide_or_long_are_the_same_rows(lake: Path, tmp_path: Path, shape: str) -> None:
    long = WEIGHTS.rename_axis("date").reset_index().melt("date", var_name="ticker", value_name="weight")
    frame = long if "long" in shape else WEIGHTS
    if "file" in shape:
        frame.to_csv(tmp_path / "w.csv", index="wide" in shape)
    source = tmp_path / "w.csv" if "file" in shape else frame
    report = metabt.ingest(source, dataset="d", lakehouse=lake, table="signals", name="mine")
    assert (report.added, report.late) == (4, 0)
    assert rows(lake) == FIRST
    assert metabt.ingest(source, dataset="d", lakehouse=lake, table="signals", name="mine").unchanged == 4


def stored(lake: Path, frame: pd.DataFrame, **options: object) -> metabt.lakehouse.IngestReport:
    return ingest_table(lake, "d", frame, "signals", Options(name="mine"), today=TODAY, **options)


def test_a_date_after_the_last_is_known_on_its_date_and_one_that_comes_late_from_today(lake: Path) -> None:
    stored(lake, WEIGHTS)
    more = pd.DataFrame({"AA": [0.1, 0.2]}, pd.to_datetime(["2019-11-01", "2019-12-02"]))
    report = stored(lake, more)
    assert report.late == 1 and "known from today on" in str(report)
    assert rows(lake) == sorted(
        [*FIRST, ("mine", "2019-11-01", "AA", 0.1, "2020-03-02"), ("mine", "2019-12-02", "AA", 0.2, "2019-12-02")]
    )
    metabt.ingest(more, dataset="d", lakehouse=lake, table="signals", name="other")  # a signal of its own: in time
    assert ("other", "2019-11-01", "AA", 0.1, "2019-11-01") in rows(lake)


def test_a_stored_date_that_is_said_anew_is_a_whole_row(lake: Path) -> None:
    """BB is not named any more: its weight is 0 from the day on which that was said, and stays what it was before."""
    stored(lake, WEIGHTS)
    report = stored(lake, pd.DataFrame({"AA": [0.75]}, WEIGHTS.index[:1]))
    assert (report.rows_read, report.added, report.late) == (2, 2, 2)
    new = [("mine", "2019-10-15", "AA", 0.75, "2020-03-02"), ("mine", "2019-10-15", "BB", 0.0, "2020-03-02")]
    assert rows(lake) == sorted([*FIRST, *new], key=lambda row: (*row[:3], row[4]))
    again = stored(lake, pd.DataFrame({"AA": [0.75]}, WEIGHTS.index[:1]))
    assert (again.added, again.changed) == (0, 0)


def test_a_correction_with_known_at_is_of_its_asset_alone(lake: Path) -> None:
    stored(lake, WEIGHTS)
    told = pd.DataFrame({"date": ["2019-10-15"], "asset": ["AA"], "weight": [0.3], "known_at": ["2019-10-20"]})
    assert stored(lake, told).added == 1
    assert ("mine", "2019-10-15", "AA", 0.3, "2019-10-20") in rows(lake) and len(rows(lake)) == 5


def test_what_replaces_all_withdraws_the_rest_and_a_drop_takes_the_table(lake: Path) -> None:
    stored(lake, WEIGHTS)
    report = stored(lake, WEIGHTS[1:], replace=True)
    assert (report.withdrawn, report.unchanged) == (2, 2)
    assert rows(lake) == FIRST[2:]
    from metabt.lakehouse.ingestion.tables.table_ingestion import drop_dated

    assert drop_dated(lake, "d", "signals") == 2
    with attach(lake, read_only=True) as con:
        assert "signals" not in load_point_in_time(con, ["d"])["d"].tables


def test_an_empty_cell_of_a_matrix_is_refused_with_its_row(lake: Path) -> None:
    holes = WEIGHTS.assign(BB=[0.5, np.nan])
    with pytest.raises(DataError, match=r"symbol 'BB', row 2 \(2019-11-15\): there is no weight .*\.fillna\(0\)"):
        stored(lake, holes)


def test_a_matrix_whose_symbol_is_called_as_a_column_is_said_to_be_wide(lake: Path) -> None:
    metabt.ingest(FRAME.rename(columns={"AA": "SID"}), dataset="e", lakehouse=lake)
    odd = WEIGHTS.rename(columns={"AA": "SID"})
    with pytest.raises(DataError, match="needs a column|has no column"):
        metabt.ingest(odd, dataset="e", lakehouse=lake, table="signals", name="mine")
    assert metabt.ingest(odd, dataset="e", lakehouse=lake, table="signals", name="mine", wide=True).added == 4


def test_weights_after_the_last_price_of_an_asset_are_noted(lake: Path) -> None:
    """They are held by nobody: what is weighted with 0, or is of a day to come, is no such weight."""
    metabt.ingest(FRAME.assign(BB=FRAME["BB"].where(FRAME.index < "2019-11-10")), dataset="e", lakehouse=lake)
    days = pd.to_datetime(["2019-11-08", "2019-11-15", "2019-12-02", "2019-12-09", "2025-01-02"])
    told = pd.DataFrame({"AA": [0.5] * 5, "BB": [0.5, 0.5, 0.25, 0.0, 0.5]}, days)
    report = metabt.ingest(told, dataset="e", lakehouse=lake, table="signals", name="mine")
    assert "weight after the last price of BB on 2019-11-15" in str(report)
    with attach(lake, read_only=True) as con:
        found = con.execute("SELECT symbol, date, value FROM checks WHERE kind LIKE 'weight%'").fetchall()
    assert found == [("BB", date(2019, 11, 15), 2.0)]
