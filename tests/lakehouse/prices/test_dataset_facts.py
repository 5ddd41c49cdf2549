"""What is known without reading a price is what the prices say."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from metabt.data.prices import Prices, partitions
from metabt.errors import ConfigError, StoreError
from metabt.lakehouse import attach, ingest, load_facts, load_prices, snapshot
from metabt.lakehouse.prices.price_panels import read_prices, read_rows
from tests.lakehouse.conftest import same, wide
from tests.shared.digests import stored_digests

Con = duckdb.DuckDBPyConnection

WANTED = [None, ("AA",), ("AA", "CC"), ("CC", "BB", "CC")]


class Counting:
    """A connection that counts the statements passed to it."""

    def __init__(self, con: Con) -> None:
        self.con = con
        self.statements: list[str] = []

    def execute(self, sql: str, *parameters: object) -> Con:
        self.statements.append(sql)
        return self.con.execute(sql, *parameters)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse with two datasets; the last session of one is a single price, too small for a file."""
    path = tmp_path_factory.mktemp("facts") / "lake"
    ingest(path, "stocks", wide().mask(np.arange(900).reshape(300, 3) % 7 == 3))
    ingest(path, "coins", pd.concat({"Close": wide(40) * 10, "Volume": wide(40)}, axis=1), closed=True)
    ingest(path, "stocks", pd.DataFrame({"BB": [1.5]}, index=pd.DatetimeIndex(["2021-03-01"])))
    return path


@pytest.fixture(scope="module")
def con(lake: Path) -> Iterator[Con]:
    with attach(lake) as opened:
        yield opened


@pytest.mark.parametrize("symbols", WANTED)
def test_facts_are_those_of_the_panel(con: Con, symbols: tuple[str, ...] | None) -> None:
    for name in ("stocks", "coins"):
        known = load_facts(con, {name: symbols})[name]
        panel = read_prices(con, name, tuple(sorted(set(symbols or ("AA", "BB", "CC")))))
        assert (known.name, known.symbols, known.closed) == (name, panel.symbols, name == "coins")
        assert same(known.dates, panel.dates)
        assert known.digests == {(symbol, year, field): digest for symbol, year, field, digest in panel.digests()}
        assert len(known.digests) > 0


def test_a_session_that_is_only_in_the_catalogue_is_one(con: Con, lake: Path) -> None:
    known = load_facts(con, {"stocks": ("AA",)})["stocks"]
    assert not list(lake.rglob("year=2021/*"))
    assert known.dates[-1] == np.datetime64("2021-03-01")
    assert len(known.dates) == 301


def test_several_datasets_cost_as_many_statements_as_one(con: Con) -> None:
    counting = Counting(con)
    known = load_facts(counting, {"stocks": ("AA", "BB"), "coins": None})
    assert list(known) == ["stocks", "coins"]
    assert [len(item.symbols) for item in known.values()] == [2, 3]
    assert len(counting.statements) == 4


def test_no_statement_reads_prices(con: Con) -> None:
    before = load_facts(con, {"stocks": None, "coins": ("BB",)})
    con.execute("BEGIN")
    con.execute("DROP TABLE prices")
    after = load_facts(con, {"stocks": None, "coins": ("BB",)})
    con.execute("ROLLBACK")
    assert [item.digests for item in after.values()] == [item.digests for item in before.values()]


def test_files_of_prices_are_not_opened(lake: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(lake, tmp_path / "lake"))
    shutil.rmtree(path / "data" / "main" / "prices")
    with attach(path, read_only=True) as con:
        at = snapshot(con)
        assert len(load_facts(con, {"stocks": None}, at)["stocks"].dates) == 301
        assert len(stored_digests(con, {"stocks": None, "coins": None}, at)) == 2
        with pytest.raises(StoreError, match="cannot be read"):
            load_prices(con, {"stocks": None}, at)


def test_an_older_snapshot_has_the_older_facts(fresh: Path, watch: Con) -> None:
    ingest(fresh, "d", wide(30))
    then, at = load_facts(watch, {"d": None})["d"], snapshot(watch)
    ingest(fresh, "d", wide(40, symbols=("AA", "DD")) * 2, closed=True)
    now, back = (load_facts(watch, {"d": None}, at)["d"] for at in (None, at))
    assert same(back.dates, then.dates) and len(now.dates) == 40
    assert (back.symbols, back.closed, back.digests) == (then.symbols, False, then.digests)
    assert (now.symbols, now.closed) == (("AA", "BB", "CC", "DD"), True)
    assert now.digests != then.digests
    with pytest.raises(ConfigError, match="dataset 'd' has no symbol 'DD'"):
        load_facts(watch, {"d": ("AA", "DD")}, at)


def test_what_is_not_there_names_the_nearest(con: Con) -> None:
    with pytest.raises(ConfigError, match="no dataset 'stock' in the lakehouse; did you mean 'stocks'"):
        load_facts(con, {"stock": ("AA",)})
    with pytest.raises(ConfigError, match=r"dataset 'stocks' has no symbol 'BBB'"):
        load_facts(con, {"coins": None, "stocks": ("AA", "BBB")})
    with pytest.raises(StoreError, match="snapshot 99 cannot be read.*use a later one"):
        load_facts(con, {"stocks": None}, at=99)


def test_earlier_dates_come_in_order(fresh: Path, watch: Con) -> None:
    frame = wide(60)
    for part in (frame[40:], frame[:20][["BB"]], frame[10:50:7], frame[20:40]):
        ingest(fresh, "d", part)
        stored = watch.execute("SELECT DISTINCT date FROM prices ORDER BY date").fetchnumpy()["date"]
        assert same(load_facts(watch, {"d": None})["d"].dates, stored.astype("datetime64[D]"))
    assert watch.execute("SELECT count(*), count(DISTINCT date) FROM calendars").fetchall() == [(60, 60)]


def some(con: Con, name: str, first: int, last: int) -> Prices:
    known = load_facts(con, {name: None})[name]
    rows = partitions(known.dates)[first : last + 1]
    return read_rows(con, known, slice(rows[0][1].start, rows[-1][1].stop))


@pytest.mark.parametrize(
    ("name", "first", "last"), [("stocks", 0, 0), ("stocks", 1, 1), ("stocks", 0, 1), ("coins", 0, 0)]
)
def test_some_partitions_are_a_slice_of_all(con: Con, name: str, first: int, last: int) -> None:
    whole, found = load_prices(con, {name: None})[name], some(con, name, first, last)
    rows = np.isin(whole.dates, found.dates)
    assert same(found.dates, whole.dates[rows]) and len(found.dates) > 5
    for matrix in ("close", "volume", "returns", "observed"):
        expected = getattr(whole, matrix)
        assert same(getattr(found, matrix), None if expected is None else expected[rows])
    assert (found.symbols, found.closed) == (whole.symbols, whole.closed)


def test_a_symbol_enters_with_its_last_price_however_long_ago(tmp_path: Path) -> None:
    dates = ["2015-03-02", "2016-03-02", "2017-03-02", "2018-03-02", "2019-03-02"]
    frame = pd.DataFrame({"AA": [1.0, 2, 3, 4, 5], "BB": [7.0] + [np.nan] * 3 + [14.0]}, pd.to_datetime(dates))
    frame["CC"] = [np.nan] * 4 + [3.0]
    ingest(tmp_path / "lake", "d", frame)
    with attach(tmp_path / "lake", read_only=True) as con:
        last = some(con, "d", 4, 4)
    assert last.entry is not None
    assert last.entry.tolist()[:2] == [4.0, 7.0] and np.isnan(last.entry[2])
    assert last.returns.tolist() == [[0.25, 1.0, 0.0]]
    assert last.observed.tolist() == [[True, True, False]]


def test_files_of_other_years_are_not_opened(lake: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(lake, tmp_path / "lake"))
    with attach(path, read_only=True) as con:
        expected = some(con, "stocks", 0, 0)
        for folder in [*path.rglob("dataset=stocks/year=2020"), *path.rglob("dataset=coins")]:
            shutil.rmtree(folder)
        found = some(con, "stocks", 0, 0)
        assert same(found.close, expected.close) and len(found.close) > 50
        with pytest.raises(StoreError, match=r"year=2020/.*parquet' is missing"):
            some(con, "stocks", 1, 1)
