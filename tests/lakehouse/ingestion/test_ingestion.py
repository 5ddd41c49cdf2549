"""Ingestion writes what is new, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from metabt.data.prices import Prices
from metabt.errors import DataError
from metabt.lakehouse import IngestReport, attach, ingest, load_prices
from metabt.lakehouse.ingestion.column_layout import read_observations
from metabt.lakehouse.ingestion.ingestion import Storing, store
from metabt.lakehouse.ingestion.options import Options
from tests.lakehouse.conftest import same, state, wide
from tests.shared.digests import panel_digest, stored_digests

Con = duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Con]:
    """Return a writable connection to an empty lakehouse."""
    with attach(tmp_path_factory.mktemp("ingest"), create=True) as opened:
        opened.execute("SET threads = 1")  # many small statements
        yield opened


@pytest.fixture
def inside(con: Con) -> Iterator[Con]:
    """Return the connection within a transaction that is rolled back."""
    con.execute("BEGIN")
    yield con
    con.execute("ROLLBACK")


def put(con: Con, frame: pd.DataFrame, dataset: str = "d", **how: bool | None) -> IngestReport:
    return store(con, dataset, "frame", read_observations(frame, Options()), Storing(**how))


def panel(frame: pd.DataFrame, volume: pd.DataFrame | None = None, closed: bool = False) -> Prices:
    """Return the panel of a wide frame, built in memory."""
    frame = frame.sort_index()[sorted(frame.columns)].dropna(how="all")
    dates = frame.index.to_numpy().astype("datetime64[D]")
    shares = None if volume is None else volume.reindex_like(frame).where(frame.notna()).to_numpy(copy=True)
    return Prices("d", dates, tuple(frame.columns), frame.to_numpy(copy=True), shares, closed)


def bars(close: pd.DataFrame, volume: pd.DataFrame) -> pd.DataFrame:
    return pd.concat({"Close": close, "Volume": volume}, axis=1)


def assert_stored(con: Con, expected: Prices) -> None:
    """Check that the dataset is `expected` to the bit, and that its digests say so."""
    found = load_prices(con, {"d": None})["d"]
    assert found.symbols == expected.symbols
    assert same(found.dates, expected.dates)
    assert same(found.close, expected.close)
    assert same(found.volume, expected.volume)
    assert stored_digests(con, {"d": None}) == {"d": panel_digest(expected)}


prices = st.one_of(st.floats(1e-300, 1e300), st.sampled_from([1.0, 2.0]), st.just(np.nan))
days = st.dates(date(1969, 12, 28), date(1972, 1, 5))


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Return a wide frame with dates in any order, gaps, and at least one price."""
    dates = draw(st.lists(days, min_size=1, max_size=12, unique=True))
    symbols = draw(st.lists(st.sampled_from(["A", "b", "x'y", "É", "0"]), min_size=1, max_size=4, unique=True))
    size = len(dates) * len(symbols)
    cells = np.array(draw(st.lists(prices, min_size=size, max_size=size))).reshape(len(dates), len(symbols))
    cells[draw(st.integers(0, len(dates) - 1)), draw(st.integers(0, len(symbols) - 1))] = 3.0
    return pd.DataFrame(cells, index=pd.DatetimeIndex(dates), columns=symbols)


def merged(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return what is known after `new` was put over `old`."""
    return new.combine_first(old)


@settings(max_examples=12)
@given(frame=frames())
def test_what_goes_in_comes_out(con: Con, frame: pd.DataFrame) -> None:
    con.execute("BEGIN")
    put(con, frame)
    assert_stored(con, panel(frame.dropna(axis=1, how="all")))
    con.execute("ROLLBACK")


@settings(max_examples=12)
@given(first=frames(), second=frames())
def test_corrections_and_additions_equal_a_fresh_lakehouse(con: Con, first: pd.DataFrame, second: pd.DataFrame) -> None:
    con.execute("BEGIN")
    put(con, first)
    try:
        report = put(con, second)
    except DataError as error:
        con.execute("ROLLBACK")
        assert "old scale" in str(error)
        reject()  # corrections by one factor beside other prices are a seam
    expected = merged(first, second)
    assert_stored(con, panel(expected.dropna(axis=1, how="all")))
    assert report.rows_read == report.empty + report.added + report.changed + report.unchanged == second.size
    assert report.added == expected.notna().to_numpy().sum() - first.notna().to_numpy().sum()
    con.execute("ROLLBACK")


def test_the_same_data_again_make_no_snapshot(fresh: Path, watch: Con) -> None:
    frame = wide(50)
    first = ingest(fresh, "d", frame)
    before = state(watch)
    again = ingest(fresh, "d", frame[::-1])
    part = ingest(fresh, "d", frame[["AA"]][10:20])
    assert state(watch) == before
    assert (first.added, first.changed, first.unchanged) == (150, 0, 0)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 150)
    assert (part.added, part.changed, part.unchanged) == (0, 0, 10)
    assert "Nothing new" in str(again) and "Nothing new" not in str(first)
    assert "d: 150 prices added, 0 changed, 0 unchanged (150 read from frame" in str(first)
    assert "3 symbols in 50 sessions, 2019-10-01 to 2019-12-09" in str(first)


def test_each_ingestion_is_one_snapshot_and_one_row(fresh: Path, watch: Con) -> None:
    ingest(fresh, "d", wide(60)[:50])
    number, rows = state(watch)
    ingest(fresh, "d", wide(60))
    assert state(watch)[0] == number + 1
    n_files = len(list((fresh / "data").rglob("*.parquet")))
    assert state(watch)[1] == rows | {"prices": 180, "calendars": 60, "ingests": 2, "files": n_files}
    found = watch.execute("SELECT * EXCLUDE ingested_at FROM ingests ORDER BY ingested_at").fetchall()
    assert found == [
        ("d", "frame", 150, 0, 0, 150, 0, 0, 0, 0, "prices", 0),
        ("d", "frame", 180, 0, 0, 30, 0, 150, 0, 0, "prices", 0),
    ]
    extent = "SELECT * EXCLUDE (calendar, contents, digest) FROM datasets"
    assert watch.execute(extent).fetchall() == [
        ("d", False, None, True, False, None, 3, 60, date(2019, 10, 1), date(2019, 12, 23))
    ]


def test_an_older_snapshot_still_has_the_older_prices(fresh: Path, watch: Con) -> None:
    frame = wide(30)
    ingest(fresh, "d", frame)
    at = watch.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchall()[0][0]
    ingest(fresh, "d", frame * 2)
    ingest(fresh, "e", frame)
    assert same(load_prices(watch, {"d": None}, at=at)["d"].close, frame.to_numpy(copy=True))
    assert same(load_prices(watch, {"d": None})["d"].close, 2 * frame.to_numpy())
    assert stored_digests(watch, {"d": None}, at=at) == {"d": panel_digest(panel(frame))}


def test_a_correction_is_one_row_and_reaches_later_digests(inside: Con) -> None:
    frame = wide(300)
    put(inside, frame)
    sql = "SELECT symbol, partition, digest FROM digests ORDER BY ALL"
    before = inside.execute(sql).fetchall()
    last = frame.index[frame.index.year == 2019][-1]
    report = put(inside, pd.DataFrame({"BB": [1.5]}, index=[last]))
    assert (report.added, report.changed, report.unchanged) == (0, 1, 0)
    differing = {row[:2] for row in set(inside.execute(sql).fetchall()) - set(before)}
    assert differing == {("BB", "2019"), ("BB", "2020")}  # 2020 is entered with the corrected price
    frame.loc[last, "BB"] = 1.5
    assert_stored(inside, panel(frame))


def test_volume_is_stored_and_digested(inside: Con) -> None:
    close, volume = wide(30), (wide(30) * 10).round().mask(np.arange(90).reshape(30, 3) % 5 == 0)
    put(inside, bars(close, volume))
    assert_stored(inside, panel(close, volume))


@pytest.mark.parametrize("without", [None, "BB"])
def test_an_empty_cell_and_a_file_without_a_field_keep_what_is_stored(
    fresh: Path, tmp_path: Path, without: str | None
) -> None:
    """Also where other files, read together with it, have the field."""
    close, volume = wide(30), (wide(30) * 10).round()
    ingest(fresh, "d", bars(close, volume))
    newer = (volume * 3).mask(np.arange(90).reshape(30, 3) % 4 == 1)
    for symbol in close:
        own = pd.DataFrame({"Close": close[symbol], "Volume": newer[symbol]})
        own.drop(columns=["Volume"] * (symbol == without)).to_csv(tmp_path / f"{symbol}.csv", index_label="Date")
    ingest(fresh, "d", [tmp_path / f"{symbol}.csv" for symbol in close])
    if without:
        newer[without] = np.nan
    with attach(fresh, read_only=True) as con:
        found = load_prices(con, {"d": None})["d"]
    assert same(found.volume, newer.combine_first(volume).to_numpy())


def test_volume_that_comes_later_touches_every_symbol(inside: Con) -> None:
    close = wide(30)
    volume = close * [10, np.nan, np.nan]
    put(inside, close)
    put(inside, bars(close[["AA"]], volume[["AA"]]))
    assert_stored(inside, panel(close, volume))
    alone = load_prices(inside, {"d": ("BB",)})["d"]
    assert np.isnan(alone.volume).all()
    assert stored_digests(inside, {"d": ("BB",)}) == {"d": panel_digest(alone)}


def test_an_empty_column_of_volumes_is_none(inside: Con) -> None:
    close, volume = wide(10), wide(10) * 10
    put(inside, bars(close, volume * np.nan))
    assert_stored(inside, panel(close))
    put(inside, bars(close, volume))
    report = put(inside, bars(close, volume * np.nan))
    assert (report.changed, report.unchanged) == (0, 30)
    assert_stored(inside, panel(close, volume))


def test_a_field_that_the_source_does_not_have_stays(inside: Con) -> None:
    close, volume = wide(10), wide(10) * 10
    put(inside, bars(close, volume))
    report = put(inside, close * 2)
    assert (report.changed, report.added) == (30, 0)
    assert_stored(inside, panel(close * 2, volume))


def test_an_empty_close_changes_nothing(inside: Con) -> None:
    frame = wide(10)
    put(inside, frame)
    report = put(inside, frame * [np.nan, 1, 1])
    assert (report.changed, report.unchanged, report.empty) == (0, 20, 10)
    assert_stored(inside, panel(frame))


def test_closed_is_kept_until_it_is_said_otherwise(inside: Con) -> None:
    frame = wide(10)
    put(inside, frame, closed=True)
    assert_stored(inside, panel(frame, closed=True))
    put(inside, frame)
    assert_stored(inside, panel(frame, closed=True))
    put(inside, frame, closed=False)
    assert_stored(inside, panel(frame))


def test_datasets_do_not_mix(inside: Con) -> None:
    one, other = wide(20), wide(25, "2019-09-20", ("BB", "DD")) * 3
    put(inside, one, "d")
    put(inside, other, "other")
    assert_stored(inside, panel(one))
    put(inside, one * 2, "d")
    assert_stored(inside, panel(one * 2))
    assert same(load_prices(inside, {"other": None})["other"].close, other.to_numpy(copy=True))


@pytest.mark.parametrize("symbol", ["x'; drop table prices; --", 'a"b', "../../etc", "=1+1", "$1", "{at}", "%s"])
def test_hostile_symbols_are_data(inside: Con, symbol: str) -> None:
    frame = wide(10, symbols=(symbol, "zz"))
    put(inside, frame)
    assert_stored(inside, panel(frame))
    assert load_prices(inside, {"d": (symbol,)})["d"].symbols == (symbol,)


@pytest.mark.parametrize("dataset", ["..", "-a.b_9" + "x" * 58])
def test_odd_dataset_names_stay_inside(tmp_path: Path, dataset: str) -> None:
    path = tmp_path / "lake"
    ingest(path, dataset, wide(10))
    with attach(path, read_only=True) as con:
        assert same(load_prices(con, {dataset: None})[dataset].close, wide(10).to_numpy(copy=True))
    assert {p.name for p in tmp_path.iterdir()} == {"lake"}
    tables = {"prices", "calendars", "digests", "datasets", "symbols", "ingests", "files", "checks"}
    assert {p.name for p in (path / "data" / "main").iterdir()} <= tables


def test_a_failure_half_way_leaves_nothing(fresh: Path, watch: Con, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(fresh, "d", wide(10))
    before = state(watch)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("metabt.lakehouse.ingestion.ingestion.replace_digests", fail)
    with pytest.raises(KeyboardInterrupt):
        ingest(fresh, "d", wide(20))
    assert state(watch) == before


def test_real_prices_come_back_to_the_bit(inside: Con, sp500: pd.DataFrame) -> None:
    put(inside, sp500)
    assert_stored(inside, panel(sp500))
