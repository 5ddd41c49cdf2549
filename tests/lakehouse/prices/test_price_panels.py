"""Panels of some symbols, and what is asked for in vain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from metabt.errors import ConfigError, StoreError
from metabt.lakehouse import attach, dataset_symbols, ingest, load_prices
from tests.lakehouse.conftest import same
from tests.shared.digests import panel_digest, stored_digests

FRAME = pd.DataFrame(
    {"AA": [1.0, np.nan, 3.0, np.nan], "BB": [np.nan, 2.0, np.nan, 4.0], "CC": [1.0, 2.0, 3.0, np.nan]},
    index=pd.DatetimeIndex(["2019-12-30", "2019-12-31", "2020-01-02", "2020-01-03"]),
)


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    path: Path = tmp_path_factory.mktemp("prices")
    ingest(path, "stocks", FRAME)
    ingest(path, "coins", FRAME[["AA"]] * 10)
    with attach(path, read_only=True) as opened:
        yield opened


def test_some_symbols_still_have_the_whole_calendar(con: duckdb.DuckDBPyConnection) -> None:
    panel = load_prices(con, {"stocks": ("BB",)})["stocks"]
    assert panel.symbols == ("BB",)
    assert same(panel.dates, FRAME.index.to_numpy().astype("datetime64[D]"))
    np.testing.assert_array_equal(panel.close[:, 0], FRAME["BB"])


def test_symbols_are_sorted_and_each_once(con: duckdb.DuckDBPyConnection) -> None:
    panel = load_prices(con, {"stocks": ("CC", "AA", "CC")})["stocks"]
    assert panel.symbols == ("AA", "CC")
    np.testing.assert_array_equal(panel.close, FRAME[["AA", "CC"]])


def test_several_datasets_at_once(con: duckdb.DuckDBPyConnection) -> None:
    panels = load_prices(con, {"coins": None, "stocks": ("AA",)})
    assert list(panels) == ["coins", "stocks"]
    np.testing.assert_array_equal(panels["coins"].close[:, 0], [10.0, 30.0])


@pytest.mark.parametrize("symbols", [None, ("AA",), ("BB", "CC")])
def test_stored_digests_are_those_of_the_panel(con: duckdb.DuckDBPyConnection, symbols: tuple[str, ...] | None) -> None:
    panel = load_prices(con, {"stocks": symbols})["stocks"]
    assert stored_digests(con, {"stocks": symbols}) == {"stocks": panel_digest(panel)}


def test_other_symbols_have_other_digests(con: duckdb.DuckDBPyConnection) -> None:
    found = {stored_digests(con, {"stocks": symbols})["stocks"] for symbols in (None, ("AA",), ("BB",), ("AA", "BB"))}
    assert len(found) == 4


def test_datasets_and_symbols_are_listed(con: duckdb.DuckDBPyConnection) -> None:
    assert dataset_symbols(con) == {"coins": ("AA",), "stocks": ("AA", "BB", "CC")}


@pytest.mark.parametrize("ask", [load_prices, stored_digests])
def test_what_is_not_there_names_the_nearest(con: duckdb.DuckDBPyConnection, ask) -> None:
    with pytest.raises(ConfigError, match="no dataset 'stock' in the lakehouse; did you mean 'stocks'"):
        ask(con, {"stock": None})
    with pytest.raises(ConfigError, match=r"dataset 'stocks' has no symbol 'BBB' \(and 1 more unknown ones\); did you"):
        ask(con, {"stocks": ("AA", "BBB", "ZZ")})


def test_a_snapshot_that_is_not_there_is_refused(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(StoreError, match="snapshot 99 cannot be read.*use a later one"):
        load_prices(con, {"stocks": None}, at=99)
