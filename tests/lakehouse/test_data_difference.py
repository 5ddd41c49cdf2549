"""What became of data between two snapshots: every observation as a naive loop finds it, every row, and who read it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metabt
from metabt.cli.main import main
from metabt.errors import ConfigError, StoreError
from metabt.lakehouse import attach, ingest, upkeep
from metabt.lakehouse.data_difference import Changes, PriceRows, _differing, _observed
from metabt.lakehouse.ingestion.tables.table_ingestion import ingest_table
from metabt.lakehouse.stored_data import drop
from tests.shared.panels import stocks
from tests.shared.past_snapshots import backdate, expire
from tests.shared.small_tree import tree


def prices() -> pd.DataFrame:
    return stocks(5, 300, gaps=False).rename_axis("date")


CORRECTED = [(10, "AA"), (11, "AA"), (60, "CC")]
"""Rows and symbols that a vendor corrects."""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int], dict[str, str]]:
    """Return a lakehouse with four runs, prices that a vendor then restated, and tables; snapshots and runs by name."""
    lake = tmp_path_factory.mktemp("restated") / "lake"
    old, at, runs = prices().iloc[:200], {}, {}

    def mark(name: str) -> None:
        with attach(lake, read_only=True) as con:
            at[name] = con.execute("SELECT max(snapshot_id) FROM ducklake_snapshots('lake')").fetchall()[0][0]

    ingest(lake, "stocks", old)
    leaf = {"dataset": "stocks", "lookback": 20, "optimizer": "equal"}
    runs["all"] = metabt.backtest(tree(), lake).run_id
    runs["short"] = metabt.backtest({**leaf, "name": "short", "universe": ["CC", "DD"]}, lake, end=old.index[50]).run_id
    runs["other"] = metabt.backtest({**leaf, "name": "other", "universe": ["DD", "EE"]}, lake).run_id
    runs["against"] = metabt.backtest(
        {**leaf, "name": "against", "universe": ["DD", "EE"]}, lake, benchmark="CC"
    ).run_id
    mark("before")
    new = prices().copy()
    for row, symbol in CORRECTED:
        new.iloc[row, list(new.columns).index(symbol)] *= 1.01
    new.iloc[30, list(new.columns).index("BB")] = np.nan
    ingest(lake, "stocks", new.iloc[:200], replace=True)
    mark("restated")
    runs["after"] = metabt.backtest({**leaf, "name": "after", "universe": ["AA", "CC"]}, lake).run_id
    ingest(lake, "stocks", new, replace=True)
    mark("longer")
    rates = pd.DataFrame({"name": "usd", "date": ["2020-01-01", "2021-06-01"], "value": [0.01, 0.02], "day_count": 360})
    ingest_table(lake, "stocks", rates, "rates")
    mark("rates")
    ingest_table(lake, "stocks", rates.assign(value=[0.01, 0.03]), "rates")
    mark("raised")
    return lake, at, runs


def naive(old: pd.DataFrame, new: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return what differs, cell by cell, up to the last session there was."""
    found = []
    for symbol in sorted({*old.columns, *new.columns}):
        cells: dict[str, list[tuple[Any, ...]]] = {"corrected": [], "filled in": [], "taken away": []}
        for day in sorted(day for day in {*old.index, *new.index} if day <= old.index[-1]):
            before, after = (
                frame.at[day, symbol] if day in frame.index and symbol in frame.columns else np.nan
                for frame in (old, new)
            )
            if np.isnan(before) and np.isnan(after) or before == after:
                continue
            kind = "filled in" if np.isnan(before) else "taken away" if np.isnan(after) else "corrected"
            values = tuple(None if np.isnan(it) else it for it in (before, after))
            cells[kind].append((kind, "stocks", symbol, day.date(), "close", *values))
        found += [cell for kind in cells.values() for cell in kind]
    return found


def test_observations_differ_as_a_loop_over_cells_finds(stored: tuple[Path, dict[str, int], dict[str, str]]) -> None:
    lake, at, _ = stored
    found = metabt.diff_data(at["before"], at["longer"], lakehouse=lake)
    new = prices().copy()
    for row, symbol in CORRECTED:
        new.iloc[row, list(new.columns).index(symbol)] *= 1.01
    new.iloc[30, list(new.columns).index("BB")] = np.nan
    assert [*found.changes.price_rows()] == naive(prices().iloc[:200], new)
    (more,) = found.changes.appended
    assert more.dates.tolist() == [day.date() for day in prices().index[200:]]
    assert {*found.frame()["what"]} == {"appended", "corrected", "taken away", "run"}
    lines = found.lines()
    assert (
        lines[0].startswith(f"from snapshot {at['before']}, committed") and "stocks: 100 sessions appended" in lines[1]
    )
    assert "  stocks: 3 close observations of 2 symbols corrected: " in "\n".join(lines)
    assert "  stocks: 1 close observation of 1 symbol taken away: " in "\n".join(lines)


cell = st.one_of(st.just(np.nan), st.integers(1, 3).map(float))


@given(st.lists(st.tuples(cell, cell), min_size=1, max_size=8), st.integers(0, 7))
def test_any_two_columns_differ_as_a_loop_finds(cells: list[tuple[float, float]], last: int) -> None:
    days = np.datetime64("2020-01-01", "D") + np.arange(len(cells))
    end = days[min(last, len(cells) - 1)]

    class Panel:
        def __init__(self, side: int) -> None:
            self.symbols, self.dates, self.volume = ("A",), days, None
            self.close = np.array([[pair[side]] for pair in cells])

    sides = [_observed(Panel(side), "close", "A", end) for side in (0, 1)]  # type: ignore[arg-type]
    rows = _differing("stocks", "A", "close", sides)
    found = {(it.kind, day) for it in rows for day in it.dates.tolist()}
    wanted = set()
    for day, (old, new) in zip(days, cells, strict=True):
        if day <= end and not (old == new or (np.isnan(old) and np.isnan(new))):
            kind = "filled in" if np.isnan(old) else "taken away" if np.isnan(new) else "corrected"
            wanted.add((kind, day.item()))
    assert found == wanted and all(np.all(np.diff(it.dates.astype(int)) > 0) for it in rows)


def test_runs_that_had_read_it_are_named_and_others_are_not(
    stored: tuple[Path, dict[str, int], dict[str, str]],
) -> None:
    lake, at, runs = stored
    found = {run.run_id: run for run in metabt.diff_data(at["before"], lakehouse=lake).runs}
    # `short` ended before CC was corrected, `other` holds neither, `after` read what was corrected already
    assert set(found) == {runs["all"], runs["against"]}
    assert found[runs["all"]].by == ("stocks AA", "stocks BB", "stocks CC")
    assert found[runs["all"]].since == np.datetime64(prices().index[10].date())
    assert found[runs["against"]].by == ("stocks CC",)
    assert metabt.diff_data(at["restated"], at["longer"], lakehouse=lake).runs == ()  # an append touches nothing


def test_a_rate_touches_the_runs_that_name_it(
    stored: tuple[Path, dict[str, int], dict[str, str]], tmp_path: Path
) -> None:
    lake, at, _ = Path(shutil.copytree(stored[0], tmp_path / "lake")), stored[1], stored[2]
    leaf = {"name": "paid", "dataset": "stocks", "lookback": 20, "universe": ["DD", "EE"]}
    paid = metabt.backtest({**leaf, "cash": "usd"}, lake, as_of=at["rates"])
    metabt.backtest({**leaf, "cash": 0.01}, lake, as_of=at["rates"])
    early = metabt.backtest({**leaf, "cash": "usd"}, lake, as_of=at["rates"], end="2021-05-28")
    found = metabt.diff_data(at["rates"], at["raised"], lakehouse=lake)
    (row,) = found.changes.table_rows()
    assert row[:5] == ("row changed", "stocks", "usd", pd.Timestamp("2021-06-01").date(), "rates")
    assert row[5:] == ("value 0.02, day_count 360.0", "value 0.03, day_count 360.0")
    assert [(run.run_id, run.by) for run in found.runs] == [(paid.run_id, ("rates of stocks: usd",))]
    assert early.run_id not in {run.run_id for run in found.runs}


def test_a_run_in_between_whose_snapshot_expired_counts_as_touched(
    stored: tuple[Path, dict[str, int], dict[str, str]], tmp_path: Path
) -> None:
    lake, at, runs = Path(shutil.copytree(stored[0], tmp_path / "lake")), stored[1], stored[2]
    expire(lake, at["restated"])
    found = metabt.diff_data(at["before"], lakehouse=lake)
    assert runs["after"] in {run.run_id for run in found.runs}


def test_datasets_that_come_and_go_and_what_is_stated_of_them(
    stored: tuple[Path, dict[str, int], dict[str, str]], tmp_path: Path
) -> None:
    lake, at, _ = Path(shutil.copytree(stored[0], tmp_path / "lake")), stored[1], stored[2]
    ingest(lake, "new", prices().iloc[:5], closed=True)
    drop(lake, "stocks")
    found = metabt.diff_data(at["raised"], lakehouse=lake)
    assert [*found.changes.rows()] == [
        ("dataset", "stocks", None, None, "dataset", "5 symbols", None),
        ("dataset", "new", None, None, "dataset", None, "5 symbols"),
    ]
    assert found.lines()[1:3] == ["  stocks: is gone, 5 symbols", "  new: is new, 5 symbols"]
    assert len(found.runs) == 5  # all of them read it
    only = metabt.diff_data(at["raised"], lakehouse=lake, dataset="new")
    assert [row[1] for row in only.changes.rows()] == ["new"] and only.runs == ()


def test_nothing_differs_from_a_snapshot_to_itself(stored: tuple[Path, dict[str, int], dict[str, str]]) -> None:
    lake, at, _ = stored
    for name in at.values():
        found = metabt.diff_data(name, name, lakehouse=lake)
        assert not found.rows() and found.lines()[1:] == ["  nothing differs", "0 stored runs had read what differs"]


@pytest.mark.parametrize(
    ("one", "other", "dataset", "says"),
    [
        ("restated", "before", None, "is later than snapshot .*state the earlier one first"),
        (99, None, None, "no such snapshot"),
        ("soon", None, None, "wanted the number of a snapshot"),
        ("before", None, "stokcs", "no dataset 'stokcs' in the lakehouse; did you mean 'stocks'"),
    ],
)
def test_bad_endpoints_are_refused(
    stored: tuple[Path, dict[str, int], dict[str, str]], one: Any, other: Any, dataset: str | None, says: str
) -> None:
    lake, at, _ = stored
    with pytest.raises(ConfigError, match=says):
        metabt.diff_data(at.get(one, one), at.get(other, other), lakehouse=lake, dataset=dataset)


def test_an_expired_end_is_refused(stored: tuple[Path, dict[str, int], dict[str, str]], tmp_path: Path) -> None:
    lake = Path(shutil.copytree(stored[0], tmp_path / "lake"))
    upkeep(lake)
    with pytest.raises(StoreError, match="has expired"):
        metabt.diff_data(stored[1]["rates"], lakehouse=lake)


def test_the_command_prints_counts_rows_and_runs(
    stored: tuple[Path, dict[str, int], dict[str, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake, at, runs = Path(shutil.copytree(stored[0], tmp_path / "lake")), stored[1], stored[2]
    place = ["--lakehouse", str(lake)]
    assert main(["diff-data", str(at["before"]), *place]) == 0
    told = capsys.readouterr().out
    assert (
        told.startswith(f"from snapshot {at['before']}, committed ") and "2 stored runs had read what differs" in told
    )
    assert all(
        text in told for text in ("corrected", "taken away", "row added", runs["all"][:12], "stocks AA, stocks BB")
    )
    monkeypatch.setattr("metabt.cli.data_commands.SHOWN", 1)
    assert main(["diff-data", str(at["before"]), *place]) == 0
    told = capsys.readouterr().out
    assert "and 3 observations more; --format csv has them all" in told and "and 1 run more" in told
    backdate(lake, {number: "2026-01-01 10:00" for number in range(at["before"] + 1)})
    assert main(["diff-data", "2026-01-01", str(at["restated"]), "--format", "json", *place]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["what"] for row in rows] == ["corrected"] * 2 + ["taken away", "corrected", "run", "run"]
    assert rows[0]["old"] * 1.01 == pytest.approx(rows[0]["new"]) and rows[0]["name"] == "AA"
    assert main(["diff-data", "99", *place]) == 1 and "no such snapshot" in capsys.readouterr().err
    assert main(["diff-data", "1", "--dataset", "stocks", "--format", "csv", *place]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "what,dataset,name,date,field,old,new"


def test_many_symbols_are_read_some_at_a_time(
    stored: tuple[Path, dict[str, int], dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, at, _ = stored
    whole = metabt.diff_data(at["before"], lakehouse=lake).changes
    monkeypatch.setattr("metabt.lakehouse.data_difference.AT_ONCE", 1)
    parts = metabt.diff_data(at["before"], lakehouse=lake).changes
    assert isinstance(whole, Changes) and all(isinstance(it, PriceRows) for it in whole.prices)
    assert [*parts.rows()] == [*whole.rows()]


def test_a_run_is_touched_by_what_its_assets_turn_into_and_by_days_of_a_meta_sleeves_schedule(tmp_path: Path) -> None:
    """Whose identity is another on the data of now had read what changed, and is named."""
    lake, frame = tmp_path / "lake", prices().iloc[:120]
    days = [str(day.date()) for day in frame.index]
    ends = frame.copy()
    ends.loc[days[80] :, "AA"] = np.nan
    raw = ends.rename_axis("date")
    metabt.ingest(raw, dataset="stocks", lakehouse=lake, adjusted=False)
    merger = pd.DataFrame({"asset": ["AA"], "ex_date": [days[80]], "kind": "merger", "ratio": [1.2], "into": ["CC"]})
    ingest_table(lake, "stocks", merger, "actions")
    meetings = pd.DataFrame({"name": "fomc", "date": days[30::15], "known_at": days[0]})
    ingest_table(lake, "stocks", meetings, "schedules")
    leaf = {"dataset": "stocks", "lookback": 5, "optimizer": "equal", "universe": ["AA", "BB"]}
    beneath = {"d": {**leaf, "universe": ["DD"]}}
    inner = {"lookback": 5, "optimizer": "equal", "schedule": {"dates": "fomc"}, "sleeves": beneath}
    trees = [
        {**leaf, "name": "merging"},
        {"name": "meeting", "lookback": 5, "optimizer": "equal", "sleeves": {"inner": inner}},
        {**leaf, "name": "neither", "universe": ["DD", "EE"]},
    ]

    def asked() -> dict[str, str]:
        return {str(tree["name"]): metabt.backtest(tree, lake).run_id for tree in trees}

    def now() -> int:
        with attach(lake, read_only=True) as con:
            return int(con.execute("SELECT max(snapshot_id) FROM ducklake_snapshots('lake')").fetchall()[0][0])

    def touched(since: int, before: dict[str, str]) -> set[str]:
        found = {run.portfolio for run in metabt.diff_data(since, lakehouse=lake).runs}
        assert found == {name for name, run_id in asked().items() if run_id != before[name]}
        return found

    before, since = asked(), now()
    raw.loc[days[80], "CC"] *= 1.1
    metabt.ingest(raw, dataset="stocks", lakehouse=lake)
    assert touched(since, before) == {"merging"}
    before, since = asked(), now()
    ingest_table(lake, "stocks", pd.DataFrame({"name": "fomc", "date": [days[50]], "known_at": [days[0]]}), "schedules")
    assert touched(since, before) == {"meeting"}
