"""What is loaded is what was ingested, at every snapshot; what was changed behind it is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.data.point_in_time.tables import COLUMNS, DatedTable
from metabt.errors import ConfigError, StoreError
from metabt.lakehouse import attach, check_lakehouse, ingest, load_point_in_time, snapshot, upkeep
from metabt.lakehouse.ingestion.tables.table_ingestion import drop_dated
from metabt.lakehouse.stored_data import DATASET_COLUMNS, drop, list_datasets
from metabt.values.tables import texts
from tests.lakehouse.conftest import wide

FRAME = wide(60)
DAY = FRAME.index
ROWS = {
    "actions": pd.DataFrame(
        {
            "asset": ["BB", "AA", "AA", "CC"],
            "ex_date": DAY[[30, 20, 10, 5]],
            "kind": ["spinoff", "split", "cash", "merger"],
            "ratio": [0.25, 1.1, np.nan, 0.5],
            "cash": [np.nan, np.nan, 0.7, 3.0],
            "into": ["CC", None, None, "AA"],
        }
    ),
    "members": pd.DataFrame(
        {
            "universe": ["X", "X", "Y"],
            "asset": ["BB", "AA", "ÄÄ"],
            "first_date": DAY[[0, 1, 2]],
            "last_date": [pd.NaT, DAY[9], pd.NaT],
            "known_at": DAY[[0, 3, 2]],
        }
    ),
    "delistings": pd.DataFrame(
        {"asset": ["BB"], "date": DAY[[-1]], "return": [np.nan], "kind": ["merger"], "included": [True]}
    ),
    "rates": pd.DataFrame(
        {"name": ["usd", "fx:EURUSD"], "date": DAY[[0, 0]], "value": [-0.005, 1.1], "day_count": [360.0, np.nan]}
    ),
    "costs": pd.DataFrame(
        {
            "asset": ["*", "AA"],
            "first_date": DAY[[0, 0]],
            "commission_bp": [5.0, np.nan],
            "slippage_bp": [0.0, 1.0],
            "borrow_bp": [np.nan, 300.0],
        }
    ),
    "assets": pd.DataFrame(
        {
            "asset": ["old", "new"],
            "symbol": ["AA", "AA"],
            "first_date": DAY[[0, 40]],
            "last_date": [DAY[39], pd.NaT],
            "currency": ["EUR", None],
            "known_at": DAY[[0, 40]],
        }
    ),
}


def cells(table: DatedTable) -> list[tuple[object, ...]]:
    columns = [
        texts(table.texts(name)).tolist() if kind == "text" else table.numbers(name).tolist()
        for name, kind in COLUMNS[table.name].items()
    ]
    return sorted(
        (tuple(None if cell != cell else cell for cell in row) for row in zip(*columns, strict=True)), key=str
    )


def wanted(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    """Return the rows of a frame of all columns of a table, without a line of the code that stores them."""
    rows = []
    for row in frame.itertuples(index=False):
        made = [None if pd.isna(cell) else cell.date() if isinstance(cell, pd.Timestamp) else cell for cell in row]
        rows.append(tuple(made))
    return sorted(rows, key=str)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = tmp_path_factory.mktemp("stored") / "lake"
    metabt.ingest(FRAME, dataset="d", lakehouse=lake, adjusted=False)
    ingest(lake, "e", FRAME)
    for name, frame in ROWS.items():
        metabt.ingest(frame, dataset="d", lakehouse=lake, table=name)
    return lake


@pytest.fixture
def lake(stored: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored, tmp_path / "lake"))


def held(lake: Path, at: int | None = None) -> dict[str, list[tuple[object, ...]]]:
    with attach(lake, read_only=True) as con:
        found = load_point_in_time(con, ["d"], at)["d"]
    return {name: cells(table) for name, table in found.tables.items()}


def now(lake: Path) -> int:
    with attach(lake, read_only=True) as con:
        return snapshot(con)


def test_every_table_comes_back_as_it_was_and_is_listed(stored: Path) -> None:
    assert held(stored) == {name: wanted(frame) for name, frame in ROWS.items()}
    with attach(stored, read_only=True) as con:
        both = load_point_in_time(con, ["e", "d"])
        assert list(both) == ["e", "d"] and not both["e"] and both["e"].adjusted and not both["d"].adjusted
        listed = dict(zip(DATASET_COLUMNS, list_datasets(con)[0], strict=True))
        assert listed["tables"] == "actions 4, assets 2, costs 2, delistings 1, members 3, rates 2"
        assert listed["adjusted"] is False
        with pytest.raises(ConfigError, match="no dataset 'f'"):
            load_point_in_time(con, ["d", "f"])


def test_an_older_snapshot_has_the_older_rows_also_after_upkeep(lake: Path) -> None:
    before, rows = now(lake), held(lake)
    later = ROWS["costs"].assign(slippage_bp=2.0)
    assert metabt.ingest(later, dataset="d", lakehouse=lake, table="costs").changed == 2
    assert held(lake)["costs"] == wanted(later) and held(lake, before) == rows
    drop_dated(lake, "d", "members")
    assert "members" not in held(lake) and held(lake, before) == rows
    upkeep(lake)
    assert held(lake)["costs"] == wanted(later) and check_lakehouse(lake).faults == []


def test_with_a_dataset_go_its_tables(lake: Path) -> None:
    drop(lake, "d", ("CC",))
    assert held(lake) == {name: wanted(frame) for name, frame in ROWS.items()}
    drop(lake, "d")
    with attach(lake, read_only=True) as con:
        assert all(not con.execute(f"FROM {name}").fetchall() for name in COLUMNS)
        assert load_point_in_time(con, ["e"])["e"].tables == {}
    ingest(lake, "d", FRAME)
    assert held(lake) == {} and check_lakehouse(lake).faults == []


TAMPERED = {
    "UPDATE members SET last_date = NULL": "table members: its rows are not those",
    "DELETE FROM delistings": "table delistings: its rows are not those",
    "INSERT INTO actions SELECT * FROM actions WHERE kind = 'cash'": "table actions: its rows are not those",
    "UPDATE actions SET \"into\" = NULL WHERE kind = 'merger'": "table actions",
    "UPDATE rates SET value = value + 1e-16": "table rates",
    "UPDATE costs SET asset = 'AA' WHERE asset = '*'": "table costs",
    "UPDATE assets SET currency = 'EUR'": "table assets",
    "UPDATE datasets SET adjusted = true": "its row is not what was recorded",
    "UPDATE datasets SET tables = NULL": "its row is not what was recorded",
}


@pytest.mark.parametrize("statement", TAMPERED)
def test_rows_that_were_changed_are_refused_and_nothing_is_added_to_them(lake: Path, statement: str) -> None:
    with attach(lake) as con:
        con.execute(statement)
    with pytest.raises(StoreError, match=TAMPERED[statement]):
        held(lake)
    with pytest.raises(StoreError, match=TAMPERED[statement]):
        metabt.ingest(ROWS["costs"], dataset="d", lakehouse=lake, table="costs")
    faults = check_lakehouse(lake).faults
    assert any(TAMPERED[statement] in fault for fault in faults) and all("; " in fault for fault in faults)


def test_rows_that_nobody_recorded_are_found_and_not_believed(lake: Path) -> None:
    with attach(lake) as con:
        con.execute("INSERT INTO members (dataset, universe, asset) VALUES ('e', 'X', 'AA')")
        assert load_point_in_time(con, ["e"])["e"].tables == {}
    assert any("table members has 1 rows of dataset 'e'" in fault for fault in check_lakehouse(lake).faults)
