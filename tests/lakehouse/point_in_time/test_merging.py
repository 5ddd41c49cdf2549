"""Rows come in time or late, replace or stand beside: appending tells the same as all at once."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metabt.data.point_in_time.tables import COLUMNS, DatedTable
from metabt.errors import DataError
from metabt.lakehouse.point_in_time.incoming import Incoming, empty_column
from metabt.lakehouse.point_in_time.merging import Merged, merged, newest
from metabt.values.tables import Coded, Table, texts

DAY0 = np.datetime64("2020-01-01", "D")
TODAY = date(2026, 11, 30)
NAT = np.datetime64("NaT", "D")


def day(number: int | None) -> np.datetime64:
    return NAT if number is None else DAY0 + number


def members(rows: list[tuple[str, int, int | None]], known: list[int | None] | None = None) -> Incoming:
    """Return memberships of one universe: asset, first and last day."""
    columns: Table = {
        "universe": Coded.constant("X", len(rows)),
        "asset": Coded.of([row[0] for row in rows]),
        "first_date": np.array([day(row[1]) for row in rows], "datetime64[D]"),
        "last_date": np.array([day(row[2]) for row in rows], "datetime64[D]"),
        "known_at": np.array([day(one) for one in known or [None] * len(rows)], "datetime64[D]"),
    }
    return Incoming("members", columns, np.arange(1, len(rows) + 1), len(rows))


def rates(rows: list[tuple[str, int, float]]) -> Incoming:
    columns: Table = {
        "name": Coded.of([row[0] for row in rows]),
        "date": np.array([day(row[1]) for row in rows], "datetime64[D]"),
        "value": np.array([row[2] for row in rows]),
        "day_count": np.full(len(rows), 360.0),
    }
    return Incoming("rates", columns, np.arange(1, len(rows) + 1), len(rows))


def eligible(table: DatedTable, at: int) -> set[str]:
    """Return who is a member on a day, by the rule alone: the newest row known then of each membership counts."""
    known: dict[tuple[str, object], tuple[object, object]] = {}
    for asset, first, last, since in zip(
        texts(table.texts("asset")),
        table.numbers("first_date"),
        table.numbers("last_date"),
        table.numbers("known_at"),
        strict=True,
    ):
        if since <= day(at) and ((asset, first) not in known or known[asset, first][0] <= since):
            known[asset, first] = since, last
    return {asset for (asset, first), (_, last) in known.items() if first <= day(at) and not last < day(at)}


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, int, int | None]]:
    """Draw memberships that do not overlap, of a few assets, in 100 days."""
    rows: list[tuple[str, int, int | None]] = []
    for asset in "ABC":
        cuts = sorted(draw(st.sets(st.integers(0, 99), max_size=6)))
        for place in range(0, len(cuts), 2):
            rows.append((asset, cuts[place], cuts[place + 1] - 1 if place + 1 < len(cuts) else None))
    return rows


@settings(max_examples=60, deadline=None)
@given(rows=histories(), cuts=st.lists(st.integers(1, 99), max_size=3, unique=True))
def test_what_is_told_day_by_day_is_what_is_told_at_once(
    rows: list[tuple[str, int, int | None]], cuts: list[int]
) -> None:
    rows = [row for row in rows if row[2] is None or row[2] >= row[1]]
    if not rows:
        return
    whole = merged(None, members(rows), TODAY).table
    table: DatedTable | None = None
    for cut in [*sorted(cuts), 1000]:  # the file as it was on that day: later ends are not in it yet
        then = [(a, first, last if last is not None and last < cut else None) for a, first, last in rows if first < cut]
        if then:
            found = merged(table, members(then), TODAY)
            assert not len(found.late)
            table = found.table
    assert table is not None
    for at in range(-1, 102):
        assert eligible(table, at) == eligible(whole, at)
    again = merged(table, members(rows), TODAY)
    assert (again.added, again.changed, again.unchanged) == (0, 0, len(rows))
    assert cells(again.table) == cells(table)


def cells(table: DatedTable) -> list[bytes]:
    return [
        (texts(column).astype(str) if isinstance(column, Coded) else column).tobytes()
        for column in table.columns.values()
    ]


def test_what_comes_late_is_known_from_that_day_on() -> None:
    held = merged(None, members([("A", 0, None), ("B", 50, None)]), TODAY).table
    found = merged(held, members([("A", 0, 20), ("C", 50, None), ("D", 51, None)]), TODAY)
    assert len(found.late) == 2 and (found.added, found.changed) == (3, 0)
    known = {(texts(found.table.texts("asset"))[i], found.table.numbers("known_at")[i].item()) for i in range(5)}
    assert {("A", TODAY), ("C", TODAY), ("D", day(51).item())} < known
    assert eligible(found.table, 60) == {"A", "B", "D"}
    assert eligible(found.table, 3000) == {"B", "C", "D"}
    again = merged(found.table, members([("A", 0, 30)]), TODAY)  # corrected on the same day
    assert (again.added, again.changed) == (0, 1)


def test_another_universe_or_rate_is_not_late() -> None:
    held = merged(None, rates([("usd", 100, 0.01)]), TODAY).table
    found = merged(held, rates([("eur", 0, 0.01), ("usd", 100, 0.02), ("usd", 101, 0.02)]), TODAY)
    assert [str(found.new["date"][place]) for place in found.late] == [str(day(100))]
    other = members([("A", 0, None)])
    other = Incoming("members", {**other.columns, "universe": Coded.constant("Y", 1)}, other.rows, 1)
    found = merged(merged(None, members([("A", 50, None)]), TODAY).table, other, TODAY)
    assert not len(found.late) and found.table.numbers("known_at").tolist()[1] == day(0).item()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_table_is_a_mapping_from_its_order_to_its_values(data: st.DataObject) -> None:
    """Against a dict: the last file that has a name and a date says its value, and `whole` forgets the others."""
    table: DatedTable | None = None
    known: dict[tuple[str, int], float] = {}
    for _ in range(data.draw(st.integers(1, 4))):
        pairs = st.tuples(st.sampled_from("ab"), st.integers(0, 5))
        keys = data.draw(st.lists(pairs, min_size=1, max_size=6))
        says = {key: data.draw(st.sampled_from((0.0, 0.5, 1.0))) for key in keys}
        whole = data.draw(st.booleans())
        rows = [(name, number, says[name, number]) for name, number in keys]
        found = merged(table, rates(rows), TODAY, whole=whole)
        before = set(known)
        assert found.duplicates == len(keys) - len(says)
        assert found.added == len(set(says) - before)
        assert found.unchanged == sum(known.get(key) == value for key, value in says.items())
        assert found.changed == len(says) - found.added - found.unchanged
        assert found.withdrawn == (len(before - set(says)) if whole else 0)
        known = says if whole else known | says
        table = found.table
        assert rows_of(found) == known


def rows_of(found: Merged) -> dict[tuple[str, int], float]:
    table = found.table
    return {
        (str(name), int((date_ - DAY0).astype(int))): float(value)
        for name, date_, value in zip(
            texts(table.texts("name")), table.numbers("date"), table.numbers("value"), strict=True
        )
    }


def test_rows_of_one_matter_that_differ_are_refused_with_both_rows() -> None:
    with pytest.raises(DataError, match=r"row 3 \(X, A, 2020-01-01\): it says something else than row 1 .*keep one"):
        merged(None, members([("A", 0, None), ("B", 0, None), ("A", 0, 5)]), TODAY)


def test_the_newest_row_of_each_matter() -> None:
    rows = members([("A", 0, None), ("A", 0, 5), ("B", 0, None)], [0, 9, 0]).columns
    assert newest(rows, "members").tolist() == [1, 2]


@pytest.mark.parametrize("name", COLUMNS)
def test_an_empty_column_of_every_kind(name: str) -> None:
    for kind in COLUMNS[name].values():
        assert len(empty_column(kind, 3)) == 3
