"""Panels here: composing reads nothing, what is left out is not read, and nobody sees what comes later."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import metabt
from metabt import Panel, Sheet, open_panel
from metabt.errors import ConfigError, DataError, StoreError
from metabt.lakehouse import attach, ingest, load_prices
from tests.shared.panels import random_walk
from tests.shared.sheets import SYMBOLS, bars, leaky, moving_sum, same


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("panel") / "lake"
    ingest(path, "stocks", bars())
    return path


@pytest.fixture
def lake(shared: Path, tmp_path: Path) -> Path:
    """Return a lakehouse that the test may spoil."""
    return Path(shutil.copytree(shared, tmp_path / "lake"))


def test_divisions_are_the_first_sessions_of_years_and_the_last_session() -> None:
    panel = open_panel(bars())
    assert panel.npartitions == len(panel.partitions) == 4
    wanted = ["2018-06-01", "2019-01-01", "2020-01-01", "2021-01-01", "2021-11-11"]
    assert [str(day) for day in panel.divisions] == wanted
    assert [str(part.divisions[0]) for part in panel.partitions] == wanted[:-1]
    assert [str(day) for day in panel.between("2019-03-02", "2020-02-01").divisions] == [
        *("2019-03-04", "2020-01-01", "2020-01-31"),
    ]
    assert (panel.symbols, panel.fields) == (tuple(SYMBOLS), ("close", "returns", "volume"))
    assert repr(panel["close"]) == (
        "Panel(2018-06-01 .. 2021-11-11: 900 sessions in 4 partitions; symbols: 4; fields: close)"
    )
    assert "symbols: as computed" in repr(panel.map_partitions(lambda sheet: sheet))


def test_fields_are_those_of_pandas(shared: Path) -> None:
    frame = bars()
    panel = open_panel(shared)
    close = panel.to_pandas("close")
    assert close.index.equals(frame.index.as_unit("ns")) and close.columns.tolist() == SYMBOLS
    np.testing.assert_array_equal(close, frame["Close"])
    returns = frame["Close"].ffill().pct_change(fill_method=None).where(frame["Close"].notna(), 0.0).fillna(0.0)
    np.testing.assert_allclose(panel["returns"].to_pandas(), returns, rtol=0, atol=1e-15)
    picked = panel.select(["DD", "AA"])["volume", "close"].between("2019-02-01", np.datetime64("2019-02-28")).compute()
    np.testing.assert_array_equal(picked["volume"], frame["Volume"].loc["2019-02", ["AA", "DD"]])
    assert (picked.symbols, list(picked.fields)) == (("AA", "DD"), ["volume", "close"])


def test_overlap_is_what_pandas_rolls(shared: Path) -> None:
    panel = open_panel(shared)["returns"]
    total = panel.map_overlap(moving_sum(60), before=59)
    wanted = panel.to_pandas().rolling(60).sum()
    np.testing.assert_allclose(total.to_pandas("total"), wanted, rtol=0, atol=1e-12)
    unseen = panel.map_partitions(moving_sum(60)).to_pandas()
    assert unseen.loc["2020"].isna().all(axis=1).sum() == 59  # without an overlap every year begins anew


def test_the_returns_of_a_cut_are_those_of_the_whole(shared: Path) -> None:
    panel = open_panel(shared)
    whole = panel.compute()
    for start, stop in [(0, 3), (200, 420), (153, 154), (415, 900)]:
        part = panel.between(whole.dates[start], whole.dates[stop - 1])
        assert same(part.compute(), whole.rows(slice(start, stop)))
        assert same(part.map_partitions(lambda sheet: sheet).compute(), whole.rows(slice(start, stop)))


def test_composing_reads_nothing(lake: Path) -> None:
    panel = open_panel(lake)
    called = []
    shutil.rmtree(lake / "data" / "main" / "prices")
    mapped = panel["returns"].map_overlap(lambda sheet: called.append(sheet) or sheet, before=20)  # type: ignore[func-returns-value]
    chosen = mapped.between("2019-05-01").partitions[-2:].select(["AA"])
    assert str(chosen.divisions[0]) == "2020-01-01" and repr(chosen) and not called
    with pytest.raises(StoreError, match="cannot be read"):
        chosen.compute()


@pytest.mark.parametrize(
    ("fields", "before", "needed"),
    [
        ("close", 0, {2019, 2020}),  # digests of a year cover the prices that it was entered with
        ("close", 5, {2018, 2019, 2020}),
        ("close", 300, {2018, 2019, 2020}),
        ("returns", 0, {2019, 2020}),  # what the first return of the year starts from
    ],
)
@pytest.mark.parametrize("map_first", [False, True])
def test_files_of_other_years_are_not_opened(
    lake: Path, fields: str, before: int, needed: set[int], map_first: bool
) -> None:
    panel = open_panel(lake)[fields]
    mapped = panel.map_overlap(lambda sheet: sheet.derive(x=sheet[fields] * 2), before=before)
    chosen = mapped.between("2020-02-01", "2020-03-31") if map_first or before else panel.between("2020-02", "2020-03")
    wanted = chosen.compute()
    years = {int(folder.name[-4:]) for folder in lake.rglob("year=*")}
    assert years == {2018, 2019, 2020, 2021}
    for year in years - needed:
        (folder,) = lake.rglob(f"year={year}")
        shutil.rmtree(folder)
    assert same(chosen.compute(), wanted)
    for year in needed:
        (folder,) = lake.rglob(f"year={year}")
        shutil.rmtree(folder)
        with pytest.raises(StoreError, match="cannot be read"):
            chosen.compute()


def test_columns_that_nobody_wants_are_not_read(lake: Path) -> None:
    wanted = open_panel(lake)["close", "returns"].compute()
    for file in (lake / "data" / "main" / "prices").rglob("*.parquet"):
        group = pq.ParquetFile(file).metadata.row_group(0)
        (volume,) = [group.column(i) for i in range(group.num_columns) if group.column(i).path_in_schema == "volume"]
        content = bytearray(file.read_bytes())
        first = min(volume.data_page_offset, volume.dictionary_page_offset or volume.data_page_offset)
        content[first : first + volume.total_compressed_size] = b"\xff" * volume.total_compressed_size
        file.write_bytes(content)
    panel = open_panel(lake)
    assert same(panel["close", "returns"].compute(), wanted)
    with pytest.raises(StoreError):
        panel["volume"].compute()


def test_only_chosen_symbols_are_asked_for(lake: Path) -> None:
    panel = open_panel(lake, symbols=["CC", "AA", "CC"])
    assert panel.symbols == ("AA", "CC")
    assert same(panel.compute(), open_panel(lake).select(["AA", "CC"]).compute())
    read, *_ = panel.select(["CC"]).plan.recipe(1).args  # type: ignore[attr-defined]
    assert read().symbols == ("CC",)


def test_a_panel_stays_as_it_was_when_more_is_ingested(lake: Path) -> None:
    panel = open_panel(lake)
    before = panel.compute()
    ingest(lake, "stocks", bars()["Close"] * 2)
    ingest(lake, "stocks", random_walk(9, pd.bdate_range("2021-12-01", periods=50), SYMBOLS))
    assert same(panel.compute(), before)
    assert len(open_panel(lake).plan.dates) == 950


def test_a_function_is_never_shown_a_later_session(shared: Path) -> None:
    shown: list[tuple[np.datetime64, np.datetime64, int]] = []

    def look(sheet: Sheet) -> Sheet:
        for array in sheet.fields.values():
            base = array if array.base is None else array.base
            ends = [whole.ctypes.data + whole.nbytes for whole in (array, base)]
            assert base.base is None and ends[0] == ends[1]  # no later session hides behind what it is handed
        shown.append((sheet.dates[0], sheet.dates[-1], len(sheet.dates)))
        return sheet

    for prices in (shared, bars()):
        open_panel(prices).between("2020-02-01", "2020-06-30").map_partitions(look).compute()
        shown.clear()
        panel = open_panel(prices)["close", "returns"]
        panel.map_overlap(look, before=30).compute()
        own = [len(part.plan.dates) for part in panel.partitions]
        assert [size for _, _, size in shown] == [own[0], *(size + 30 for size in own[1:])]
        assert [last for _, last, _ in shown] == [part.divisions[-1] for part in panel.partitions]


def test_later_prices_change_nothing_before_them() -> None:
    prices = bars()["Close"]
    for change in (prices.iloc[:700], pd.concat([prices.iloc[:700], prices.iloc[700:] * 3])):
        one, other = (
            open_panel(p)["returns"].map_overlap(moving_sum(20), before=19).compute().rows(slice(0, 700))
            for p in (prices, change)
        )
        assert same(one, other)


def test_a_function_that_looks_ahead_inside_its_partition_is_caught() -> None:
    panel = open_panel(bars())
    honest = panel.map_overlap(moving_sum(20), before=19)
    honest.check_causal(40)
    honest.select(["BB"]).between("2019-02-02").map_partitions(lambda sheet: sheet).check_causal()
    with pytest.raises(DataError, match=r"field 'demeaned' of AA on \d.* when later sessions are taken away"):
        panel.map_partitions(leaky).check_causal()
    with pytest.raises(DataError, match="looks ahead"):
        panel.map_overlap(leaky, before=5)["demeaned"].select(["CC"]).between("2019-06-01").check_causal()


def test_persisted_partitions_are_not_computed_again() -> None:
    calls: list[int] = []

    def count(sheet: Sheet) -> Sheet:
        calls.append(len(sheet.dates))
        return sheet

    kept = open_panel(bars())["close"].map_partitions(count).persist()
    assert len(calls) == 4
    assert same(kept.compute(), open_panel(bars())["close"].compute())
    assert same(kept.between("2020-01-01").compute(), open_panel(bars())["close"].between("2020-01-01").compute())
    assert len(calls) == 4


def test_sheets_come_one_at_a_time() -> None:
    calls: list[int] = []

    def count(sheet: Sheet) -> Sheet:
        calls.append(len(sheet.dates))
        return sheet

    sheets = open_panel(bars()).map_partitions(count).sheets()
    assert not calls
    next(sheets)
    assert len(calls) == 1


def test_a_sheet_cannot_be_changed() -> None:
    sheet = open_panel(bars()).compute()
    for array in (sheet.dates, sheet["close"], sheet.rows(slice(3, 9))["returns"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]


def test_functions_may_return_other_symbols() -> None:
    market = open_panel(bars())["returns"].map_partitions(
        lambda s: Sheet(s.dates, ("market",), {"mean": s["returns"].mean(axis=1, keepdims=True)})
    )
    assert market.to_pandas().columns.tolist() == ["market"]
    with pytest.raises(ConfigError, match="panel has no symbol 'AA'; known: market"):
        market.select(["AA"]).compute()


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda p: p.select(["AB"]), ConfigError, "no symbol 'AB'; known: AA, BB"),
        (lambda p: p.select([]), ConfigError, "no symbol chosen"),
        (lambda p: p["clos"], ConfigError, "no field 'clos'; did you mean 'close'"),
        (lambda p: p.between("2030"), ConfigError, "no session between 2030 and its end; it has 900 from 2018-06-01"),
        (lambda p: p.between("2020", "2019"), ConfigError, "no session between 2020 and 2019"),
        (lambda p: p.between("soon"), ConfigError, "'soon' is no date; wanted one such as 2020-12-31"),
        (lambda p: p.partitions[4], ConfigError, r"4 partitions, and \[4\] chooses 0"),
        (lambda p: p.partitions[::2], ConfigError, r"\[::2\] chooses 2 of them; wanted one or more consecutive"),
        (lambda p: p.map_overlap(leaky, before=-1), ConfigError, "before is -1 sessions, wanted 0 or more"),
        (lambda p: p.map_partitions(lambda s: s["close"]).compute(), DataError, "returned a ndarray .* wanted a Sheet"),
        (
            lambda p: p.map_overlap(lambda s: s.rows(slice(10, None)), before=10).partitions[1].compute(),
            DataError,
            "'.*<lambda>' returned 261 sessions for partition 2019, wanted the 271 .*10 before .* own 261.*NaN where",
        ),
        (lambda p: p.map_partitions(lambda s: s.derive(x=s["close"][1:])).compute(), DataError, "field 'x' is "),
        (lambda p: p.map_partitions(lambda s: s.derive(x=s["close"] > 1)).compute(), DataError, "of bool, wanted"),
        (
            lambda p: p.map_partitions(lambda s: s.derive(**{f"y{s.dates[0]}": s["close"]})).compute(),
            DataError,
            "must return the same symbols and fields for every partition",
        ),
        (lambda p: p.to_pandas("x"), ConfigError, "no field 'x'"),
        (lambda p: p.to_pandas(), ConfigError, "a frame holds one field, and there are close, returns, volume"),
    ],
)
def test_what_is_wrong_is_said(wrong: Callable[[Panel], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        wrong(open_panel(bars()))


def test_which_dataset_is_said_where_there_are_several(lake: Path) -> None:
    frame = bars()["Close"]
    assert open_panel({"a": frame, "b": frame * 2}, "b").npartitions == 4
    with pytest.raises(ConfigError, match="2 datasets: a, b; name one"):
        open_panel({"a": frame, "b": frame})
    with pytest.raises(ConfigError, match="no dataset 'stock' in these prices; did you mean 'stocks'"):
        open_panel(lake, "stock")
    with pytest.raises(ConfigError, match="dataset 'stocks' has no symbol 'ZZ'"):
        open_panel(lake, symbols=["ZZ"])
    with pytest.raises(ConfigError, match="engine is 'rai'; did you mean 'ray'"):
        open_panel(frame, engine="rai")


def test_prices_are_taken_as_they_are(lake: Path) -> None:
    with attach(lake, read_only=True) as con:
        prices = load_prices(con, {"stocks": None})["stocks"]
    assert same(open_panel(prices).compute(), open_panel(lake).compute())
    assert metabt.open_panel is open_panel
