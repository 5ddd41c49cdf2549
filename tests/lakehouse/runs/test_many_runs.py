"""Ten thousand runs of a sweep are stored in few files, and listed and compared in no time; seconds are printed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import duckdb
import numpy as np
import pytest

from metabt.lakehouse import attach, commit_runs, find_runs, list_runs, load_run, resolve_run
from metabt.values.tables import Coded, Table
from tests.lakehouse.runs.test_stored_runs import run

pytestmark = pytest.mark.slow

N_RUNS = 10_000
SLEEVES = ("demo", "demo/a", "demo/b")
METRICS = ("sharpe", *(f"metric {i}" for i in range(19)))
DATES = np.datetime64("2020-01-01") + np.arange(12)
BEGIN = datetime(2026, 1, 1)
COMPARISON = (
    "SELECT r.run_id, m.value FROM runs r JOIN metrics m USING (run_id) "
    "WHERE m.metric = 'sharpe' ORDER BY m.value DESC LIMIT 20"
)

Answer = TypeVar("Answer")


def name(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()


def metrics(number: int) -> Table:
    """Return 20 metrics of 3 sleeves; the run's number is in the root's Sharpe ratio."""
    values = np.arange(60.0) / 100 - 1e6
    values[0] = number
    paths = Coded(np.repeat(np.arange(3, dtype=np.int32), 20), SLEEVES)
    return {"path": paths, "metric": Coded(np.tile(np.arange(20, dtype=np.int32), 3), METRICS), "value": values}


def returns(number: int) -> Table:
    names = ("gross", "cost", "net", "turnover", "netting_benefit", "nav")
    values = {column: np.full(12, number + i / 8) for i, column in enumerate(names)}
    return {"path": Coded.constant("demo", 12), "date": DATES, **values}


def sweep_run(number: int) -> tuple[dict[str, object], dict[str, Table]]:
    row = run(name(number)) | {
        "keep": "summary",
        "sweep_id": "sweep",
        "overrides": f'["lookback={number}"]',
        "started_at": BEGIN + timedelta(seconds=number),
        "config": "x" * 4000,
    }
    return row, {"metrics": metrics(number), "returns": returns(number)}


def timed(what: str, work: Callable[[], Answer]) -> Answer:
    best, answer = np.inf, None
    for _ in range(1 if what == "commit" else 3):
        began = time.perf_counter()
        answer = work()
        best = min(best, time.perf_counter() - began)
    print(f"{N_RUNS:,} runs, {what}: {best:.3f} s")
    return answer


@pytest.fixture(scope="module")
def lake(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copytree(template, tmp_path_factory.mktemp("many") / "lake"))
    runs = [sweep_run(number) for number in range(N_RUNS)]
    assert timed("commit", lambda: commit_runs(path, runs)) == N_RUNS
    return path


@pytest.fixture(scope="module")
def con(lake: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with attach(lake, read_only=True) as opened:
        yield opened


def test_the_files_are_few(lake: Path) -> None:
    files = {folder.name: len(list(folder.glob("*.parquet"))) for folder in (lake / "data" / "main").iterdir()}
    assert set(files) == {"runs", "metrics", "returns", "files", "seals"}
    assert max(files.values()) <= 2


def test_they_are_listed(con: duckdb.DuckDBPyConnection) -> None:
    found = timed("list", lambda: list_runs(con))
    assert [row["run_id"] for row in found] == [name(number) for number in reversed(range(N_RUNS))]
    assert timed("list of 20", lambda: list_runs(con, "demo", 20)) == found[:20]
    assert timed("latest", lambda: resolve_run(con, "latest")) == name(N_RUNS - 1)
    assert timed("find", lambda: find_runs(con, map(name, range(-50, N_RUNS)))) == set(map(name, range(N_RUNS)))


def test_they_are_compared(con: duckdb.DuckDBPyConnection) -> None:
    found = timed("compare by SQL", lambda: con.execute(COMPARISON).fetchall())
    assert found == [(name(number), float(number)) for number in range(N_RUNS - 1, N_RUNS - 21, -1)]


@pytest.mark.parametrize("number", [0, 4711, N_RUNS - 1])
def test_one_of_them_is_read(con: duckdb.DuckDBPyConnection, number: int) -> None:
    sql = "SELECT date, net FROM returns WHERE run_id = $1 ORDER BY date"
    found = timed("returns of one", lambda: con.execute(sql, [name(number)]).fetchall())
    assert found == [(day.item(), number + 0.25) for day in DATES]
    row, tables = timed("load one", lambda: load_run(con, name(number)))
    assert row == sweep_run(number)[0]
    assert tables["metrics"]["value"].tolist() == metrics(number)["value"].tolist()
