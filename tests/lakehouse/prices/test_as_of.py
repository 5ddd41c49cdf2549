"""What a number or a day of the past means: the newest snapshot by then, and never another one in its place."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.errors import ConfigError, StoreError
from metabt.lakehouse import attach, ingest
from metabt.lakehouse.prices.as_of import AsOf, as_of, snapshot_times
from metabt.lakehouse.stored_data import drop
from tests.shared.panels import stocks
from tests.shared.past_snapshots import backdate, expire

TIMES = ("2026-03-01 09:00", "2026-03-01 09:01", "2026-03-02 23:59", "2026-03-05 00:00", "2026-03-09 12:00")
DAYS = dict(enumerate(TIMES))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse of five snapshots: nothing, tables, prices, more of them, others."""
    path, prices = tmp_path_factory.mktemp("past") / "lake", stocks(5, 60).rename_axis("date")
    for frame in (prices.iloc[:40], prices, prices * 1.5):
        ingest(path, "stocks", frame)
    backdate(path, DAYS)
    return path


@pytest.fixture
def lake(stored: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored, tmp_path / "lake"))


def meant(lake: Path, stated: object) -> AsOf:
    with attach(lake, read_only=True) as con:
        assert dict(snapshot_times(con)) != {}
        return as_of(con, stated)


@pytest.mark.parametrize(
    ("stated", "snapshot"),
    [
        (3, 3),
        ("3", 3),
        (np.int64(0), 0),
        ("2026-03-01", 1),
        ("2026-03-02", 2),
        ("2026-03-04", 2),  # the third was committed at the first moment of the day after it
        ("2026-03-05", 3),
        (datetime.date(2026, 3, 8), 3),
        (np.datetime64("2026-03-09"), 4),
        ("2026-03-10", 4),
    ],
)
def test_a_day_is_the_newest_snapshot_by_its_end(lake: Path, stated: object, snapshot: int) -> None:
    found = meant(lake, stated)
    assert found.snapshot == snapshot and f"{found.committed:%Y-%m-%d %H:%M}" == DAYS[snapshot]
    assert str(found) == f"snapshot {snapshot}, committed {DAYS[snapshot]} UTC"


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=8).map(sorted),
    st.integers(0, 45),
)
def test_the_snapshot_of_a_day_is_what_a_loop_finds(hours: list[int], day: int) -> None:
    from metabt.lakehouse.prices import as_of as module

    times = {number: datetime.datetime(2026, 1, 1) + datetime.timedelta(hours=8 * h) for number, h in enumerate(hours)}
    stated = datetime.date(2026, 1, 1) + datetime.timedelta(days=day // 3)
    wanted = [number for number, time in times.items() if time.date() <= stated]
    if wanted:
        assert module._on(None, stated, times) == wanted[-1]  # type: ignore[arg-type]
    else:
        with pytest.raises(ConfigError, match=f"as_of is {stated}, and the lakehouse begins with snapshot 0"):
            module._on(None, stated, times)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        (5, "no such snapshot: its newest is 4, committed 2026-03-09 12:00 UTC"),
        (-1, "no such snapshot"),
        ("2026-02-28", "the lakehouse begins with snapshot 0 of 2026-03-01 09:00 UTC; state a later day"),
        ("2200-01-01", "yet to come; leave it out"),
        ("yesterday", "wanted the number of a snapshot, as `metabt runs` lists them, or a date such as 2026-11-01"),
        ("2026-13-01", "wanted the number"),
        ("", "wanted the number"),
        (True, "wanted the number"),
        (2.5, "wanted the number"),
        ([3], "wanted the number"),
    ],
)
def test_what_never_was_is_refused(lake: Path, stated: object, says: str) -> None:
    with pytest.raises(ConfigError, match="as_of is") as raised:
        meant(lake, stated)
    assert says in str(raised.value)


def test_an_expired_snapshot_is_refused_with_what_is_still_there(lake: Path) -> None:
    expire(lake, 0, 1, 3)
    with pytest.raises(StoreError, match="as_of is 3, and that snapshot has expired.*there are snapshot 2 of .* and "):
        meant(lake, 3)
    with pytest.raises(StoreError, match="has expired.*still there is snapshot 2 of"):
        meant(lake, 1)
    with pytest.raises(ConfigError, match="what is left of the lakehouse begins with snapshot 2 of .*have expired"):
        meant(lake, "2026-03-01")


def test_a_day_whose_snapshot_expired_is_refused_where_data_changed(lake: Path) -> None:
    expire(lake, 3)
    for day in ("2026-03-03", "2026-03-06"):  # the expired one may have been committed on either
        with pytest.raises(StoreError, match="is not known.*state the one that you mean: as_of=2 or as_of=4"):
            meant(lake, day)
    assert meant(lake, "2026-03-09").snapshot == 4


def test_a_day_whose_snapshot_expired_is_another_with_the_same_data(lake: Path) -> None:
    with attach(lake) as con:  # what is no data, as a run is none
        con.execute("INSERT INTO seals VALUES ('x', 0, 'x')")
        con.execute("DELETE FROM seals WHERE name = 'x'")
    backdate(lake, {5: "2026-03-11 10:00", 6: "2026-03-13 10:00"})
    expire(lake, 5)
    assert [meant(lake, day).snapshot for day in ("2026-03-10", "2026-03-12", "2026-03-13")] == [4, 4, 6]


def test_data_that_changed_and_changed_back_are_not_taken_for_the_same(lake: Path) -> None:
    prices = stocks(5, 60).rename_axis("date")
    ingest(lake, "stocks", prices)
    ingest(lake, "stocks", prices * 1.5)
    backdate(lake, {5: "2026-03-11 10:00", 6: "2026-03-13 10:00"})
    expire(lake, 5)
    with pytest.raises(StoreError, match="is not known"):
        meant(lake, "2026-03-12")


def test_a_dataset_that_was_dropped_was_there_then(lake: Path) -> None:
    drop(lake, "stocks")
    backdate(lake, {5: "2026-03-11 10:00"})
    expire(lake, 3)
    assert meant(lake, "2026-03-10").snapshot == 4 and meant(lake, "2026-03-11").snapshot == 5
