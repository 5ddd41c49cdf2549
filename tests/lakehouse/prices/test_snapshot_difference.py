"""What differs between two snapshots is named, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from metabt.errors import StoreError
from metabt.lakehouse import Change, attach, changed_calendars, changed_inputs, ingest, load_facts, snapshot
from tests.lakehouse.conftest import wide

Con = duckdb.DuckDBPyConnection
History = tuple[Con, list[int]]

FRAME = wide(600)
"""Sessions of 2019 to 2022; the first 300 end in 2020."""
ALL = {"d": None, "other": None}


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """Return the snapshots after first prices, a correction, a new symbol, newer dates, and changes elsewhere."""
    path: Path = tmp_path_factory.mktemp("history") / "lake"
    ingest(path, "other", wide(20))
    new_year = FRAME.index[FRAME.index.year == 2020][0]
    steps = [
        ("d", FRAME[:300]),
        ("d", pd.DataFrame({"BB": [1.5]}, index=[new_year])),
        ("d", FRAME[:300][["AA"]].rename(columns={"AA": "DD"})),
        ("d", FRAME[300:][["AA"]]),
        ("other", wide(20) * 2),
    ]
    with attach(path, read_only=True) as con:
        snapshots = []
        for dataset, frame in steps:
            ingest(path, dataset, frame, closed=True if dataset == "other" else None)
            snapshots.append(snapshot(con))
        yield con, snapshots


def changes(dataset: str, symbol: str, years: str, field: str, kind: str) -> list[Change]:
    return [Change(dataset, symbol, year, field, kind) for year in years.split()]


def test_each_step_is_named(history: History) -> None:
    con, (first, corrected, listed, appended, elsewhere) = history
    assert changed_inputs(con, ALL, first, corrected) == changes("d", "BB", "2020", "close", "changed")
    assert changed_inputs(con, ALL, corrected, listed) == changes("d", "DD", "2019 2020", "close", "added")
    assert changed_inputs(con, ALL, listed, appended) == [
        *changes("d", "AA", "2020", "close", "changed"),
        *changes("d", "AA", "2021 2022", "close", "added"),
    ]
    expected = [
        change for symbol in ("AA", "BB", "CC") for change in changes("other", symbol, "2019", "close", "changed")
    ]
    assert changed_inputs(con, ALL, appended, elsewhere) == expected


def test_nothing_differs_from_itself(history: History) -> None:
    con, snapshots = history
    for at in snapshots:
        assert changed_inputs(con, ALL, at, at) == changed_calendars(con, ALL, at, at) == []


def test_differences_are_those_of_the_facts(history: History) -> None:
    con, snapshots = history
    one, other = (load_facts(con, {"d": None}, at)["d"].digests for at in (snapshots[0], snapshots[-1]))
    found = {
        (c.symbol, c.partition, c.field): c.kind for c in changed_inputs(con, {"d": None}, snapshots[0], snapshots[-1])
    }
    for cell in one.keys() | other.keys():
        kind = "removed" if cell not in other else "added" if cell not in one else "changed"
        assert found.get(cell) == (None if one.get(cell) == other.get(cell) else kind)


def test_the_way_back_swaps_added_and_removed(history: History) -> None:
    con, snapshots = history
    swap = {"added": "removed", "removed": "added", "changed": "changed"}
    there = changed_inputs(con, ALL, snapshots[0], snapshots[-1])
    back = changed_inputs(con, ALL, snapshots[-1], snapshots[0])
    assert [Change(c.dataset, c.symbol, c.partition, c.field, swap[c.kind]) for c in there] == back
    assert {c.kind for c in there} == {"added", "changed"}


def test_only_wanted_symbols_are_compared(history: History) -> None:
    con, (first, *_, last) = history
    assert changed_inputs(con, {"d": ("CC",)}, first, last) == []
    assert changed_inputs(con, {"d": ("BB", "CC")}, first, last) == changes("d", "BB", "2020", "close", "changed")


def test_calendars_and_closing_are_compared(history: History) -> None:
    con, (first, corrected, listed, appended, elsewhere) = history
    assert changed_calendars(con, ALL, first, listed) == []
    assert changed_calendars(con, ALL, corrected, appended) == [
        *changes("d", "", "2020", "calendar", "changed"),
        *changes("d", "", "2021 2022", "calendar", "added"),
    ]
    assert changed_calendars(con, ALL, appended, elsewhere) == [Change("other", "", "", "closed", "changed")]


def test_a_snapshot_that_is_not_there_is_refused(history: History) -> None:
    con, snapshots = history
    for ask in (changed_inputs, changed_calendars):
        with pytest.raises(StoreError, match="snapshot 99 cannot be read"):
            ask(con, ALL, snapshots[0], 99)
