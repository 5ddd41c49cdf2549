"""Data that must not be stored are refused with the culprit and the cure, and nothing changes."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from metabt.errors import ConfigError, DataError
from metabt.lakehouse import ingest
from metabt.lakehouse.ingestion.options import Options
from tests.lakehouse.conftest import state, wide


@pytest.fixture(scope="module")
def lake(stocked: Path) -> Iterator[Path]:
    """Return the shared lakehouse, and check afterwards that no refusal changed it."""
    before = state(stocked)
    yield stocked
    assert state(stocked) == before


WIDE = "Date,AA,BB\n2030-01-01,1,2\n2030-01-02,{},2\n2030-01-03,{},2\n"
LONG = "date,symbol,close,volume\n2030-01-01,AA,1,5\n2030-01-02,AA,{},{}\n2030-01-02,BB,3,1\n"

REFUSED = {
    "zero": (WIDE.format(0, 1), r"AA on 2030-01-02: close 0 is not positive and finite \(1 such.*correct them"),
    "negative": (WIDE.format(-3.5, -1), r"AA on 2030-01-02: close -3.5 is not positive and finite \(2 such"),
    "infinite": (
        WIDE.format("inf", 1),
        r"AA on 2030-01-02: close inf is not positive.*leave the cell empty",
    ),
    "thousands": (
        WIDE.format('"1,234"', 1),
        r"'1,234' may be 1234 or 1\.234: every number .* three digits behind it; say decimal=',' or thousands=','",
    ),
    "n/a": (WIDE.format("n/a", "n/a"), r"AA on 2030-01-02: 'n/a' is not a number \(2 such cells in column 'AA'\)"),
    "long zero": (LONG.format(0, 1), r"AA on 2030-01-02: close 0 is not positive"),
    "long text": (LONG.format("$3", 1), r"AA on 2030-01-02: '\$3' is not a number"),
    "volume below zero": (LONG.format(3, -1), r"AA on 2030-01-02: volume -1 is not finite and not negative"),
    "volume infinite": (LONG.format(3, "inf"), r"AA on 2030-01-02: volume inf is not finite"),
    "two prices of a date": (
        "date,AA\n2030-01-01,1\n2030-01-02,2\n2030-01-02,3\n",
        r"AA on 2030-01-02: two different values of close, 2 and 3 \(1 such rows in all\); keep one row a date",
    ),
    "two volumes of a date": (
        LONG.format(3, 1) + "2030-01-02,AA,3,2\n",
        r"AA on 2030-01-02: two different values",
    ),
    "two bars of a date": (
        "datetime,AA\n2030-01-01 10:00,1\n2030-01-01 16:00,1\n",
        r"AA on 2030-01-01: more than one bar on one date \(1 such.*one row a date, such as the daily closes",
    ),
    "no date column": (
        "AA,BB\n1,2\n",
        r"no date column among 'AA', 'BB'; call one 'date', or say which it is: date='COLUMN'",
    ),
    "bad date": ("date,AA\n2030-01-01,1\nsoon,1\n", r"date column 'date': row 2: 'soon' is not a date.*YYYY-MM-DD"),
    "ambiguous date": (
        "date,AA\n01/02/2030,1\n",
        r"row 1: .01/02/2030. can be read in more than one way .no day above 12 proves the order.; "
        r"say date_format=.%d/%m/%Y. or date_format=.%m/%d/%Y.",
    ),
    "impossible date": ("date,AA\n2030-02-30,1\n", r"row 1: '2030-02-30' is not a date"),
    "empty date": ("date,AA\n2030-01-01,1\n,1\n", r"row 2: '' is not a date"),
    "no rows": ("date,AA\n", r"no rows beneath the header; check the file"),
    "no prices": ("date,AA\n2030-01-01,\n2030-01-02,NaN\n", r"no prices: none of 2 rows has one; check the file"),
    "nothing at all": ("", r"has no header; its first line must name the columns"),
    "only dates": ("date\n2030-01-01\n", r"no price column beside the dates; a wide table has one column per symbol"),
    "no price column": (
        "date,symbol,colour\n2030-01-01,AA,red\n",
        r"no price column in the long.*has 'colour'; .*close='colour'",
    ),
    "no name": ("date,AA,\n2030-01-01,1,2\n", r"a symbol is empty; name every price column"),
    "no symbol": ("date,symbol,close\n2030-01-01, ,2\n", r"a symbol is empty; .*fill in the symbol of every row"),
    "control character": ("date,A\x1bA\n2030-01-01,1\n", r"symbol 'A\\x1bA' holds an unprintable character; remove it"),
    "repeated name": ("date,AA,AA\n2030-01-01,1,1\n", r"column 'AA' occurs 2 times; keep one of each name"),
    "names alike": ("date,AA,AA \n2030-01-01,1,1\n", r"column 'AA' occurs 2 times"),
    "one asset's bars": (
        "Date,Open,High,Low,Close,Volume\n2030-01-01,1,1,1,1,1\n",
        r"bars of one asset.*'symbol'",
    ),
    "ragged": ("date,AA\n2030-01-01,1,2\n", r"cannot be read as CSV: .*Expected 2 columns, got 3"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_data_are_refused(lake: Path, tmp_path: Path, case: str) -> None:
    text, message = REFUSED[case]
    file = tmp_path / "prices.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=r"^dataset 'stocks' from .*prices\.csv: .*" + message):
        ingest(lake, "stocks", file)


def test_a_refusal_does_not_even_make_a_lakehouse(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("date,AA\n2030-01-01,0\n")
    with pytest.raises(DataError, match="positive and finite"):
        ingest(tmp_path / "lake", "stocks", file)
    assert not (tmp_path / "lake").exists()


def test_a_missing_file_names_its_neighbour(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "prices.csv").touch()
    with pytest.raises(DataError, match=r"no file '.*price\.csv'; did you mean 'prices\.csv'\?; check the path"):
        ingest(lake, "stocks", tmp_path / "price.csv")


def test_a_folder_without_prices_is_refused(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.doc").touch()
    with pytest.raises(DataError, match="holds no file of prices; wanted files that end in one of .csv"):
        ingest(lake, "stocks", tmp_path)


@pytest.mark.parametrize("name", ["prices.xls", "prices", "prices.csv.bz2"])
def test_an_unknown_type_is_refused(lake: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("date,AA\n2030-01-01,1\n")
    with pytest.raises(DataError, match=r"is of an unknown type; wanted one of \.csv, \.csv\.gz, .*\.parquet"):
        ingest(lake, "stocks", tmp_path / name)


@pytest.mark.parametrize("name", ["prices.csv.gz", "prices.parquet"])
def test_a_file_that_is_not_what_its_name_says_is_refused(lake: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("date,AA\n2030-01-01,1\n")
    with pytest.raises(DataError, match=r"cannot be read as (CSV|Parquet): .*; write it anew"):
        ingest(lake, "stocks", tmp_path / name)


def test_a_cut_off_archive_is_refused(lake: Path, tmp_path: Path) -> None:
    whole = gzip.compress(wide().to_csv().encode())
    (tmp_path / "prices.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be read as CSV"):
        ingest(lake, "stocks", tmp_path / "prices.csv.gz")


def test_text_that_is_not_utf8_is_refused(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_bytes(b"date,AA\xff\n2030-01-01,1\n")
    with pytest.raises(DataError, match="cannot be read as CSV: .*write it anew as UTF-8"):
        ingest(lake, "stocks", tmp_path / "prices.csv")


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x'; drop table prices; --", "ä", "a" * 65, "a\n"])
def test_a_dataset_name_that_is_no_name_is_refused(lake: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"dataset name .*: use letters, digits"):
        ingest(lake, name, wide())


@pytest.mark.parametrize(
    ("naming", "message"),
    [
        ({"date": "Dat"}, "no column 'Dat'; did you mean 'Date'"),
        ({"symbol": "ticker"}, "no column 'ticker'"),
        ({"close": "PX"}, "no column 'PX'"),
        ({"volume": "shares"}, "no column 'shares'"),
    ],
)
def test_a_stated_column_must_exist(lake: Path, naming: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ingest(lake, "stocks", wide(), Options(**naming))


def frame(values: object, dates: object = ("2030-01-01", "2030-01-02")) -> pd.DataFrame:
    return pd.DataFrame({"AA": values}, index=pd.Index(dates, name="Date"))


FRAMES = {
    "object": (frame([1.0, "n/a"]), r"AA on 2030-01-02: 'n/a' is not a number"),
    "booleans": (frame([True, False]), r"AA on 2030-01-01: 'true' is not a number \(2 such"),
    "zero": (frame([1, 0]), r"AA on 2030-01-02: close 0"),
    "no dates": (pd.DataFrame({"AA": [1.0]}), r"no date column among 'AA'"),
    "a missing date": (frame([1.0, 2.0], [pd.Timestamp("2030-01-01"), pd.NaT]), r"row 2 is empty.*fill in the date"),
    "three levels": (
        pd.DataFrame([[1.0]], columns=pd.MultiIndex.from_tuples([("a", "b", "c")])),
        "columns have 3 levels",
    ),
    "two levels without a close": (
        pd.DataFrame([[1.0]], pd.DatetimeIndex(["2030-01-01"]), pd.MultiIndex.from_tuples([("Open", "AA")])),
        "two levels name no close",
    ),
    "a symbol without closes": (
        pd.DataFrame(
            [[1.0, 1.0]], pd.DatetimeIndex(["2030-01-01"]), pd.MultiIndex.from_tuples([("Close", "AA"), ("Open", "BB")])
        ),
        "symbol 'BB' has no column of closes",
    ),
    "no rows": (wide().iloc[:0], "no rows beneath the header"),
}


@pytest.mark.parametrize("case", FRAMES)
def test_bad_frames_are_refused(lake: Path, case: str) -> None:
    bad, message = FRAMES[case]
    with pytest.raises(DataError, match=r"^dataset 'stocks' from frame: .*" + message):
        ingest(lake, "stocks", bad)


def test_instants_without_their_zone_are_refused(lake: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    stamps = pa.array(np.array(["2030-01-01T15:00"], "datetime64[us]")).cast(pa.timestamp("us", "UTC"))
    table = pa.table({"date": stamps.cast(pa.timestamp("us", "Asia/Tokyo")), "AA": [1.0]})
    parquet.write_table(table, tmp_path / "p.parquet", store_schema=False)
    with pytest.raises(DataError, match="'date' holds instants without their time zone.*store dates instead"):
        ingest(lake, "stocks", tmp_path / "p.parquet")


@pytest.mark.parametrize("source", [3, None, {"AA": [1]}])
def test_what_is_no_source_is_refused(lake: Path, source: object) -> None:
    with pytest.raises(DataError, match="hand over the path of a file, or a frame of pandas, polars or Arrow"):
        ingest(lake, "stocks", source)
