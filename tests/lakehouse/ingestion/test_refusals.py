"""Data that must not be stored are refused with the culprit and the cure, and nothing changes."""

from __future__ import annotations

import argparse
import dataclasses
import gzip
import hashlib
import inspect
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.cli.main import build_parser
from metabt.errors import ConfigError, DataError, MetabtError, StoreError
from metabt.lakehouse import ingest
from metabt.lakehouse.ingestion.options import Options
from tests.lakehouse.conftest import wide


@pytest.fixture
def lake(stocked: Path) -> Iterator[Path]:
    """Return the shared lakehouse, and check afterwards that the refusal changed no byte of any file in it."""
    before = contents(stocked)
    yield stocked
    assert contents(stocked) == before


def contents(folder: Path) -> dict[str, str]:
    """Return file -> digest of its bytes, without what SQLite has beside a catalogue that was read last."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.endswith(("-wal", "-shm"))]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


WIDE = "Date,AA,BB\n2030-01-01,1,2\n2030-01-02,{},2\n2030-01-03,{},2\n"
LONG = "date,symbol,close,volume\n2030-01-01,AA,1,5\n2030-01-02,AA,{},{}\n2030-01-02,BB,3,1\n"

SEAM = (wide()[["AA"]][2:10] / 4).to_csv()

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
    "milliseconds for dates": (
        "date,AA\n1704067200000,1\n1704123100000,2\n",
        r"row 1: '1704067200000' is not a date.*YYYY-MM-DD",
    ),
    "milliseconds that spell a date": ("date,AA\n1704123100000,2\n", r"row 1: '1704123100000' is not a date"),
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
    "name of a hedge": ("date,fx:EUR\n2030-01-01,1\n", r"symbol 'fx:EUR' begins as hedges .*call it by another name"),
    "control character": ("date,A\x1bA\n2030-01-01,1\n", r"symbol 'A\\x1bA' holds an unprintable character; remove it"),
    "repeated name": ("date,AA,AA\n2030-01-01,1,1\n", r"column 'AA' occurs 2 times; keep one of each name"),
    "names alike": ("date,AA,AA \n2030-01-01,1,1\n", r"column 'AA' occurs 2 times"),
    "one asset's bars": (
        "Date,Open,High,Low,Close,Volume\n2030-01-01,1,1,1,1,1\n",
        r"bars of one asset.*'symbol'",
    ),
    "no header, and nothing in its first row": (
        "2030-01-01,,\n2030-01-02,1,2\n",
        r"the first line is 2030-01-01, , : data.*columns='Date,AAPL,MSFT'",
    ),
    "seconds and no header": ("1672617600,99.5\n1672704000,98.5\n", r"the first line is 1672617600, 99\.5: data"),
    "percent": (
        "Date,AA\n2030-01-01,0.4%\n2030-01-02,1.2%\n",
        r"have a % sign behind them: they look like returns.*returns=True, percent=True",
    ),
    "one column": (
        "<html>\n<body>\n",
        r"there is one column, '<html>', and it holds no dates; wanted dates and closes",
    ),
    "a word to Excel": ("sep=;\nDate;AA\n2030-01-01;1\n2030-01-02;1\n", r"'sep=;', is no header; say skip_rows=1"),
    "a close beside others": (
        "Date,Close,SMA20\n2030-01-01,1,1\n",
        r"bars of one asset \('Close'\).*symbol_name='NAME'",
    ),
    "letters": ("Date,O,H,L,C\n2030-01-01,1,1,1,1\n", r"bars of one asset .*symbol_name='NAME', close='C'"),
    "no header": (
        "2030-01-01,1,2\n2030-01-02,1,2\n",
        r"the first line is 2030-01-01, 1, 2: data.*columns='Date,AAPL,MSFT'",
    ),
    "title": ("My fund\n\ndate,AA\n2030-01-01,1\n2030-01-02,1\n", r"line 1, 'My fund', looks like a title.*skip_rows="),
    "a name too few": ("AA,BB\n2030-01-01,1,2\n2030-01-02,1,2\n", r"header names 2 columns.*skip_rows=1, columns="),
    "units": (
        "Date,Close,Close\n,USD,EUR\n2030-01-01,1,2\n",
        r"the second line states units \('eur', 'usd'\); delete it",
    ),
    "only a close": ("Date,Close\n2030-01-01,1\n", r"bars of one asset \('Close'\).*symbol_name='NAME'.*wide=True"),
    "a volume": ("Date,AA,Volume\n2030-01-01,1,2\n", r"bars of one asset .*symbol_name='NAME', close='AA'"),
    "flat": ("Date,AA,AA_Volume\n2030-01-01,1,2\n", r"'AA_Volume' looks like the volume of 'AA'.*wide=True"),
    "hidden symbols": ("Date,Name,Preis\n2030-01-01,AA,1\n2030-01-01,BB,2\n", r"say symbol='Name', close='Preis'"),
    "returns": (
        "Date,AA\n2030-01-01,-0.01\n2030-01-02,0.02\n2030-01-03,0.01\n",
        r"look like returns.*say returns=True",
    ),
    "year of two digits": ("Date,AA\n01.02.30,1\n", r"more than one way \(a year of two.*date_format='%d\.%m\.%y'"),
    "mixed orders": (
        "Date,AA\n13/01/2030,1\n01/13/2030,1\n",
        r"days stand first in some rows.*date_format='%d/%m/%Y' or",
    ),
    "seconds": ("timestamp,AA\n1672617600,1\n", r"row 1: '1672617600' is not a date"),
    "thousands with points": (
        "Date;AA\n2030-01-01;1.234\n",
        r"'1.234' may be 1234 or 1.234.*decimal='\.' or thousands='\.'",
    ),
    "a seam": (
        SEAM,
        r"AA: closes from 2019-10-03 on are 0\.25 times the stored ones \(8 dates tell\).* rescale=True to multiply",
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


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_names_options_that_exist_where_the_caller_is(lake: Path, tmp_path: Path, case: str) -> None:
    (tmp_path / "prices.csv").write_text(REFUSED[case][0])
    told = {}
    for face in ("command", "python", "memory"):
        with pytest.raises(DataError) as caught:
            ingest(lake, "stocks", tmp_path / "prices.csv", Options(face=face))
        told[face] = str(caught.value).partition("prices.csv: ")[2]
    flags = set(re.findall(r"(?<![\w-])--[a-z-]+", told["command"]))
    assert flags <= {flag for action in ingest_arguments() for flag in action.option_strings}
    named = set(re.findall(r"\b(\w+)=['\dT]", told["python"]))
    assert {flag[2:].replace("-", "_") for flag in flags} == named <= set(inspect.signature(metabt.ingest).parameters)
    assert bool(named) == ("metabt.ingest(..., " in told["memory"])


def ingest_arguments() -> list[argparse.Action]:
    (commands,) = (action.choices for action in build_parser()._actions if isinstance(action.choices, dict))
    return commands["ingest"]._actions


def test_options_are_the_same_in_every_face() -> None:
    known = {field.name for field in dataclasses.fields(Options)} - {"face", "stem"}
    known |= {"closed", "panel", "table", "replace", "rescale", "catalog", "dataset", "lakehouse"}
    assert set(inspect.signature(metabt.ingest).parameters) - {"source"} == known
    assert {action.dest for action in ingest_arguments()} - {"help", "file", "quiet"} == known


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decimal": ";"}, "decimal is ';', wanted '.' or ','"),
        ({"thousands": "x"}, "thousands is 'x', wanted one of ',', '.', ' ', \"'\""),
        ({"decimal": ",", "thousands": ","}, "thousands is ',', wanted .* that is not the decimal sign"),
        ({"skip_rows": -1}, "skip_rows is -1, wanted a number of lines, 0 or more"),
        ({"percent": True}, "percent is of returns; say returns too"),
        ({"symbol": "a", "symbol_name": "b"}, "symbol and symbol_name contradict each other"),
        ({"symbols": "a"}, "unknown option 'symbols'; did you mean 'symbol'"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Options.of(options)


@pytest.mark.parametrize("path", ["s3://Bucket/lake", "gs://b", "https://host/x", "file:///tmp/lake", Path("s3://b/x")])
def test_an_address_of_another_kind_is_no_lakehouse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str | Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for refused in (
        lambda: ingest(path, "d", wide()),
        lambda: metabt.backtest({"name": "t", "universe": "all"}, path),
        lambda: metabt.connect(path),
    ):
        with pytest.raises(StoreError, match="is no name of a bucket|is refused: .* name a folder"):
            refused()
    assert list(tmp_path.iterdir()) == []


def test_an_address_is_no_file(lake: Path) -> None:
    with pytest.raises(MetabtError, match="'s3://b/prices.csv' is an address, and only paths .* a copy of it lies"):
        ingest(lake, "stocks", "s3://b/prices.csv")


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


def compressed(file: Path, *parts: tuple[bytes, int]) -> Path:
    """Write parts, each so many times, without having them in memory."""
    with gzip.open(file, "wb", compresslevel=1) as out:
        for part, times in parts:
            for _ in range(times):
                out.write(part)
    return file


BOMBS = {
    "a line": (((b"Date,A\n", 1), (b"0" * (1 << 20), 100)), "has a line of more than 16 MB"),
    "a header": (((b"a," * (1 << 19), 100),), "has a line of more than 16 MB"),
    "nothing": (((b"\0" * (1 << 20), 100),), "has a line of more than 16 MB"),
    "lines": (((b"Date,A\n", 1), (b"\n" * (1 << 20), 100)), "inflates to more than 100 times its .* unpack it"),
    "rows": (((b"Date,A\n", 1), (b"2030-01-01,1\n" * 80_000, 100)), "inflates to more than 100 times its .* unpack it"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_file_that_inflates_without_end_is_refused_in_little_memory(lake: Path, tmp_path: Path, bomb: str) -> None:
    parts, message = BOMBS[bomb]
    file = compressed(tmp_path / "p.csv.gz", *parts)
    assert file.stat().st_size < 1 << 20
    tracemalloc.start()
    with pytest.raises(DataError, match=message):
        ingest(lake, "stocks", file)
    assert tracemalloc.get_traced_memory()[1] < 64 << 20  # of 100 MB that are inflated
    tracemalloc.stop()


def test_a_line_without_end_is_refused(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(b"0" * (17 << 20))
    with pytest.raises(DataError, match="has a line of more than 16 MB"):
        ingest(lake, "stocks", tmp_path / "p.csv")


def test_what_compresses_well_and_is_small_is_taken(fresh: Path, tmp_path: Path) -> None:
    rows = b"".join(
        b"%d-%02d-%02d,100\n" % (y, m, d) for y in range(1900, 2100) for m in range(1, 13) for d in range(1, 29)
    )
    report = ingest(fresh, "d", compressed(tmp_path / "p.csv.gz", (b"Date,AA\n" + rows, 1)))
    assert report.added == 200 * 12 * 28


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
    "no dates": (
        pd.DataFrame({"AA": [1.0]}),
        r"there is one column, 'AA', and it holds no dates; wanted dates and closes",
    ),
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
    "no rows of dates": (pd.DataFrame(columns=["AA"], index=pd.DatetimeIndex([])), "no rows beneath the header"),
    "a header of prices": (
        pd.DataFrame({"99.5": [1.0, 2.0], "98.5": [1.0, 2.0]}, pd.DatetimeIndex(["2030-01-01", "2030-01-02"])),
        "the columns are called 'index', '99.5', '98.5': data, .*wide=True",
    ),
    "a header with a date": (
        pd.DataFrame({"2030-01-01": ["2030-01-02"], "7": [1.0]}),
        "the columns are called '2030-01-01', '7': data",
    ),
    "a column without a name": (frame([1.0, 2.0]).rename(columns={"AA": None}), "a symbol is empty"),
    "complex": (frame([1j, 2j]), "AA on 2030-01-01: '1j' is not a number"),
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
