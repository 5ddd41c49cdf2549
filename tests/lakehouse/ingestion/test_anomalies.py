"""What is odd about closes is found where it was planted, noted, counted, and left as it is."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from metabt.lakehouse import ingest
from metabt.lakehouse.ingestion.anomalies import anomalies
from tests.lakehouse.conftest import wide

FRAME = wide(80)


def found(frame: pd.DataFrame) -> set[tuple[str, str, str, float]]:
    """Return (symbol, date, kind, value) of a wide frame, factors rounded."""
    long = frame.reset_index(drop=True).melt(ignore_index=False).dropna().reset_index()
    long = long.assign(code=long["variable"].map(list(frame.columns).index)).sort_values(["code", "index"])
    columns = (long[name].to_numpy() for name in ("code", "index", "value"))
    rows = anomalies(tuple(frame.columns), frame.index.to_numpy().astype("datetime64[D]"), *columns)
    return {(symbol, str(day), kind, round(value, 3)) for symbol, day, kind, value in rows}


def day(row: int) -> str:
    return str(FRAME.index[row].date())


def stepped(row: int, factor: float) -> pd.DataFrame:
    """Return flat prices that are multiplied at a row, for good."""
    frame = pd.DataFrame(100.0 + np.arange(80)[:, None] % 2, FRAME.index, ["AA"])
    frame.iloc[row:] *= factor
    return frame


def test_a_random_walk_is_not_odd() -> None:
    assert found(FRAME) == set()


@pytest.mark.parametrize("factor", [10.0, 100.0, 0.1, 0.01, 6.0])
def test_a_spike_comes_back(factor: float) -> None:
    frame = pd.DataFrame(100.0, FRAME.index, ["AA"]) + np.arange(80)[:, None] % 2
    frame.iloc[30] = 100.0 * factor
    ((symbol, date, kind, value),) = found(frame)
    assert (symbol, date, kind) == ("AA", day(30), "spike")
    assert value == pytest.approx(factor, rel=0.02)


@pytest.mark.parametrize("ratio", [2, 3, 4, 5, 10, 20])
@pytest.mark.parametrize("power", [1, -1])
def test_a_step_near_a_ratio_of_splits_stays(ratio: int, power: int) -> None:
    ((symbol, date, kind, value),) = found(stepped(31, 1.0 * ratio**power))
    assert (symbol, date, kind) == ("AA", day(31), "split")
    assert value == pytest.approx(ratio**power, rel=0.02)


@pytest.mark.parametrize("factor", [100.0, 0.01, 7.0])
def test_any_other_large_step_is_a_jump(factor: float) -> None:
    assert {row[:3] for row in found(stepped(31, factor))} == {("AA", day(31), "jump")}


@pytest.mark.parametrize("factor", [1.4, 0.7, 1.8])
def test_a_bad_day_is_not_odd(factor: float) -> None:
    assert found(stepped(31, factor)) == set()


@pytest.mark.parametrize("length", [10, 11, 30])
def test_the_same_close_for_more_than_ten_sessions_is_stale(length: int) -> None:
    frame = FRAME.copy()
    frame.iloc[20 : 20 + length, 1] = frame.iloc[20, 1]
    assert found(frame) == ({("BB", day(20), "stale", float(length))} if length > 10 else set())


def test_gaps_are_of_a_symbols_life() -> None:
    frame = FRAME.copy()
    frame.iloc[:7, 0] = np.nan
    frame.iloc[70:, 0] = np.nan
    frame.iloc[20:31, 1] = np.nan
    frame.iloc[40:43, 2] = np.nan
    frame.iloc[50:52, 2] = np.nan
    assert found(frame) == {("BB", day(20), "gap", 11.0), ("CC", day(40), "missing", 5.0)}


def test_they_are_stored_told_and_gone_when_corrected(fresh: Path, watch: duckdb.DuckDBPyConnection) -> None:
    frame = FRAME.copy()
    frame.iloc[30, 1] *= 100
    report = ingest(fresh, "d", frame)
    assert f"spike of BB on {day(30)} (x" in str(report).splitlines()[-1]
    ((*named, value),) = watch.execute("FROM checks").fetchall()
    assert named == ["d", "BB", FRAME.index[30].date(), "spike"] and 90 < value < 110
    stored = watch.execute("SELECT max(close) FROM prices WHERE symbol = 'BB'").fetchall()
    assert stored == [(frame["BB"].max(),)]
    assert ingest(fresh, "d", FRAME).notes == ()
    assert watch.execute("FROM checks").fetchall() == []


def test_sessions_of_another_symbol_make_a_gap(fresh: Path, watch: duckdb.DuckDBPyConnection) -> None:
    thin = FRAME[["AA"]].drop(FRAME.index[20:35])
    ingest(fresh, "d", thin)
    assert watch.execute("FROM checks").fetchall() == []
    ingest(fresh, "d", FRAME[["BB"]])
    assert watch.execute("SELECT symbol, kind, value FROM checks").fetchall() == [("AA", "gap", 15.0)]
