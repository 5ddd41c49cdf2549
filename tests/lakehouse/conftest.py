"""A lakehouse with a little of everything, and ways to say that nothing in it changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from metabt.lakehouse import attach, ingest, snapshot
from metabt.lakehouse.catalog.schema import SCHEMA
from tests.shared.panels import random_walk
from tests.shared.postgres_server import Server, running_server


def wide(n_rows: int = 300, begin: str = "2019-10-01", symbols: tuple[str, ...] = ("AA", "BB", "CC")) -> pd.DataFrame:
    """Return a wide frame over a turn of the year."""
    return random_walk(7, pd.bdate_range(begin, periods=n_rows, name="Date"), list(symbols))


def state(lake: Path | duckdb.DuckDBPyConnection) -> tuple[int, dict[str, int]]:
    """Return the snapshot and the number of rows of every table."""
    if isinstance(lake, Path):
        with attach(lake, read_only=True) as con:
            return state(con)
    counts = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in SCHEMA)
    return snapshot(lake), dict(lake.execute(counts).fetchall())


def same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Return whether two arrays are equal to the bit."""
    if one is None or other is None:
        return one is other
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse without data, to be copied."""
    path = tmp_path_factory.mktemp("template") / "lake"
    attach(path, create=True).close()
    return path


@pytest.fixture
def fresh(template: Path, tmp_path: Path) -> Path:
    """Return a lakehouse without data that belongs to the test."""
    return Path(shutil.copytree(template, tmp_path / "fresh"))


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse that holds the dataset 'stocks'; tests that share it must not change it."""
    path = tmp_path_factory.mktemp("stocked") / "it's a lake"
    ingest(path, "stocks", wide())
    return path


@pytest.fixture
def watch(fresh: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a reading connection to the test's own lakehouse; it sees what others commit."""
    with attach(fresh, read_only=True) as con:
        yield con


@pytest.fixture
def unchanged(stocked: Path) -> Iterator[Path]:
    """Return the shared lakehouse, and check afterwards that the test left it as it was."""
    before = state(stocked)
    yield stocked
    assert state(stocked) == before


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """Return a PostgreSQL server of the tests' own; nobody has its password yet."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="module")
def signed_in(postgres: Server) -> Iterator[Server]:
    """Return the server, with its password where libpq looks for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("METABT_CATALOG", raising=False)
        patch.setenv("PGPASSWORD", postgres.password)
        yield postgres
