"""Memberships from changes and from matrices are those that a loop over the days tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import metabt
from metabt.data.point_in_time.tables import DatedTable
from metabt.errors import DataError
from metabt.lakehouse import attach, load_point_in_time
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.ingestion.readers.sources import read_table
from metabt.lakehouse.ingestion.tables.change_lists import Changes
from metabt.lakehouse.ingestion.tables.table_layout import laid_out
from metabt.lakehouse.point_in_time.incoming import Incoming
from metabt.lakehouse.point_in_time.merging import merged, newest
from metabt.values.tables import texts
from tests.lakehouse.conftest import wide

DAYS = pd.date_range("2020-01-01", periods=30, name="date")
NAMES = ["AA", "BB", "CC"]
TODAY = pd.Timestamp("2026-11-30").date()


def table_of(incoming: Incoming, stored: DatedTable | None = None) -> DatedTable:
    return merged(stored, incoming, TODAY).table


def members_on(table: DatedTable, at: pd.Timestamp) -> set[str]:
    first, last = table.numbers("first_date"), table.numbers("last_date")
    day = np.datetime64(at, "D")
    held = (first <= day) & ~(last < day)
    return set(texts(table.texts("asset"))[held])


matrices = st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=30)


def read(frame: pd.DataFrame, **options: object) -> Incoming | Changes:
    how = Options(universe="X", **options)  # type: ignore[arg-type]
    return laid_out("members", read_table(frame, how), how)


@settings(max_examples=60, deadline=None)
@given(cells=matrices, step=st.integers(1, 5), as_numbers=st.booleans())
def test_a_matrix_says_who_is_a_member_on_every_day(cells: list[list[bool]], step: int, as_numbers: bool) -> None:
    dates = pd.date_range("2020-01-01", periods=len(cells), freq=f"{step}D", name="date")
    frame = pd.DataFrame(cells, dates, NAMES)
    if not frame.to_numpy().any():
        with pytest.raises(DataError, match="no symbol is a member"):
            read(frame)
        return
    found = read(frame.astype(int) if as_numbers else frame)
    assert isinstance(found, Incoming)
    table = table_of(found)
    for at in pd.date_range(dates[0] - pd.Timedelta(days=1), dates[-1] + pd.Timedelta(days=9)):
        row = dates.searchsorted(at, side="right") - 1
        wanted = {name for name, member in zip(NAMES, cells[row], strict=True) if member} if row >= 0 else set()
        assert members_on(table, at) == wanted


@settings(max_examples=60, deadline=None)
@given(cells=matrices, seed=st.integers(0, 99), cut=st.integers(0, 30))
def test_changes_say_so_too_in_any_order_and_in_two_lists(cells: list[list[bool]], seed: int, cut: int) -> None:
    frame = pd.DataFrame(cells, DAYS[: len(cells)], NAMES)
    rows, was = [], dict.fromkeys(NAMES, False)
    for at, row in frame.iterrows():
        for name in NAMES:
            if row[name] != was[name]:
                rows.append({"date": at, "action": "Added" if row[name] else "removed", "ticker": name})
                was[name] = row[name]
    if not rows:
        return
    changes = pd.DataFrame(rows)
    parts = [changes[changes["date"] < DAYS[cut % 30]], changes[changes["date"] >= DAYS[cut % 30]]]
    table: DatedTable | None = None
    for part in parts:
        if len(part):
            found = read(part.sample(frac=1.0, random_state=seed))
            assert isinstance(found, Changes)
            table = table_of(found.memberships(table), table)
    assert table is not None
    whole = read(changes)
    assert isinstance(whole, Changes)
    for at in DAYS[: len(cells)]:
        wanted = set(frame.columns[frame.loc[at]])
        known = newest_of(table)
        assert members_on(known, at) == wanted == members_on(table_of(whole.memberships(None)), at)


def newest_of(table: DatedTable) -> DatedTable:
    return table.take(newest(table.columns, "members"))


def test_a_list_of_changes_from_a_file(tmp_path: Path) -> None:
    metabt.ingest(wide(60), dataset="d", lakehouse=tmp_path / "lake")
    file = tmp_path / "changes.csv"
    file.write_text("date;action;ticker\n15.10.2019;add;AA\n01.11.2019;remove;AA\n01.11.2019;add;BB\n")
    report = metabt.ingest(file, dataset="d", lakehouse=tmp_path / "lake", table="members", universe="X")
    assert report.added == 2 and "3 changes are 2 memberships" in str(report)
    with attach(tmp_path / "lake", read_only=True) as con:
        table = load_point_in_time(con, ["d"])["d"].tables["members"]
    assert table.numbers("first_date").astype(str).tolist() == ["2019-10-15", "2019-11-01"]
    assert table.numbers("last_date").astype(str).tolist() == ["2019-10-31", "NaT"]
    assert table.texts("universe").values == ("X",)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (pd.DataFrame({"AA": [1, 2]}, DAYS[:2]), "symbol 'AA', row 2: '2' is neither 0 nor 1"),
        (pd.DataFrame({"AA": [1.0, np.nan]}, DAYS[:2]), "symbol 'AA', row 2: .* is neither 0 nor 1"),
        (pd.DataFrame({"AA": [1, 1]}, DAYS[[0, 0]]), "row 2: 2020-01-01 is there twice"),
        (pd.DataFrame({"date": DAYS[:1], "action": [""], "ticker": ["AA"]}), "row 1: '' neither adds nor removes"),
        (pd.DataFrame({"date": [None], "action": ["add"], "ticker": ["AA"]}), "row 1: there is no date"),
    ],
)
def test_cells_that_say_nothing_are_refused(frame: pd.DataFrame, says: str) -> None:
    with pytest.raises(DataError, match=says):
        read(frame)
