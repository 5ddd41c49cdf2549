"""Price files: what is written here is read, corrected, kept up and lost as what DuckLake writes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from metabt.lakehouse import attach, ingest
from metabt.lakehouse.catalog import added_files, transaction
from metabt.lakehouse.catalog.schema import SCHEMA
from metabt.lakehouse.folder.orphans import META
from metabt.lakehouse.ingestion import first_prices
from metabt.lakehouse.maintenance import upkeep
from metabt.lakehouse.prices import price_files
from metabt.lakehouse.soundness import check_lakehouse
from tests.lakehouse.conftest import state

FEW = first_prices.MANY
"""Rows from which on files are written, before the tests change it."""


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_prices, "MANY", 0)


def long_rows(
    seed: int, n_symbols: int, n_sessions: int, begin: str, gaps: float = 0.0, bars: bool = False
) -> pd.DataFrame:
    """Return random long rows in no order, with as many gaps as said, and with bars where asked for."""
    rng = np.random.default_rng(seed)
    days = np.datetime64(begin) + np.cumsum(rng.integers(1, 4, n_sessions))
    symbols = [f"{'xÄ .'[place % 4]}{place:03}" for place in rng.permutation(n_symbols)]
    rows = pd.MultiIndex.from_product([days.astype("M8[s]"), symbols], names=["date", "symbol"]).to_frame(index=False)
    rows["close"] = rng.uniform(20.0, 30.0, len(rows)).round(2)
    if bars:
        rows["high"] = np.where(rng.random(len(rows)) < 0.5, rows["close"] + 1, np.nan)
        rows["volume"] = np.where(rng.random(len(rows)) < 0.9, rng.integers(0, 9, len(rows)), np.nan)
    kept = rows[rng.random(len(rows)) >= gaps]
    return kept.sample(frac=1.0, random_state=seed)


KINDS = {
    "gaps": long_rows(1, 7, 500, "2019-03-01", gaps=0.3, bars=True),
    "whole, with bars": long_rows(2, 9, 400, "2018-12-20", bars=True),
    "one symbol": long_rows(3, 1, 900, "1999-06-01", gaps=0.1),
    "two sessions, a turn of the year": long_rows(4, 30, 2, "2020-12-30", bars=True),
    "many years, long ago": long_rows(5, 2, 2500, "1789-07-14", gaps=0.5),
    "dates of a time zone": long_rows(6, 3, 300, "2021-01-01", gaps=0.1).assign(
        date=lambda rows: rows["date"].dt.tz_localize("Asia/Tokyo")
    ),
}


def tables(lake: Path, but: tuple[str, ...] = ("files",)) -> dict[str, list[tuple]]:
    """Return the rows of every table, in order, without what differs from one ingestion to the next."""
    with attach(lake, read_only=True) as con:
        names = {name: [f'"{it}"' for it in SCHEMA[name] if it != "ingested_at"] for name in SCHEMA if name not in but}
        return {
            name: con.execute(
                f"SELECT {', '.join(columns)} FROM {name}{' ORDER BY ALL' * (name != 'prices')}"
            ).fetchall()
            for name, columns in names.items()
        }


def catalogued(lake: Path) -> list[tuple]:
    """Return what the catalogue knows of the files of prices: folder, rows, partition, extent; that none is mapped."""
    sql = f"""
    SELECT regexp_replace(f.path, '[^/]*$', ''), f.path_is_relative, f.record_count, f.row_id_start, f.mapping_id,
      f.partition_id, s.column_id, s.value_count, s.null_count, s.min_value, s.max_value
    FROM {META}.ducklake_data_file f JOIN {META}.ducklake_file_column_stats s USING (data_file_id)
    WHERE f.end_snapshot IS NULL AND f.path LIKE 'dataset=%' ORDER BY ALL"""
    values = f"""
    SELECT regexp_replace(path, '[^/]*$', ''), partition_key_index, partition_value FROM {META}.ducklake_data_file
    JOIN {META}.ducklake_file_partition_value USING (data_file_id) ORDER BY ALL"""
    with attach(lake, read_only=True) as con:
        rows = con.execute(sql).fetchall()
        return [tuple(_plain(cell) for cell in row) for row in rows] + con.execute(values).fetchall()


def _plain(cell: object) -> object:
    return "0.0" if cell == "-0.0" else cell  # as Parquet has the least of numbers from 0 on


def inserted(monkeypatch: pytest.MonkeyPatch, lake: Path, rows: pd.DataFrame) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(first_prices, "MANY", FEW)
        ingest(lake, "d", rows)


@pytest.mark.parametrize("group", [price_files.GROUP, 100])
@pytest.mark.parametrize("kind", KINDS)
def test_files_hold_what_ducklake_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, group: int
) -> None:
    monkeypatch.setattr(first_prices, "GROUP", group)
    monkeypatch.setattr(price_files, "GROUP", group)
    assert len(KINDS[kind]) < FEW
    inserted(monkeypatch, tmp_path / "inserted", KINDS[kind])
    ingest(tmp_path / "written", "d", KINDS[kind])
    assert tables(tmp_path / "written") == tables(tmp_path / "inserted")
    assert catalogued(tmp_path / "written") == catalogued(tmp_path / "inserted")
    assert check_lakehouse(tmp_path / "written").faults == []
    for file in (tmp_path / "written").rglob("year=*/*.parquet"):
        sizes = duckdb.sql(f"SELECT row_group_num_rows FROM parquet_metadata('{file}')").fetchall()
        assert max(sizes) <= (group,)


def test_what_comes_later_comes_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = KINDS["gaps"].sort_values(["date", "symbol"])
    half = rows[: len(rows) // 2]
    lakes = [tmp_path / "written", tmp_path / "inserted"]
    ingest(lakes[0], "d", half)
    inserted(monkeypatch, lakes[1], half)
    changed = half.assign(close=half["close"] + (np.arange(len(half)) % 5 == 0))
    steps: list[Callable[[Path], object]] = [
        lambda lake: ingest(lake, "d", rows[len(rows) // 2 :]),
        lambda lake: ingest(lake, "d", changed),
        lambda lake: upkeep(lake).merged > 0,
        lambda lake: ingest(lake, "d", half[half["symbol"] != half["symbol"].iloc[0]][::2], replace=True),
        lambda lake: ingest(lake, "d", half),
        lambda lake: upkeep(lake).lost_runs,
    ]
    for step in steps:
        answers = [step(lake) for lake in lakes]
        assert answers[0] == answers[1]
        found = [tables(lake) for lake in lakes]
        assert sorted(found[0].pop("prices")) == sorted(found[1].pop("prices"))
        assert found[0] == found[1]
        assert check_lakehouse(lakes[0]).faults == []


def test_dates_choose_the_files_that_are_read(tmp_path: Path) -> None:
    ingest(tmp_path, "d", KINDS["one symbol"])
    with attach(tmp_path, read_only=True) as con:
        years = con.execute("SELECT count(DISTINCT year(date)) FROM prices").fetchall()[0][0]
        for where, n_files in [("date BETWEEN '2000-01-01' AND '2000-12-31'", 1), ("dataset = 'd'", years)]:
            told = con.execute(f"EXPLAIN ANALYZE SELECT sum(close) FROM prices WHERE {where}").fetchall()[0][1]
            assert f"Total Files Read: {n_files}" in " ".join(told.replace("│", " ").split())


@pytest.mark.parametrize("above", ["dataset=other/symbol=x", "year=1999/close=1", "a[b]*? 'c'"])
def test_a_lakehouse_may_lie_and_be_moved_anywhere(tmp_path: Path, above: str) -> None:
    ingest(tmp_path / "lake", "d", KINDS["gaps"])
    before = tables(tmp_path / "lake")
    place = tmp_path / above
    place.mkdir(parents=True)
    shutil.move(tmp_path / "lake", place)
    assert tables(place / "lake") == before and check_lakehouse(place / "lake").faults == []
    ingest(place / "new", "d", KINDS["gaps"])
    ingest(place / "lake", "e", KINDS["gaps"])
    assert tables(place / "new") == before
    assert len(tables(place / "lake")["prices"]) == 2 * len(before["prices"])


@pytest.mark.parametrize("name", ["NULL", "null", "__HIVE_DEFAULT_PARTITION__", "1", "2020-01-01", "a.b-c_d", "true"])
def test_datasets_may_be_called_anything(tmp_path: Path, name: str) -> None:
    ingest(tmp_path, name, KINDS["gaps"])
    with attach(tmp_path, read_only=True) as con:
        found = con.execute(f"SELECT dataset, count(*) FROM prices WHERE dataset = '{name}' GROUP BY ALL").fetchall()
        (values,) = con.execute(
            f"SELECT list(DISTINCT partition_value) FROM {META}.ducklake_file_partition_value "
            "WHERE partition_key_index = 0"
        ).fetchall()
    assert found == [(name, len(KINDS["gaps"]))] and values == ([name],)


def test_who_is_killed_after_the_commit_leaves_the_rest_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = tmp_path / "lake"
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "take_over", lambda con, root: None)
        ingest(lake, "d", KINDS["gaps"])
    before = tables(lake)
    assert (lake / added_files.ADDED).exists() and check_lakehouse(lake).faults == []
    assert any(row[4] is not None for row in catalogued(lake) if len(row) > 4)
    ingest(lake, "e", KINDS["one symbol"])
    assert not (lake / added_files.ADDED).exists()
    (tmp_path / "dataset=other").mkdir()
    shutil.move(lake, tmp_path / "dataset=other")
    found = tables(tmp_path / "dataset=other" / "lake")["prices"]
    assert [row for row in found if row[0] == "d"] == before["prices"]


STOPPED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from metabt.lakehouse import ingest
from metabt.lakehouse.ingestion import first_prices
from tests.lakehouse.prices.test_price_files import KINDS

first_prices.MANY, first_prices.GROUP = 0, 100
told = []

def progress(done, rows, dataset):
    told.append(done)
    if len(told) == 5:
        os.kill(os.getpid(), int(sys.argv[2]))

ingest(sys.argv[1], "stopped", KINDS["gaps"], row_progress=progress)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_who_is_stopped_leaves_nothing_that_is_seen(tmp_path: Path, number: signal.Signals) -> None:
    ingest(tmp_path, "d", KINDS["one symbol"])
    before, files = state(tmp_path), set((tmp_path / "data").rglob("*.parquet"))
    stopped = subprocess.run(
        [sys.executable, "-c", STOPPED, str(tmp_path), str(int(number))], check=False, timeout=120, capture_output=True
    )
    assert stopped.returncode == (-number if number == signal.SIGKILL else -signal.SIGINT)
    left = set((tmp_path / "data").rglob("*.parquet")) - files
    assert bool(left) == (number == signal.SIGKILL)
    assert state(tmp_path) == before and check_lakehouse(tmp_path).faults == []
    ingest(tmp_path, "e", KINDS["one symbol"])
    assert not any(file.exists() for file in left) and not list(tmp_path.glob("writer.[!l]*"))
    assert ingest(tmp_path, "stopped", KINDS["gaps"]).added == len(KINDS["gaps"])


FULL = """
import resource, sys
from metabt.errors import StoreError
from metabt.lakehouse import ingest
from metabt.lakehouse.ingestion import first_prices
from tests.lakehouse.prices.test_price_files import KINDS

first_prices.MANY = 0
inside = first_prices.write_files

def write(*arguments):
    resource.setrlimit(resource.RLIMIT_FSIZE, (9000, resource.RLIM_INFINITY))
    try:
        inside(*arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

first_prices.write_files = write
try:
    ingest(sys.argv[1], "full", KINDS["gaps"])
except StoreError as error:
    print(error)
"""


def test_a_full_disk_is_one_error_and_leaves_nothing(tmp_path: Path) -> None:
    ingest(tmp_path, "d", KINDS["one symbol"])
    before, files = state(tmp_path), set((tmp_path / "data").rglob("*.parquet"))
    full = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], check=True, timeout=120, capture_output=True, text=True
    )
    assert full.stdout.count("\n") == 1 and f"lakehouse '{tmp_path}'" in full.stdout
    assert os.strerror(27) in full.stdout and not full.stderr
    assert state(tmp_path) == before and set((tmp_path / "data").rglob("*.parquet")) == files


def test_what_an_observer_raises_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    def progress(done: int, rows: int, dataset: str) -> None:
        raise BrokenPipeError("nobody listens")

    with pytest.raises(BrokenPipeError, match="nobody listens"):
        ingest(tmp_path, "d", KINDS["gaps"], row_progress=progress)
    assert not list((tmp_path / "data").rglob("*.parquet"))
    assert tables(tmp_path)["prices"] == []
