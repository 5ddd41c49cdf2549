"""A lakehouse with a little of everything, and ways to say that nothing in it changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from metabt.lakehouse import attach, ingest, snapshot
from metabt.lakehouse.tables import SCHEMA
from tests.panels import random_walk


def wide(n_rows: int = 300, begin: str = "2019-10-01", symbols: tuple[str, ...] = ("AA", "BB", "CC")) -> pd.DataFrame:
    """Return a wide frame over a turn of the year."""
    return random_walk(7, pd.bdate_range(begin, periods=n_rows, name="Date"), list(symbols))


def state(path: Path) -> tuple[int, dict[str, int]]:
    """Return the snapshot and the number of rows of every table."""
    with attach(path, read_only=True) as con:
        return snapshot(con), {name: count(con, name) for name in SCHEMA}


def count(con: duckdb.DuckDBPyConnection, name: str) -> int:
    return con.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0]


def same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Return whether two arrays are equal to the bit."""
    if one is None or other is None:
        return one is other
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse that holds the dataset 'stocks'; tests that share it must not change it."""
    path = tmp_path_factory.mktemp("stocked") / "it's a lake"
    ingest(path, "stocks", wide())
    return path


@pytest.fixture
def unchanged(stocked: Path) -> Iterator[Path]:
    """Return the shared lakehouse, and check afterwards that the test left it as it was."""
    before = state(stocked)
    yield stocked
    assert state(stocked) == before
