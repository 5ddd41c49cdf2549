"""Every form in which the same prices come gives the same observations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow.parquet import write_table

from metabt.errors import DataError
from metabt.lakehouse.ingestion.column_layout import read_observations
from metabt.lakehouse.ingestion.observations import Observations
from metabt.lakehouse.ingestion.options import Options
from tests.lakehouse.conftest import wide

FRAME = wide(40).mask(np.arange(120).reshape(40, 3) % 7 == 3)
STACKED = FRAME.stack().dropna().rename_axis(["date", "symbol"]).rename("close")
LONG = STACKED.reset_index().sample(frac=1, random_state=1)
OTHERS = {"Volume": FRAME * 1000, "Open": FRAME - 1, "High": FRAME + 1, "Low": FRAME - 2}
BARS = pd.concat({"Close": FRAME, **OTHERS}, axis=1)


def rows(source: object, **naming: object) -> set[tuple[object, ...]]:
    """Return (date, symbol, close) of every observation."""
    return triples(read_observations(source, Options(**naming)))


def triples(found: Observations) -> set[tuple[object, ...]]:
    symbols = np.array(found.symbols.values, object)[found.symbols.codes]
    return set(zip(found.dates.tolist(), symbols, found.fields["close"].tolist(), strict=True))


EXPECTED = {(stamp.date(), symbol, close) for (stamp, symbol), close in STACKED.items()}


def csv(frame: pd.DataFrame, name: str = "p.csv", **options: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        frame.to_csv(folder / name, **options)
        return folder / name

    return write


def parquet(frame: pd.DataFrame, name: str = "p.parquet", **options: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        frame.to_parquet(folder / name, **options)
        return folder / name

    return write


FORMS = {
    "wide csv": csv(FRAME),
    "wide csv.gz": csv(FRAME, "p.csv.gz"),
    "wide csv, upper case": csv(FRAME, "P.CSV"),
    "wide csv, semicolons": csv(FRAME, sep=";"),
    "wide csv, byte order mark": csv(FRAME, encoding="utf-8-sig"),
    "wide csv, windows line ends": csv(FRAME, lineterminator="\r\n"),
    "wide csv, nameless dates": csv(FRAME.rename_axis(None)),
    "wide csv, NaN for missing": csv(FRAME, na_rep="NaN"),
    "wide csv, slashes": csv(FRAME, date_format="%Y/%m/%d"),
    "wide csv, compact dates": csv(FRAME, date_format="%Y%m%d"),
    "wide csv, midnight": csv(FRAME, date_format="%Y-%m-%d %H:%M:%S"),
    "wide csv, close of the day with offset": csv(FRAME, date_format="%Y-%m-%dT23:30:00-05:00"),
    "wide csv, dates last": csv(FRAME.reset_index()[["AA", "BB", "CC", "Date"]], index=False),
    "wide parquet": parquet(FRAME),
    "wide parquet, dates": parquet(FRAME.set_axis([stamp.date() for stamp in FRAME.index])),
    "wide parquet, pattern in its name": parquet(FRAME, "p[1]*?.parquet"),
    "wide parquet in Tokyo": parquet(FRAME.tz_localize("Asia/Tokyo")),
    "long csv": csv(LONG, index=False),
    "long csv with its index": csv(LONG.rename(columns={"symbol": "Ticker", "close": "Adj Close"})),
    "long parquet": parquet(LONG),
    "long parquet, categories": parquet(LONG.astype({"symbol": "category"})),
    "two-level parquet": parquet(BARS),
    "frame": lambda _: FRAME,
    "frame, newest first": lambda _: FRAME[::-1],
    "frame, other order of symbols": lambda _: FRAME[["CC", "AA", "BB"]],
    "frame, date as a column": lambda _: FRAME.reset_index(),
    "frame, python dates": lambda _: FRAME.set_axis([stamp.date() for stamp in FRAME.index]),
    "frame, text dates": lambda _: FRAME.set_axis([str(stamp.date()) for stamp in FRAME.index]),
    "frame in New York": lambda _: FRAME.tz_localize("America/New_York"),
    "frame in Tokyo": lambda _: FRAME.tz_localize("Asia/Tokyo"),
    "frame at a fixed offset": lambda _: FRAME.tz_localize("+09:00"),
    "frame stamped at the close": lambda _: FRAME.set_axis(FRAME.index + pd.Timedelta("16h")),
    "frame of nanoseconds": lambda _: FRAME.set_axis(FRAME.index.astype("datetime64[ns]")),
    "long frame": lambda _: LONG,
    "long frame, filtered index": lambda _: LONG.set_index(pd.Index(range(5, 5 + len(LONG)))),
    "long frame, index of two": lambda _: LONG.set_index(["date", "symbol"]),
    "two levels (field, symbol)": lambda _: BARS,
    "two levels (symbol, field)": lambda _: BARS.swaplevel(axis=1),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_prices(tmp_path: Path, form: str) -> None:
    assert rows(FORMS[form](tmp_path)) == EXPECTED


def test_the_counts_add_up() -> None:
    found = read_observations(FRAME, Options())
    assert (found.rows_read, found.empty, found.duplicates) == (120, int(FRAME.isna().to_numpy().sum()), 0)
    assert len(found) == 120 - found.empty


def test_exact_repeats_are_dropped_and_counted() -> None:
    found = read_observations(pd.concat([LONG, LONG[:7]]), Options())
    assert triples(found) == EXPECTED
    assert found.duplicates == 7


def test_all_fields_are_read_and_belong_to_their_rows() -> None:
    found = read_observations(BARS, Options())
    close = found.fields["close"]
    for name, expected in {"volume": close * 1000, "open": close - 1, "high": close + 1, "low": close - 2}.items():
        np.testing.assert_array_equal(found.fields[name], expected)


def test_an_adjusted_close_is_preferred_and_said_so() -> None:
    bars = pd.concat([BARS, pd.concat({"Adj Close": FRAME / 2}, axis=1)], axis=1)
    found = read_observations(bars, Options())
    assert triples(found) == {(day, symbol, close / 2) for day, symbol, close in EXPECTED}
    assert set(found.fields) == {"close", "volume"}
    assert found.notes == (
        "'Adj Close' is the price; open, high and low are not adjusted as it is",
        "left out: Close, Open, High, Low",
    )


def test_ignored_columns_are_named() -> None:
    found = read_observations(LONG.assign(colour="red"), Options())
    assert found.notes == ("left out: colour",)


def test_a_time_of_day_is_noted() -> None:
    found = read_observations(FRAME.set_axis(FRAME.index + pd.Timedelta("16h")), Options())
    assert "dated as written" in found.notes[0]


def test_stated_names_win_over_found_ones() -> None:
    odd = LONG.rename(columns={"date": "when", "symbol": "what", "close": "how much"}).assign(close=1.0, symbol="no")
    naming = {"date": "when", "symbol": "what", "close": "how much"}
    assert rows(odd, **naming) == EXPECTED


def test_a_stated_date_format_is_followed(tmp_path: Path) -> None:
    assert rows(csv(FRAME, date_format="%d.%m.%y")(tmp_path), date_format="%d.%m.%y") == EXPECTED


def test_symbols_stay_what_they_are(tmp_path: Path) -> None:
    names = ["0700", "NA", "TRUE", "1e5", "nan", "x'; drop table prices; --", "=cmd()", "../up", "BRK.B", "ÄÖ"]
    (tmp_path / "p.csv").write_text("date,symbol,close\n" + "".join(f"2020-01-02,{name},1\n" for name in names))
    assert {row[1] for row in rows(tmp_path / "p.csv")} == set(names)


def test_tickers_that_sound_like_columns_are_symbols(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("date,DAY,TIME,ASSET,SID\n2020-01-02,1,2,3,4\n")
    assert {row[1:] for row in rows(tmp_path / "p.csv")} == {("DAY", 1.0), ("TIME", 2.0), ("ASSET", 3.0), ("SID", 4.0)}
    (tmp_path / "q.csv").write_text(",DAY\n2020-01-02,1\n")
    assert rows(tmp_path / "q.csv") == {(date(2020, 1, 2), "DAY", 1.0)}


@pytest.mark.parametrize("text", ["5", "5.", "+5", "5.0", "5e0", " 5 ", "0.5E1", "50e-1"])
def test_plain_numbers_are_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.csv").write_text(f"date,AA\n2020-01-02,{text}\n")
    assert rows(tmp_path / "p.csv") == {(date(2020, 1, 2), "AA", 5.0)}


@pytest.mark.parametrize("text", ["", " ", "NaN", "nan", "NA", "null", "NULL"])
def test_missing_is_missing(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.csv").write_text(f"date,AA,BB\n2020-01-02,{text},1\n")
    assert rows(tmp_path / "p.csv") == {(date(2020, 1, 2), "BB", 1.0)}


def test_numbers_keep_every_bit(tmp_path: Path) -> None:
    values = np.random.default_rng(3).random(500) * 10.0 ** np.random.default_rng(4).integers(-300, 300, 500)
    frame = pd.DataFrame({"AA": values}, pd.date_range("2000-01-01", periods=500, name="date"))
    found = read_observations(csv(frame)(tmp_path), Options())
    assert found.fields["close"].tobytes() == values.tobytes()


@pytest.mark.parametrize("checksums", [True, False])
def test_a_page_that_is_not_what_its_checksum_says_is_refused(tmp_path: Path, checksums: bool) -> None:
    dates, closes = np.arange("2020-01-01", "2020-06-01", dtype="datetime64[D]"), np.linspace(100, 110, 152)
    file = tmp_path / "a.parquet"
    table = pa.table({"date": dates, "A": closes})
    write_table(table, file, write_page_checksum=checksums, compression="none", use_dictionary=False)
    content = bytearray(file.read_bytes())
    content[content.find(closes[50].tobytes()) + 6] ^= 1
    file.write_bytes(content)
    if checksums:
        with pytest.raises(DataError, match=r"a\.parquet' is damaged.*checksum.*get the file anew"):
            read_observations(file, Options())
    else:
        assert (read_observations(file, Options()).fields["close"] != closes).sum() == 1
