"""A panel written in any format, locale and orientation comes back, and what could be two things is asked for."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metabt.errors import DataError
from metabt.lakehouse.ingestion.column_layout import read_observations
from metabt.lakehouse.ingestion.observations import Observations
from metabt.lakehouse.ingestion.options import Options

Cells = dict[tuple[date, str], float]
"""(date, symbol) -> close."""

DATES: dict[str, tuple[str, str]] = {
    "iso": ("%Y-%m-%d", ""),
    "slashes": ("%Y/%m/%d", ""),
    "compact": ("%Y%m%d", ""),
    "us": ("%m/%d/%Y", "%m/%d/%Y"),
    "german": ("%d.%m.%Y", "%d.%m.%Y"),
    "british": ("%d/%m/%Y", "%d/%m/%Y"),
    "words": ("%d-%b-%Y", ""),
    "american words": ("%b %d, %Y", ""),
}
"""Style -> how dates are written, and the format that says so where nothing proves it."""
SIGNS = {
    "plain": (".", ""),
    "english": (".", ","),
    "continental": (",", ""),
    "german": (",", "."),
    "swiss": (".", "'"),
    "french": (",", " "),
    "typeset french": (",", "\N{NARROW NO-BREAK SPACE}"),
    "english without breaks": (".", "\N{NO-BREAK SPACE}"),
    "typeset swiss": (".", "\N{RIGHT SINGLE QUOTATION MARK}"),
}
"""Style -> decimal sign, sign between thousands."""


def number(value: float, style: str) -> str:
    decimal, thousands = SIGNS[style]
    return f"{value:,.2f}".replace(",", "T").replace(".", decimal).replace("T", thousands)


def wide(cells: Cells, day: Callable[[date], str], text: Callable[[float], str]) -> list[list[str]]:
    symbols = sorted({symbol for _, symbol in cells})
    rows = [[day(d), *(text(cells[d, s]) if (d, s) in cells else "" for s in symbols)] for d in days_of(cells)]
    return [["Date", *symbols], *rows]


def days_of(cells: Cells) -> list[date]:
    return sorted({d for d, _ in cells})


def across(cells: Cells, day: Callable[[date], str], text: Callable[[float], str]) -> list[list[str]]:
    return [list(row) for row in zip(*wide(cells, day, text), strict=True)]


def long(cells: Cells, day: Callable[[date], str], text: Callable[[float], str]) -> list[list[str]]:
    return [["date", "ticker", "close"], *([day(d), s, text(v)] for (d, s), v in reversed(cells.items()))]


def levels(cells: Cells, day: Callable[[date], str], text: Callable[[float], str]) -> list[list[str]]:
    header, *rows = wide(cells, day, text)
    symbols = header[1:]
    top = ["Price", *["Close"] * len(symbols), *["Volume"] * len(symbols)]
    return [
        top,
        ["Ticker", *symbols, *symbols],
        ["Date"] + [""] * len(top[1:]),
        *(r + ["7"] * len(symbols) for r in rows),
    ]


def swapped(cells: Cells, day: Callable[[date], str], text: Callable[[float], str]) -> list[list[str]]:
    top, names, *rows = levels(cells, day, text)
    return [["Ticker", *names[1:]], ["Price", *top[1:]], *rows]


def flat(cells: Cells, day: Callable[[date], str], text: Callable[[float], str]) -> list[list[str]]:
    top, names, _, *rows = levels(cells, day, text)
    return [["Date", *(f"{s}_{field}" for s, field in zip(names[1:], top[1:], strict=True))], *rows]


SHAPES = {"wide": wide, "across": across, "long": long, "levels": levels, "swapped": swapped, "flat": flat}


def write(folder: Path, rows: list[list[str]], medium: str) -> Path:
    if medium == "xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append([cell or None for cell in row])
        book.save(folder / "p.xlsx")
        return folder / "p.xlsx"
    text = io.StringIO()
    csv.writer(text, delimiter={"tsv": "\t", "semicolons": ";"}.get(medium, ",")).writerows(rows)
    name = {"tsv": "p.tsv", "gz": "p.csv.gz"}.get(medium, "p.csv")
    content = text.getvalue().encode()
    (folder / name).write_bytes(gzip.compress(content) if medium == "gz" else content)
    return folder / name


def read_back(found: Observations) -> Cells:
    symbols = [found.symbols.values[code] for code in found.symbols.codes]
    return dict(zip(zip(found.dates.tolist(), symbols, strict=True), found.fields["close"].tolist(), strict=True))


@st.composite
def panels(draw: st.DrawFn) -> Cells:
    days = draw(st.lists(st.dates(date(1990, 1, 1), date(2050, 12, 31)), min_size=1, max_size=6, unique=True))
    symbols = draw(
        st.lists(st.sampled_from(["AAA", "BRK.B", "0700", "x y", "ÄÖ"]), min_size=1, max_size=3, unique=True)
    )
    cents = draw(st.lists(st.integers(1, 10**9), min_size=len(days) * len(symbols), max_size=len(days) * len(symbols)))
    pairs = [(day, symbol) for day in sorted(days) for symbol in symbols]
    gone = draw(st.sets(st.sampled_from(pairs[1:]), max_size=3)) if len(pairs) > 1 else set()
    return {pair: cent / 100 for pair, cent in zip(pairs, cents, strict=True) if pair not in gone}


@settings(max_examples=150, deadline=None)
@given(
    cells=panels(),
    shape=st.sampled_from(sorted(SHAPES)),
    dates=st.sampled_from(sorted(DATES)),
    signs=st.sampled_from(sorted(SIGNS)),
    medium=st.sampled_from(["csv", "tsv", "semicolons", "gz"]),
)
def test_a_panel_comes_back_or_is_asked_for(
    tmp_path_factory: pytest.TempPathFactory, cells: Cells, shape: str, dates: str, signs: str, medium: str
) -> None:
    form, order = DATES[dates]
    rows = SHAPES[shape](cells, lambda day: day.strftime(form), lambda value: number(value, signs))
    file = write(tmp_path_factory.mktemp("panel"), rows, medium)
    decimal, thousands = SIGNS[signs]
    stated = {"date_format": order or None, "decimal": decimal, "thousands": thousands or None}
    options: dict[str, Any] = {}
    for _ in range(3):
        try:
            assert read_back(read_observations(file, Options(**options))) == cells
            return
        except DataError as error:
            asked = set(re.findall(r"(\w+)='", str(error).partition("; say ")[2])) - set(options)
            assert asked and asked <= set(stated), error
            options |= {name: stated[name] for name in asked if stated[name] is not None}
    raise AssertionError("asked three times")


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_a_workbook_comes_back(tmp_path: Path, shape: str) -> None:
    cells = {(date(2024, 1, day), s): day + len(s) / 8 for day in range(1, 29) for s in ("AAA", "BB")}
    rows = SHAPES[shape](cells, lambda day: day.isoformat(), repr)
    assert read_back(read_observations(write(tmp_path, rows, "xlsx"), Options())) == cells


PROVEN = [date(2024, 3, 4), date(2024, 12, 13)]
OPEN = [date(2024, 3, 4), date(2024, 12, 11)]


@pytest.mark.parametrize("form", ["%d.%m.%Y", "%m/%d/%Y", "%d-%m-%Y", "%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M:%S %p"])
def test_a_day_above_twelve_proves_the_order_and_nothing_else_does(tmp_path: Path, form: str) -> None:
    for days in (PROVEN, OPEN):
        stamps = [datetime(day.year, day.month, day.day, 16) for day in days]
        file = write(tmp_path, [["Date", "AAA"], *([stamp.strftime(form), "5"] for stamp in stamps)], "csv")
        expected = {(day, "AAA"): 5.0 for day in days}
        if days is PROVEN:
            assert read_back(read_observations(file, Options())) == expected
            continue
        with pytest.raises(DataError, match="no day above 12 proves the order"):
            read_observations(file, Options())
        assert read_back(read_observations(file, Options(date_format=form))) == expected


def test_days_on_both_sides_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path, [["Date", "AAA"], ["13/01/2024", "1"], ["01/14/2024", "2"]], "csv")
    with pytest.raises(DataError, match="days stand first in some rows and second in others"):
        read_observations(file, Options())


@pytest.mark.parametrize("text", ["1672617600", "1672617600000", "1510101012345", "44928", "2023"])
def test_a_number_is_no_date(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, [["Date", "AAA"], [text, "1"]], "csv")
    with pytest.raises(DataError, match=f"'{text}' is not a date"):
        read_observations(file, Options())


ASKED = {
    "1.234": ({"decimal": "."}, 1.234, {"thousands": "."}, 1234.0),
    "1,234": ({"decimal": ","}, 1.234, {"thousands": ","}, 1234.0),
}


@pytest.mark.parametrize("text", ASKED)
def test_three_digits_may_be_thousands(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, [["Date", "AAA"], ["2024-01-02", text]], "semicolons")
    with pytest.raises(DataError, match="may be 1234 or 1.234"):
        read_observations(file, Options())
    for options, value in (ASKED[text][:2], ASKED[text][2:]):
        assert list(read_back(read_observations(file, Options(**options))).values()) == [value]


@pytest.mark.parametrize("text", ["1 234", "1'234", "1234"])
def test_whole_numbers_are_in_no_doubt(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, [["Date", "AAA"], ["2024-01-02", text]], "semicolons")
    assert list(read_back(read_observations(file, Options())).values()) == [1234.0]


@pytest.mark.parametrize("sign", ["$", "€", "£"])
def test_a_currency_sign_before_every_price_is_no_part_of_it(tmp_path: Path, sign: str) -> None:
    rows = [["Date", "AAA"], ["2024-01-02", f"{sign}5.5"], ["2024-01-03", f"{sign}6"], ["2024-01-04", ""]]
    assert list(read_back(read_observations(write(tmp_path, rows, "csv"), Options())).values()) == [5.5, 6.0]
    rows[2][1] = "6"
    with pytest.raises(DataError, match="is not a number"):
        read_observations(write(tmp_path, rows, "csv"), Options())


BARS = {
    "nasdaq": "Date,Close/Last,Volume,Open,High,Low",
    "alpha vantage": "timestamp,1. open,2. high,3. low,4. close,5. volume",
    "quandl": "Date,Open,High,Low,Settle,Volume",
    "yahoo": "Date,Open,High,Low,Close,Volume",
    "investing": "Date,Price,Open,High,Low,Vol.,Change %",
    "ariva": "Datum,Erster,Hoch,Tief,Schlusskurs,Stuecke,Volumen",
    "bloomberg": "Dates,PX_LAST,PX_VOLUME",
    "nse": "Date,Open Price,High Price,Low Price,Close Price,Total Traded Quantity",
    "refinitiv": "Date,TRDPRC_1,HIGH_1,LOW_1,OPEN_PRC,ACVOL_UNS",
    "stooq in polish": "Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie,Wolumen",
    "french": "Date,Ouverture,Plus haut,Plus bas,Clôture,Volume",
    "chinese": "日期,开盘,最高,最低,收盘,成交量",
    "fund": "Date,NAV,Shares Outstanding,AUM",
    "indicators": "Date,Close,SMA20,RSI",
    "fred": "DATE,VALUE",
    "one": "Date,Close",
}


@pytest.mark.parametrize("vendor", BARS)
def test_bars_of_one_asset_want_its_name(tmp_path: Path, vendor: str) -> None:
    names = BARS[vendor].split(",")
    rows = [
        names,
        *([f"2024-01-{day:02}", *(str(100 * place + day) for place in range(1, len(names)))] for day in (2, 3)),
    ]
    file = write(tmp_path, rows, "csv")
    with pytest.raises(DataError, match=r"bars of one asset .* say symbol_name='NAME', .*wide=True"):
        read_observations(file, Options())
    place = next(
        i
        for i, n in enumerate(names)
        if re.search("close|last|settle|^price|prc_1|kurs|value|zamk|clôt|收盘|nav", n.lower())
    )
    expected = {(date(2024, 1, day), "XYZ"): 100.0 * place + day for day in (2, 3)}
    assert read_back(read_observations(file, Options(symbol_name="XYZ"))) == expected
    assert {s for _, s in read_back(read_observations(file, Options(wide=True)))} == set(names[1:])


@pytest.mark.parametrize("names", ["OPEN,LOW,AAA", "VOLT,CLOSER", "US_HIGH,EU_LOW", "LAST_MILE", "MAX,SAP", "O,L,C"])
def test_tickers_that_only_sound_like_fields_are_symbols(tmp_path: Path, names: str) -> None:
    symbols = names.split(",")
    rows = [["Date", *symbols], ["2024-01-02", *("5" for _ in symbols)]]
    assert {s for _, s in read_back(read_observations(write(tmp_path, rows, "csv"), Options()))} == set(symbols)


def test_flat_names_of_which_only_some_hold_a_field_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path, [["Date", "AAA", "AAA_Volume"], ["2024-01-02", "5", "6"]], "csv")
    with pytest.raises(DataError, match=r"'AAA_Volume' looks like the volume of 'AAA'.*name 'AAA_close'.*wide=True"):
        read_observations(file, Options())


def test_symbols_under_another_name_are_asked_for(tmp_path: Path) -> None:
    rows = [["Date", "Name", "Preis"], *([f"2024-01-0{d}", s, f"{d}"] for d in (2, 3) for s in ("AAA", "BBB"))]
    file = write(tmp_path, rows, "csv")
    with pytest.raises(DataError, match="say symbol='Name', close='Preis'"):
        read_observations(file, Options())
    found = read_back(read_observations(file, Options(symbol="Name", close="Preis")))
    assert found == {(date(2024, 1, d), s): float(d) for d in (2, 3) for s in ("AAA", "BBB")}


def test_nameless_and_empty_columns_are_left_out_and_named(tmp_path: Path) -> None:
    rows = [
        ["Unnamed: 0", "Date", "AAA", "BBB", ""],
        ["0", "2024-01-02", "5", "", ""],
        ["1", "2024-01-03", "6", "", ""],
    ]
    found = read_observations(write(tmp_path, rows, "csv"), Options())
    assert list(read_back(found).values()) == [5.0, 6.0]
    assert found.notes == (
        "left out: 'Unnamed: 0', '(no name)', which only counts rows or is empty",
        "no price in 'BBB'",
    )


def test_short_volumes_are_lengthened(tmp_path: Path) -> None:
    rows = [
        ["Date", "symbol", "Price", "Vol."],
        *([f"2024-01-0{i}", "A", "5", v] for i, v in enumerate("1.5M 20K 3B 7 -".split(), 1)),
    ]
    found = read_observations(write(tmp_path, rows, "csv"), Options())
    assert found.fields["volume"][:4].tolist() == [1.5e6, 2e4, 3e9, 7.0]


@pytest.mark.parametrize("tickers", [["VALUE", "LAST"], ["NAV", "AAA"], ["OPEN", "PRICE", "LOW"]])
@pytest.mark.parametrize("turned", [False, True])
def test_tickers_that_are_words_for_a_close_stay_tickers(tmp_path: Path, tickers: list[str], turned: bool) -> None:
    """Three header rows as yfinance writes them, in both orders."""
    pairs = [(field, ticker) for field in ("Close", "High", "Volume") for ticker in tickers]
    heads = [["Price", *(field for field, _ in pairs)], ["Ticker", *(ticker for _, ticker in pairs)]]
    values = ["2024-01-02", *(str(place) for place in range(1, len(pairs) + 1))]
    rows = [*(heads[::-1] if turned else heads), ["Date", *("" for _ in pairs)], values]
    found = read_observations(write(tmp_path, rows, "csv"), Options())
    assert read_back(found) == {(date(2024, 1, 2), ticker): place for place, ticker in enumerate(tickers, 1)}
    assert sorted(found.fields) == ["close", "high", "volume"]


def test_what_no_market_has_is_noted(tmp_path: Path) -> None:
    rows = [["Date", "AAA"], ["0001-01-01", "1e-300"], ["2024-01-02", "1e300"], ["9999-12-31", "1"]]
    assert read_observations(write(tmp_path, rows, "csv"), Options()).notes == (
        "dates reach from 0001-01-01 to 9999-12-31, beyond 1800-01-01 or 2100-01-01",
        "closes reach from 1e-300 to 1e+300, beyond 1e-09 or 1e+12",
    )
    rows = [["Date", "AAA"], ["1800-01-01", "1e-9"], ["2100-01-01", "1e12"]]
    assert read_observations(write(tmp_path, rows, "csv"), Options()).notes == ()
