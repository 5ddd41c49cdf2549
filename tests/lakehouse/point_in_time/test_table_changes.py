"""What differs in tables between two snapshots, who reads it, and what explaining a run says of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt import lakehouse
from metabt.lakehouse.ingestion.tables.table_ingestion import ingest_table
from metabt.lakehouse.point_in_time.table_changes import TableChange, reads_table, table_changes, told_tables
from metabt.runs.explain import explain

DAYS = pd.bdate_range("2019-01-01", periods=600, name="date")
TREE = {
    "name": "t",
    "optimizer": "equal",
    "lookback": 20,
    "schedule": "monthly",
    "cash": "usd",
    "sleeves": {"ab": {"universe": ["A", "B"]}, "core": {"universe": {"members": "core"}}},
}
RATES = [("usd", "2018-12-01", 0.02, 360), ("usd", "2020-01-01", 0.03, 360)]
MEMBERS = [("core", "C", "2019-01-01", None), ("core", "D", "2019-06-03", "2020-06-01")]
COSTS = [("B", "2020-02-03", 9.0), ("C", "2019-02-01", 4.0)]


def rates(rows: list) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["name", "date", "value", "day_count"])


def members(rows: list) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["universe", "asset", "first_date", "last_date"])


def costs(rows: list) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["asset", "first_date", "commission_bp"])


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    moves = np.random.default_rng(0).normal(0, 0.01, (600, 4))
    lakehouse.ingest(tmp_path, "m", pd.DataFrame(100 * np.exp(np.cumsum(moves, axis=0)), DAYS, list("ABCD")))
    for name, frame in (("rates", rates(RATES)), ("members", members(MEMBERS)), ("costs", costs(COSTS))):
        ingest_table(tmp_path, "m", frame, name)
    return tmp_path


@pytest.mark.parametrize(
    ("table", "frame", "change", "readers"),
    [
        (
            "rates",
            rates([RATES[0], ("usd", "2020-01-01", 0.04, 360)]),
            ("usd", "2020-01-01", 1),
            {"t", "t/ab", "t/core"},
        ),
        (
            "members",
            members([MEMBERS[0], ("core", "D", "2019-06-03", "2020-05-01")]),
            ("core", "2019-06-03", 1),
            {"t/core"},
        ),
        ("costs", costs([("B", "2020-02-03", 11.0)]), ("B", "2020-02-03", 1), {"t", "t/ab"}),
    ],
)
def test_a_run_is_explained_by_the_rows_that_differ(
    table: str, frame: pd.DataFrame, change: tuple[str, str, int], readers: set[str], lake: Path
) -> None:
    first = metabt.backtest(TREE, lake, engine="local")
    with metabt.connect(lake) as con:
        before = lakehouse.snapshot(con)
    ingest_table(lake, "m", frame, table, replace=table == "members")
    second = metabt.backtest(TREE, lake, engine="local")
    assert second.run_id != first.run_id and not second.found
    with lakehouse.attach(lake, read_only=True) as con:
        (found,) = table_changes(con, ["m"], before, None)
        assert (found.dataset, found.table, found.first, str(found.date)) == ("m", table, *change[:2])
        told = explain(con, second.run_id)
    line = told_tables([found])[0]
    causes = {sleeve.path: [it.text for it in sleeve.causes if it.kind == "tables"] for sleeve in told.sleeves}
    assert {path for path, lines in causes.items() if lines == [line]} == readers
    assert all("unknown" not in {it.kind for it in sleeve.causes} for sleeve in told.sleeves)
    partitions = {label for sleeve in told.sleeves for label in sleeve.computed}
    assert min(partitions) >= change[1][:4]


def test_who_reads_a_row() -> None:
    day = np.datetime64("2020-01-01")
    leaf = {"dataset": "m", "universe": ["A"], "cash": {"rate": "usd"}, "drawn": {"members": "core"}}
    meta = {"children": []}
    for table, first, of_leaf, of_meta in (
        ("actions", "A", True, False),
        ("delistings", "B", False, False),
        ("costs", "*", True, True),
        ("costs", "B", False, True),
        ("rates", "usd", True, False),
        ("rates", "eur", False, False),
        ("members", "core", True, False),
        ("members", "wide", False, False),
    ):
        change = TableChange("m", table, first, day, 1)
        assert (reads_table(leaf, change), reads_table(meta, change)) == (of_leaf, of_meta)
    assert not reads_table({**leaf, "dataset": "other"}, TableChange("m", "actions", "A", day, 1))
    many = [TableChange("m", "actions", name, day, 2) for name in "ABCDE"]
    assert told_tables(many) == [
        "table actions of m: 10 rows (A from 2020-01-01, B from 2020-01-01, C from 2020-01-01, and 2 more)"
    ]
