"""What is odd about tables beside prices is noted, and what splits explain is odd no more."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metabt
from metabt.lakehouse import attach
from metabt.lakehouse.ingestion.tables.table_ingestion import drop_dated
from metabt.lakehouse.point_in_time.split_jumps import jumped
from metabt.lakehouse.stored_data import list_checks
from tests.lakehouse.conftest import wide

FRAME = wide(60)
DAY = FRAME.index


def checks(lake: Path) -> set[tuple[str, date, str, float]]:
    with attach(lake, read_only=True) as con:
        return {(symbol, when, kind, value) for symbol, when, kind, value in list_checks(con, "d")}


def put(lake: Path, table: str, columns: dict[str, object], **options: object) -> str:
    return str(metabt.ingest(pd.DataFrame(columns), dataset="d", lakehouse=lake, table=table, **options))


def day(place: int) -> date:
    return DAY[place].date()


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Return raw prices: AA splits 4:1 where nothing says so, BB does not jump."""
    frame = FRAME.copy()
    frame.loc[DAY[30] :, "AA"] /= 4.0
    metabt.ingest(frame, dataset="d", lakehouse=tmp_path, adjusted=False)
    return tmp_path


def test_a_jump_wants_its_split_and_a_split_its_jump(lake: Path) -> None:
    ((symbol, when, kind, factor),) = checks(lake)
    assert (symbol, when, kind) == ("AA", day(30), "split") and factor == pytest.approx(0.25, rel=0.1)
    said = put(lake, "actions", {"asset": ["AA"], "ex_date": [DAY[29]], "kind": ["split"], "ratio": [4.0]})
    assert ("AA", day(29), "split without its jump", 4.0) in checks(lake) and "split without its jump" in said
    put(lake, "actions", {"asset": ["AA"], "ex_date": [DAY[30]], "kind": ["split"], "ratio": [4.0]}, replace=True)
    assert checks(lake) == set()
    put(lake, "actions", {"asset": ["BB"], "ex_date": [DAY[40]], "kind": ["stock"], "ratio": [1.0]})
    assert checks(lake) == {("BB", day(40), "split without its jump", 2.0)}
    metabt.ingest(FRAME[:0:-1] * [0.25, 1.0, 1.0], dataset="d", lakehouse=lake, replace=True, rescale=True)
    assert ("BB", day(40), "split without its jump", 2.0) in checks(lake)  # found anew with every change of prices


def test_a_split_on_a_day_without_a_price_is_looked_for_at_the_next_one(tmp_path: Path) -> None:
    place = next(place for place in range(20, 30) if DAY[place].weekday() == 0)
    frame = FRAME.copy()
    frame.loc[DAY[place] :, "AA"] /= 4.0
    metabt.ingest(frame, dataset="d", lakehouse=tmp_path, adjusted=False)
    sunday = DAY[place] - pd.Timedelta(days=1)
    put(tmp_path, "actions", {"asset": ["AA"], "ex_date": [sunday], "kind": ["split"], "ratio": [4]})
    assert checks(tmp_path) == {("AA", sunday.date(), "action on no session", 1.0)}


@given(st.floats(1.5, 50), st.floats(-0.15, 0.15), st.booleans())
def test_whether_closes_jumped(factor: float, move: float, inverse: bool) -> None:
    factor = 1 / factor if inverse else factor
    assert jumped(100.0, 100.0 / factor * (1 + move), factor)
    assert not jumped(100.0, 100.0 * (1 + move), factor)


def test_members_ends_and_rates(lake: Path) -> None:
    put(
        lake,
        "members",
        {
            "universe": "X",
            "asset": ["AA", "ZZ", "ZZ", "CC"],
            "from": [DAY[0], DAY[5], DAY[20], pd.Timestamp("2015-01-01")],
            "to": [pd.NaT, DAY[9], DAY[25], pd.Timestamp("2016-01-01")],
        },
    )
    put(lake, "delistings", {"asset": ["AA"], "date": [DAY[-1]], "return": [-0.5]})
    put(lake, "rates", {"name": ["usd", "usd"], "date": DAY[:2], "value": [0.02, -0.7], "day_count": 360})
    found = checks(lake) - {row for row in checks(lake) if row[2] == "split"}
    assert found == {
        ("ZZ", day(5), "member without prices", 2.0),
        ("CC", date(2015, 1, 1), "member without prices", 1.0),
        ("usd", day(1), "rate like percent", -0.7),
        ("usd", day(1), "rate ends early", float((day(-1) - day(1)).days)),
    }
    later = pd.DataFrame({"AA": [30.0]}, pd.DatetimeIndex([DAY[-1] + pd.Timedelta(days=10)], name="Date"))
    metabt.ingest(later, dataset="d", lakehouse=lake)
    assert ("AA", day(-1), "prices after its end", 10.0) in checks(lake)
    put(lake, "actions", {"asset": ["AA"], "ex_date": [DAY[-1]], "kind": ["merger"], "cash": [3.0]})
    assert ("AA", day(-1), "ends twice", 2.0) in checks(lake)
    # another life of the ticker from then on: the prices are the other asset's
    lives = {"asset": ["AA", "AA2"], "symbol": "AA", "from": [DAY[0], later.index[0]], "to": [DAY[-1], pd.NaT]}
    put(lake, "assets", lives)
    assert not {row for row in checks(lake) if row[2] == "prices after its end"}


def test_a_restatement_stays_noted_while_its_table_is_there(lake: Path) -> None:
    rates = {"name": "usd", "date": DAY[[0, 9]], "value": [0.01, 0.02], "day_count": 360}
    put(lake, "rates", rates)
    said = put(lake, "rates", {**rates, "value": [0.01, 0.03]})
    late = ("usd", day(9), "late rates", 1.0)
    assert late in checks(lake) and "1 changed, 1 unchanged, 1 late" in said
    metabt.ingest(FRAME[["CC"]] * 1.01, dataset="d", lakehouse=lake, rescale=True)
    assert late in checks(lake)
    assert drop_dated(lake, "d", "rates") == 2
    assert late not in checks(lake)
    assert np.all([row[2] == "split" for row in checks(lake)])
