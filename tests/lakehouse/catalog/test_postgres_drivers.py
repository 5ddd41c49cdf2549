"""Several drivers, as on several machines, commit to one catalogue at once: nothing is lost or seen in part."""

# ruff: noqa: F401 - what is imported from other tests is run here again, on the other catalogue
from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

import duckdb
import numpy as np
import pytest

from metabt.lakehouse import attach, commit_run, commit_runs, ingest, list_runs, load_run
from metabt.lakehouse.catalog.connection_loss import whole
from metabt.lakehouse.catalog.schema import RUN_TABLES
from tests.lakehouse.conftest import state, wide
from tests.lakehouse.runs import test_many_runs
from tests.lakehouse.runs.test_many_runs import (
    con,
    test_one_of_them_is_read,
    test_the_files_are_few,
    test_they_are_compared,
    test_they_are_listed,
)
from tests.lakehouse.runs.test_stored_runs import (
    assert_same_table,
    run,
    start,
    table,
    test_a_killed_writer_leaves_nothing_and_blocks_nobody,
    test_three_processes_lose_nothing_and_repeat_nothing,
)
from tests.shared.postgres_server import Server

Con = duckdb.DuckDBPyConnection

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("signed_in")]

N_DRIVERS, N_RUNS, N_SHARED, N_SWEEPS, N_IN_SWEEP = 4, 6, 2, 2, 3

DRIVER = """
import metabt
from metabt.config import Job
from metabt.runs.sweep import run_sweep

mine = int(sys.argv[2])
def tree(lookback):
    leaf = {"dataset": "d", "universe": ["AA", "BB", "CC"], "optimizer": "inverse_volatility", "lookback": lookback}
    sleeves = {"a": leaf, "b": {**leaf, "optimizer": "equal"}}
    return {"name": "root", "schedule": "weekly", "lookback": 5, "sleeves": sleeves}

found = 0
for lookback in [*range(10 * mine, 10 * mine + RUNS), *range(500, 500 + SHARED)]:  # the last are everybody's
    found += metabt.backtest(tree(lookback), path).found
for sweep in range(SWEEPS):
    configs = [{"portfolio": tree(100 + 10 * mine + 50 * sweep + i), "lakehouse": str(path), "start": None, "end": None,
                "is_meta_backtest": None, "engine": "local"} for i in range(IN_SWEEP)]
    run_sweep([Job((f"lookback={i}",), config, None) for i, config in enumerate(configs)], str(path))
print(found)
"""


@pytest.fixture
def fresh(signed_in: Server, tmp_path: Path) -> Path:
    """Return a lakehouse without data that belongs to the test."""
    attach(tmp_path / "fresh", create=True, catalog=signed_in.catalog).close()
    return tmp_path / "fresh"


@pytest.fixture(scope="module")
def lake(signed_in: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse with ten thousand runs."""
    path = tmp_path_factory.mktemp("many") / "lake"
    attach(path, create=True, catalog=signed_in.catalog).close()
    runs = [test_many_runs.sweep_run(number) for number in range(test_many_runs.N_RUNS)]
    assert test_many_runs.timed("commit", lambda: commit_runs(path, runs)) == test_many_runs.N_RUNS
    return path


def rows_by_run(reader: Con) -> tuple[dict[str, str | None], dict[str, Counter[str]]]:
    """Return run -> its sweep, and run -> rows in every table, all as of one moment."""
    counts = " UNION ALL ".join(
        f"SELECT '{name}' AS t, run_id, count(*) FROM {name} GROUP BY ALL" for name in RUN_TABLES
    )
    with whole(reader):
        sweeps = dict(reader.execute("SELECT run_id, sweep_id FROM runs").fetchall())
        rows: dict[str, Counter[str]] = {}
        for name, run_id, count in reader.execute(counts).fetchall():
            rows.setdefault(run_id, Counter())[name] = count
    return sweeps, rows


def test_drivers_that_commit_at_once_lose_nothing_and_show_nothing_in_part(
    fresh: Path, watch: Con, tmp_path: Path
) -> None:
    ingest(fresh, "d", wide(600))
    before = state(watch)[0]
    sizes_of = {"RUNS": N_RUNS, "SHARED": N_SHARED, "SWEEPS": N_SWEEPS, "IN_SWEEP": N_IN_SWEEP}
    code = "".join(f"{name} = {size}\n" for name, size in sizes_of.items()) + DRIVER
    drivers = [start(code, fresh, number + 1) for number in range(N_DRIVERS)]
    seen: list[tuple[dict[str, str | None], dict[str, Counter[str]]]] = []
    while any(driver.poll() is None for driver in drivers):
        seen.append(rows_by_run(watch))
        time.sleep(0.02)
    for driver in drivers:
        _, errors = driver.communicate(timeout=60)
        assert driver.returncode == 0, errors

    sweeps, rows = rows_by_run(watch)
    single = [run_id for run_id, sweep in sweeps.items() if sweep is None]
    in_sweeps = Counter(sweep for sweep in sweeps.values() if sweep is not None)
    assert len(single) == N_DRIVERS * N_RUNS + N_SHARED
    assert sorted(in_sweeps.values()) == [N_IN_SWEEP] * (N_DRIVERS * N_SWEEPS)
    assert set(rows) == set(sweeps) and len(list_runs(watch)) == len(sweeps)
    for looked, found in seen:
        assert set(found) == set(looked)  # no row without its run, no run without its rows
        assert all(found[run_id] == rows[run_id] for run_id in looked)
        assert all(count == N_IN_SWEEP for sweep, count in Counter(looked.values()).items() if sweep is not None)
    sizes = sorted({len(looked) for looked, _ in seen})
    assert len(sizes) > 5  # they did come one after another while we looked
    commits = state(watch)[0] - before
    assert commits == N_DRIVERS * (N_RUNS + N_SHARED + N_SWEEPS)  # who finds a run says that it was asked for
    times = Counter(Counter(run_id for (run_id,) in watch.execute("SELECT run_id FROM asked").fetchall()).values())
    assert times == {1: N_DRIVERS * (N_RUNS + N_SWEEPS * N_IN_SWEEP), N_DRIVERS: N_SHARED}
    n_rows = sum(sum(counts.values()) for counts in rows.values())
    print(f"{N_DRIVERS} drivers: {len(single)} runs and {len(in_sweeps)} sweeps of {N_IN_SWEEP} in {commits} commits")
    print(f"{len(seen):,} looks saw {len(sizes)} sizes and no run in part; {n_rows:,} rows")


STORM = """
from metabt.errors import StoreError
mine, wanted = sys.argv[2], int(sys.argv[3])
number = 0
while number < wanted:
    tables = {"weights": table("weights", 40, number), "metrics": table("metrics", 15)}
    try:
        commit_run(path, run(f"{mine}-{number}"), tables)
        print("stored", number, file=sys.stderr, flush=True)
        number += 1
    except StoreError as error:
        expected = ("was lost", "cannot be opened", "nothing was written")
        assert any(words in str(error) for words in expected), error
        print("outage", number, file=sys.stderr, flush=True)
"""


def test_a_storm_of_broken_connections_loses_nothing(fresh: Path, watch: Con, signed_in: Server) -> None:
    """Forty connections are broken at random while three drivers commit; each tries again what failed."""
    rng = np.random.default_rng(11)
    drivers = {name: start(STORM, fresh, name, 8) for name in "abc"}
    broken = 0
    while any(driver.poll() is None for driver in drivers.values()):
        time.sleep(rng.uniform(0.02, 0.4))
        broken += signed_in.hang_up("random() < 0.5") if broken < 40 else 0
    expected: set[str] = set()
    outages = 0
    for name, driver in drivers.items():
        _, errors = driver.communicate(timeout=60)
        told = {f"{name}-{number}" for number in re.findall(r"^stored (\d+)$", errors, flags=re.MULTILINE)}
        assert (driver.returncode, len(told)) == (0, 8), (
            errors
        )  # DuckDB would abort where `close` and `whole` do not help
        expected |= told
        outages += errors.count("outage ")
    sweeps, rows = rows_by_run(watch)
    assert expected == set(sweeps)
    assert set(rows) == set(sweeps) and all(count == {"weights": 40, "metrics": 15} for count in rows.values())
    for run_id in sorted(expected):
        number = int(run_id.split("-")[1])
        assert_same_table(load_run(watch, run_id)[1]["weights"], table("weights", 40, number))
    assert broken > 0
    print(f"{broken} connections broken, {outages} attempts failed; {len(sweeps)} runs stored, each once and whole")


def test_a_driver_that_is_killed_anywhere_leaves_nothing_in_part(fresh: Path, watch: Con) -> None:
    rng = np.random.default_rng(5)
    for round_ in range(8):
        driver = start(STORM, fresh, f"k{round_}", 10_000)
        until = time.monotonic() + 60
        while not any(run_id.startswith(f"k{round_}-") for run_id in rows_by_run(watch)[0]):
            assert driver.poll() is None and time.monotonic() < until, driver.communicate()
        time.sleep(rng.uniform(0, 0.5))
        driver.kill()
        driver.communicate()
    sweeps, rows = rows_by_run(watch)
    assert set(rows) == set(sweeps) and all(count == {"weights": 40, "metrics": 15} for count in rows.values())
    assert commit_run(fresh, run("alive"), {})  # and no lock is left behind
    print(f"8 drivers killed; {len(sweeps)} runs stored, each whole")
