"""What is dropped or withdrawn is gone as if it had never been ingested; what is forgotten leaves no row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import metabt
from metabt.errors import ConfigError
from metabt.lakehouse import attach, ingest
from metabt.lakehouse.catalog.schema import RUN_TABLES
from metabt.lakehouse.runs.names import resolve_run
from metabt.lakehouse.stored_data import Forgotten, drop, forget, list_checks, list_datasets
from tests.lakehouse.conftest import state, wide
from tests.shared.resealed import reseal

FRAME = wide(60)
VOLUMES = pd.concat({"Close": FRAME, "Volume": FRAME * [10, np.nan, np.nan]}, axis=1)
RUNS = ("runs", "asked", *RUN_TABLES)
TABLES = ("prices", "calendars", "digests", "datasets", "checks")


def content(lake: Path) -> dict[str, list[tuple[object, ...]]]:
    with attach(lake, read_only=True) as con:
        return {table: con.execute(f"FROM {table} ORDER BY ALL").fetchall() for table in TABLES}


@pytest.mark.parametrize("gone", [("AA",), ("BB", "CC")])
def test_dropped_symbols_leave_what_a_fresh_lakehouse_has(fresh: Path, tmp_path: Path, gone: tuple[str, ...]) -> None:
    frame = VOLUMES.copy()
    frame.loc[frame.index[:5], ("Close", "BB")] = np.nan
    ingest(fresh, "d", frame)
    assert drop(fresh, "d", gone) == (int(frame["Close"][list(gone)].count().sum()), 3 - len(gone))
    kept = [symbol for symbol in FRAME if symbol not in gone]
    ingest(tmp_path / "other", "d", frame.loc[:, frame.columns.get_level_values(1).isin(kept)])
    assert content(fresh) == content(tmp_path / "other")


def test_a_dropped_dataset_is_gone_and_others_stay(fresh: Path) -> None:
    ingest(fresh, "e", FRAME)
    before = content(fresh)
    ingest(fresh, "d", VOLUMES)
    assert drop(fresh, "d") == (180, 0)
    assert content(fresh) == before
    assert ingest(fresh, "d", VOLUMES).added == 180


@pytest.mark.parametrize(("dataset", "symbols"), [("no", ()), ("d", ("AB",))])
def test_what_is_not_there_cannot_be_dropped(fresh: Path, dataset: str, symbols: tuple[str, ...]) -> None:
    ingest(fresh, "d", FRAME)
    before = state(fresh)
    with pytest.raises(ConfigError, match="no dataset 'no'|has no symbol 'AB'; known: AA, BB, CC"):
        drop(fresh, dataset, symbols)
    assert state(fresh) == before


@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_a_file_that_replaces_is_the_whole_truth_of_its_span(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("replace")
    gone = data.draw(st.lists(st.tuples(st.integers(10, 30), st.integers(0, 1)), max_size=8))
    new = FRAME.iloc[10:31, :2].copy()
    for row, column in gone:
        new.iloc[row - 10, column] = np.nan
    ingest(folder / "lake", "d", FRAME)
    report = ingest(folder / "lake", "d", new, replace=True)
    expected = FRAME.copy()
    for symbol in new.columns.intersection(new.dropna(axis=1, how="all").columns):
        seen = new[symbol].dropna().index
        span = expected.index[(expected.index >= seen[0]) & (expected.index <= seen[-1])]
        expected.loc[span.difference(seen), symbol] = np.nan
    assert report.withdrawn == int(expected.isna().to_numpy().sum())
    ingest(folder / "other", "d", expected)
    assert content(folder / "lake") == content(folder / "other")


def test_a_session_without_any_price_left_is_none(fresh: Path, tmp_path: Path) -> None:
    ingest(fresh, "d", FRAME)
    ingest(fresh, "d", FRAME.drop(FRAME.index[20]), replace=True)
    ingest(tmp_path / "other", "d", FRAME.drop(FRAME.index[20]))
    assert content(fresh) == content(tmp_path / "other")


def test_datasets_are_listed_with_what_is_odd(fresh: Path) -> None:
    frame = FRAME.copy()
    frame.iloc[30, 1] *= 100
    ingest(fresh, "d", frame, closed=True)
    ingest(fresh, "e", FRAME)
    with attach(fresh, read_only=True) as con:
        first, last = FRAME.index[0].date(), FRAME.index[-1].date()
        assert list_datasets(con) == [
            ("d", 3, 60, first, last, True, None, True, None, 1, None),
            ("e", 3, 60, first, last, False, None, True, None, 0, None),
        ]
        ((symbol, day, kind, _),) = list_checks(con, "d")
        assert (symbol, day, kind) == ("BB", FRAME.index[30].date(), "spike")
        with pytest.raises(ConfigError, match="no dataset 'f'"):
            list_checks(con, "f")


def test_symbols_and_assets_are_counted_apart(fresh: Path) -> None:
    ingest(fresh, "d", FRAME)
    days = FRAME.index
    lives = {
        "asset": ["AA", "AA"],
        "symbol": ["AA", "BB"],
        "first_date": days[[0, 30]],
        "last_date": [days[29], pd.NaT],
    }
    metabt.ingest(pd.DataFrame(lives), dataset="d", lakehouse=fresh, table="assets")
    with attach(fresh, read_only=True) as con:
        (row,) = list_datasets(con)
        assert (row[1], row[-1]) == (3, 2)  # BB is AA's second name alone


TREE = {"name": "t", "universe": "all", "optimizer": "equal"}


def rows_of(lake: Path, run_id: str) -> int:
    with attach(lake, read_only=True) as con:
        sql = " UNION ALL ".join(f"SELECT run_id FROM {table}" for table in RUNS)
        return int(con.execute(f"SELECT count(*) FROM ({sql}) WHERE run_id = $1", [run_id]).fetchall()[0][0])


def test_a_forgotten_run_leaves_no_row_and_others_stay(fresh: Path) -> None:
    ingest(fresh, "d", FRAME)
    one, two = (metabt.backtest({**TREE, "lookback": lookback}, fresh) for lookback in (5, 6))
    metabt.backtest({**TREE, "lookback": 5}, fresh)  # asked for twice
    assert rows_of(fresh, one.run_id) > 2
    assert forget(fresh, one.run_id[:12]) == Forgotten((one.run_id,))
    assert rows_of(fresh, one.run_id) == 0
    with attach(fresh, read_only=True) as con:
        assert con.execute("SELECT run_id FROM runs").fetchall() == [(two.run_id,)]
        assert con.execute("SELECT DISTINCT run_id FROM asked").fetchall() == [(two.run_id,)]
        assert con.execute("SELECT run_id FROM latest.names").fetchall() == [(two.run_id,)]
    pd.testing.assert_frame_equal(metabt.load(fresh, two.run_id).weights, two.weights)
    with pytest.raises(ConfigError, match="no run or portfolio"):
        forget(fresh, one.run_id)


def test_a_name_is_forgotten_as_every_command_resolves_it(fresh: Path) -> None:
    """Stored rows as a backtest leaves them, with identities that begin alike."""
    store(fresh, {"aa1": None, "aa2": "bb1", "ab3": "bb2"}, [("aa1", None), ("aa2", "bb1"), ("ab3", "bb2")])
    for name, message in {
        "aa": "begins 2 runs",
        "bb": r"begins 2 runs and sweeps \(sweep bb1, sweep bb2\)",
        "": "no run or portfolio ''",
        "zz": "no run or portfolio 'zz'",
        "q": "no run of 'q' without overrides is stored; .* say its run_id",
    }.items():
        before = state(fresh)
        with pytest.raises(ConfigError, match=message):
            forget(fresh, name)
        assert state(fresh) == before
    with attach(fresh, read_only=True) as con:
        meant = resolve_run(con, "p")
    assert forget(fresh, "p") == Forgotten((meant,))
    assert forget(fresh, "bb2") == Forgotten(("ab3",))
    assert rows_of(fresh, "aa2") == 2


def test_a_sweep_takes_away_what_it_alone_asked_for(fresh: Path) -> None:
    store(
        fresh,
        {"aa1": "bb1", "aa2": "bb1", "aa3": None, "aa4": "cc1", "aa5": "bb1"},
        [("aa1", "bb1"), ("aa2", "bb1"), ("aa2", None), ("aa3", None), ("aa3", "bb1"), ("aa4", "bb1"), ("aa4", "cc1")],
    )
    assert forget(fresh, "bb1") == Forgotten(("aa1", "aa5"), ("aa2", "aa3", "aa4"))  # aa5 is older than `asked`
    with attach(fresh, read_only=True) as con:
        assert con.execute("SELECT run_id, sweep_id FROM asked ORDER BY ALL").fetchall() == [
            *(("aa2", None), ("aa3", None), ("aa4", "cc1")),
        ]
    with pytest.raises(ConfigError, match="no run or portfolio 'bb1'"):
        forget(fresh, "bb1")


def store(lake: Path, runs: dict[str, str | None], asked: list[tuple[str, str | None]]) -> None:
    ingest(lake, "d", FRAME)
    with attach(lake) as con:
        for place, (run, sweep) in enumerate(runs.items()):
            con.execute(
                "INSERT INTO runs (run_id, portfolio, sweep_id, status, started_at) VALUES ($1, $2, $3, 'ok', now())",
                [run, "p" if place == 0 else "q", sweep],
            )
        for run, sweep in asked:
            con.execute("INSERT INTO asked VALUES ($1, $2, now(), '[]')", [run, sweep])
        reseal(con)
