"""A lakehouse in a bucket: what is stored there is what a folder would hold, for whoever comes from wherever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import metabt
from metabt.errors import StoreError
from metabt.lakehouse import attach
from metabt.lakehouse.catalog.catalog_location import located
from metabt.lakehouse.maintenance import upkeep
from metabt.lakehouse.soundness import check_lakehouse
from metabt.lakehouse.storage.credentials import PATIENCE
from metabt.lakehouse.storage.place import storage_of
from metabt.runs.sweep import run_sweep
from tests.lakehouse.storage.remote_driver import computed, content, jobs, prices, tree
from tests.shared.object_servers import KEY_ID, READER, SECRET
from tests.shared.postgres_server import Server

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what a lakehouse in a folder holds of the driver's runs."""
    place = str(tmp_path_factory.mktemp("local") / "lake")
    metabt.ingest(prices(), lakehouse=place, dataset="d")
    metabt.backtest(tree(), place)
    run_sweep(jobs(place), place, keep="all")
    metabt.backtest(tree("renamed"), place)
    return content(place)


@pytest.fixture
def place(endpoint: str, signed_in: Server, somewhere: Callable[[], str]) -> Iterator[str]:
    yield somewhere()


def driver(place: str, catalog: str, *fault: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a driver whose machine has nothing of this one's but the environment that names servers."""
    command = [sys.executable, "-m", "tests.lakehouse.storage.remote_driver", place, catalog, *map(str, fault)]
    env = {**os.environ, "TMPDIR": str(folder), "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=240, check=False)


def said(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def names(place: str) -> set[str]:
    return set(storage_of(located(place)).names())


def test_a_run_that_is_stored_there_is_the_one_that_a_folder_holds(
    place: str, signed_in: Server, tmp_path: Path
) -> None:
    folder = str(tmp_path / "lake")
    for where, options in ((folder, {}), (place, {"catalog": signed_in.catalog})):
        metabt.ingest(prices(200), lakehouse=where, dataset="d", **options)
        assert not metabt.backtest(tree(), where).found and metabt.backtest(tree(), where).found
    assert content(place) == content(folder)
    again = metabt.backtest(tree("renamed"), place)
    assert not again.found and again.run_id is not None
    n_computed, n_stages = computed(place, again.run_id)
    assert n_computed == 0 < n_stages


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ["seaweed"], indirect=True)
def test_what_is_stored_is_what_a_folder_holds_and_another_machine_computes_nothing(
    place: str, signed_in: Server, local: dict[str, str], tmp_path: Path
) -> None:
    metabt.ingest(prices(), lakehouse=place, dataset="d", catalog=signed_in.catalog)
    assert not metabt.backtest(tree(), place).found
    run_sweep(jobs(place), place, keep="all")
    # a machine that knows the address alone: which catalogue it has, the prefix says
    found = said(driver(place, signed_in.catalog, folder=tmp_path))
    assert found["found"] and found["renamed"][0] == 0 < found["renamed"][1]
    assert found["runs"] == local == content(place)
    assert not [it for it in tmp_path.rglob("*") if it.is_file() and it.suffix == ".parquet"]
    sound = check_lakehouse(place)
    assert not sound.faults and sound.counts["runs"] == len(local) == 4
    assert {name.partition("/")[0] for name in names(place)} == {"data", ".cache", "catalog.postgres"}


def test_credentials_are_stored_nowhere_and_shown_nowhere(place: str, signed_in: Server) -> None:
    metabt.ingest(prices(200), lakehouse=place, dataset="d", catalog=signed_in.catalog)
    result = metabt.backtest(tree(), place)
    storage = storage_of(located(place))
    texts = [storage.read(name) for name in storage.names()]
    with metabt.connect(place) as con:
        for table in ("runs", "sleeves", "asked"):
            texts.append(repr(con.execute(f"SELECT * FROM {table}").fetchall()).encode())
        for setting in ("s3_secret_access_key", "s3_access_key_id", "s3_session_token"):
            assert con.execute(f"SELECT current_setting('{setting}')").fetchall() == [("",)]
        for refused in ("FROM duckdb_secrets()", f"FROM read_text('{place}/catalog.postgres')"):
            with pytest.raises(StoreError):
                con.execute(refused)
    with attach(place, read_only=True) as con:  # DuckDB's own face, which shows the name of the key alone
        texts.append(repr(con.execute("FROM duckdb_secrets()").fetchall()).replace(KEY_ID, "").encode())
        texts.append(repr(con.execute("FROM duckdb_settings()").fetchall()).encode())
    texts.append("\n".join(signed_in.sql("SELECT query FROM pg_stat_activity")).encode())
    texts.append(result.to_html().encode() if hasattr(result, "to_html") else b"")
    for text in texts:
        assert SECRET.encode() not in text and KEY_ID.encode() not in text


def test_what_is_damaged_or_lost_there_is_named(place: str, signed_in: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PATIENCE, "http_retries", 0)
    metabt.ingest(prices(200), lakehouse=place, dataset="d", catalog=signed_in.catalog)
    storage = storage_of(located(place))
    name = next(it for it in sorted(storage.names()) if it.startswith("data/main/prices/"))
    whole = storage.read(name)
    for damaged in (whole[:-200], bytes(len(whole)), None):
        if damaged is None:
            storage.remove(name)
        else:
            storage.write(name, damaged)
        with pytest.raises(StoreError, match=name.rpartition("/")[2]) as caught:
            metabt.backtest(tree(), place)
        assert "restore it from a copy" in str(caught.value)
        (fault, *_) = check_lakehouse(place).faults
        assert name in fault
    storage.write(name, whole)
    assert not check_lakehouse(place).faults and not metabt.backtest(tree(), place).found


def test_upkeep_merges_files_and_leaves_a_day_to_who_may_read_them(place: str, signed_in: Server) -> None:
    for n_rows in (150, 180, 200):
        metabt.ingest(prices(n_rows), lakehouse=place, dataset="d", catalog=signed_in.catalog)
    before = content_of_prices(place)
    done = upkeep(place)
    assert done.merged <= done.files and done.removed == 0
    assert not check_lakehouse(place).faults and content_of_prices(place) == before
    with attach(place, read_only=True) as con:
        expected = con.execute("SELECT count(*) FROM files").fetchall()[0][0]
    assert expected >= done.merged


def content_of_prices(place: str) -> list[tuple[Any, ...]]:
    with metabt.connect(place) as con:
        rows: list[tuple[Any, ...]] = con.execute("SELECT * FROM prices ORDER BY date, symbol").fetchall()
    return rows


def test_many_rows_are_written_as_files_and_added(
    place: str, signed_in: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("metabt.lakehouse.ingestion.first_prices.MANY", 100)
    folder = str(tmp_path / "lake")
    metabt.ingest(prices(300), lakehouse=place, dataset="d", catalog=signed_in.catalog)
    metabt.ingest(prices(300), lakehouse=folder, dataset="d")
    assert content_of_prices(place) == content_of_prices(folder)
    assert not check_lakehouse(place).faults
    assert not any("writer." in name for name in names(place))
    with attach(place, read_only=True) as con:
        sql = "SELECT count(*) FROM __ducklake_metadata_lake.ducklake_data_file WHERE mapping_id IS NOT NULL"
        assert con.execute(sql).fetchall() == [(0,)]


def test_a_lakehouse_that_is_not_there_or_has_no_catalogue_is_refused_with_the_cure(place: str) -> None:
    for call in (lambda: attach(place), lambda: metabt.connect(place), lambda: metabt.backtest(tree(), place)):
        with pytest.raises(StoreError, match=f"no lakehouse at '{place}'; make one with"):
            call()
    with pytest.raises(StoreError, match="SQLite file, which an object store cannot lock .* name a database"):
        metabt.ingest(prices(100), lakehouse=place, dataset="d")
    assert not names(place)


def test_what_is_left_of_a_catalogue_that_was_lost_is_not_taken_for_a_new_lakehouse(
    place: str, signed_in: Server
) -> None:
    metabt.ingest(prices(100), lakehouse=place, dataset="d", catalog=signed_in.catalog)
    storage = storage_of(located(place))
    storage.remove("catalog.postgres")
    with pytest.raises(StoreError, match="has lost its catalogue"):
        metabt.ingest(prices(100), lakehouse=place, dataset="d", catalog=signed_in.catalog)


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ["seaweed"], indirect=True)
def test_who_may_list_and_get_reads_all_and_is_refused_what_writes(
    place: str, signed_in: Server, tmp_path: Path
) -> None:
    metabt.ingest(prices(200), lakehouse=place, dataset="d", catalog=signed_in.catalog)
    run_id = metabt.backtest(tree(), place).run_id
    before = names(place)
    code = f"""
import metabt, json
from metabt.errors import StoreError
from metabt.lakehouse.soundness import check_lakehouse
from tests.lakehouse.storage.remote_driver import content, prices, tree
place = {place!r}
with metabt.connect(place) as con:
    rows = con.execute("SELECT count(*) FROM prices").fetchall()
found = metabt.load(place, "book").weights.shape
refused = []
ingest = lambda: metabt.ingest(prices(300), lakehouse=place, dataset="d")
for call in (ingest, lambda: metabt.backtest(tree("x"), place)):
    try:
        call()
    except StoreError as error:
        refused.append(str(error))
print(json.dumps([rows, found, check_lakehouse(place).faults, list(content(place)), refused]))
"""
    env = {**os.environ, "AWS_ACCESS_KEY_ID": READER[0], "AWS_SECRET_ACCESS_KEY": READER[1], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    rows, shape, faults, runs, refused = json.loads(done.stdout.splitlines()[-1])
    assert rows == [[600]] and shape[1] == 3 and not faults and runs == [run_id] and names(place) == before
    assert len(refused) == 2 and all("AccessDenied" in it and "credentials" in it for it in refused), refused
    assert READER[1] not in done.stdout + done.stderr


FAULTS = [("measured", 1), ("forget", 2), ("put", 3), ("flush", 0)]


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ["seaweed"], indirect=True)
@pytest.mark.parametrize(("fault", "number"), FAULTS)
def test_of_a_driver_that_is_killed_nothing_is_seen_in_part_and_the_same_command_goes_on(
    place: str, signed_in: Server, local: dict[str, str], tmp_path: Path, fault: str, number: int
) -> None:
    dead = driver(place, signed_in.catalog, fault, number, folder=tmp_path)
    assert dead.returncode == -9, dead.stderr[-2000:]
    if "catalog.postgres" in names(place):
        assert not check_lakehouse(place).faults
        assert content(place).items() <= local.items()
    found = said(driver(place, signed_in.catalog, folder=tmp_path))
    assert found["runs"] == local and not check_lakehouse(place).faults
