"""A stored run computed again: the same bytes, or which byte differs and which input; and a summary made whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import metabt
from metabt import lakehouse
from metabt.api.completion import completed
from metabt.config import Job
from metabt.errors import StoreError
from metabt.runs.reproduce import first_difference, reproduce
from metabt.runs.sweep import run_sweep
from metabt.values.reached_code import Code
from metabt.values.tables import Coded
from tests.shared.agreement import same
from tests.shared.panels import stocks
from tests.shared.resealed import reseal
from tests.shared.small_tree import tree


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a lakehouse with one run in it, to be copied, and the run."""
    lake = tmp_path_factory.mktemp("reproduced") / "lake"
    lakehouse.ingest(lake, "stocks", stocks(5, gaps=True).rename_axis("date"))
    return lake, metabt.backtest(tree(), lake).run_id


@pytest.fixture
def lake(stored: tuple[Path, str], tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored[0], tmp_path / "lake"))


def write(lake: Path, sql: str, *parameters: object) -> None:
    with lakehouse.attach(lake) as connection:
        connection.execute(sql, list(parameters))
        reseal(connection)


def job(lake: Path, **changes: Any) -> Job:
    setting = {"engine": "auto", "start": None, "end": None, "is_meta_backtest": None, "lakehouse": str(lake)}
    portfolio = tree(**changes)
    return Job((f"portfolio.lookback={portfolio['lookback']}",), {**setting, "portfolio": portfolio}, None)


def test_a_run_is_reproduced_from_its_snapshot_after_the_prices_have_changed(
    lake: Path, stored: tuple[Path, str]
) -> None:
    corrected = stocks(5, gaps=True).rename_axis("date") * 1.5
    lakehouse.ingest(lake, "stocks", corrected)
    shutil.rmtree(lake / ".cache")
    found = reproduce(lake, stored[1])
    assert found.differs is None and found.inputs == () and found.tables == 8
    tables = metabt.load(lake, stored[1]).tables
    assert found.rows == sum(
        len(table["path" if "path" in table else "date"]) for n, table in tables.items() if n != "stages"
    )
    assert not (lake / ".cache").exists()


@pytest.mark.parametrize("options", [{"end": "2021-05-03"}, {"is_meta_backtest": False}])
def test_a_view_and_a_flat_baseline_are_reproduced_as_such(lake: Path, options: dict[str, Any]) -> None:
    found = reproduce(lake, metabt.backtest(tree(), lake, **options).run_id)
    assert found.differs is None and found.inputs == ()


ALTERED = [
    ("returns", "net", "net + 1e-15", "path = 'book/a' AND date = '2021-03-10'"),
    ("weights", "target", "-0.5", "date = (SELECT min(date) FROM weights)"),
    ("decisions", "status", "'ok!'", "path = 'book' AND date = (SELECT max(date) FROM decisions WHERE path = 'book')"),
]


@pytest.mark.parametrize(("table", "column", "value", "where"), ALTERED)
def test_an_altered_number_is_found_by_table_row_and_column(
    lake: Path, stored: tuple[Path, str], table: str, column: str, value: str, where: str
) -> None:
    write(lake, f"UPDATE {table} SET {column} = {value} WHERE {where}")
    found = reproduce(lake, stored[1])
    assert found.differs is not None
    assert found.differs.startswith(f"table {table}: row ") and f"column {column}" in found.differs
    assert found.inputs == ()  # nothing that is recorded explains it


def test_rows_that_are_missing_are_counted(lake: Path, stored: tuple[Path, str]) -> None:
    write(lake, "DELETE FROM metrics WHERE metric = 'stale_closed' AND path = 'book/b'")
    found = reproduce(lake, stored[1])
    assert found.differs is not None and found.differs.startswith("table metrics")


def test_a_run_of_other_code_names_the_module(lake: Path, stored: tuple[Path, str]) -> None:
    with lakehouse.attach(lake) as connection:
        versions = json.loads(str(lakehouse.run_row(connection, stored[1])["versions"]))
    versions["modules"]["metabt.walk.holdings"] = "0"
    write(lake, "UPDATE runs SET versions = ?", json.dumps(versions))
    found = reproduce(lake, stored[1])
    assert found.differs is None
    assert [(cause.kind, cause.text) for cause in found.inputs] == [("code", "metabt.walk.holdings differs")]


def test_a_run_that_fails_now_is_not_reproduced(
    lake: Path, stored: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ruin(*arguments: object, **options: object) -> None:
        raise metabt.MetabtError("ruined")

    monkeypatch.setattr("metabt.runs.reproduce._computed", ruin)
    assert reproduce(lake, stored[1]).differs == "it fails now: ruined"


def test_a_snapshot_that_is_gone_is_said_to_be_gone(lake: Path, stored: tuple[Path, str]) -> None:
    write(lake, "UPDATE runs SET snapshot = 777")
    with pytest.raises(StoreError, match="no longer has snapshot 777"):
        reproduce(lake, stored[1])
    with pytest.raises(StoreError, match="no run 'nope'"):
        reproduce(lake, "nope")


def test_an_expired_snapshot_is_gone(lake: Path, stored: tuple[Path, str]) -> None:
    lakehouse.ingest(lake, "stocks", stocks(5).rename_axis("date") * 1.5)
    write(lake, "CALL ducklake_expire_snapshots('lake', older_than => now() + INTERVAL 1 DAY)")
    with pytest.raises(StoreError, match=r"no longer has snapshot \d+, which it read"):
        reproduce(lake, stored[1])


def test_a_summary_is_reproduced_as_a_summary_and_completed_to_what_a_run_of_its_own_keeps(lake: Path) -> None:
    (swept,) = run_sweep([job(lake, lookback=25)], str(lake)).runs
    found = reproduce(lake, swept.run_id)
    assert found.differs is None and found.tables == 4

    before = _row(lake, swept.run_id)
    whole = completed(lake, swept.run_id)
    after = _row(lake, swept.run_id)
    assert (before["keep"], after["keep"]) == ("summary", "all")
    kept = [name for name in before if name not in ("keep", "seconds")]
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    own = metabt.backtest(tree(lookback=25), {"stocks": stocks(5, gaps=True)})
    assert own.run_id == whole.run_id == swept.run_id
    assert same(whole.tables, own.tables) and same(metabt.load(lake, swept.run_id).tables, own.tables)
    assert reproduce(lake, swept.run_id).tables == 8
    assert completed(lake, swept.run_id).found


def test_a_summary_of_other_code_is_not_completed_and_stays_as_it_is(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (swept,) = run_sweep([job(lake, lookback=25)], str(lake)).runs
    before = _row(lake, swept.run_id)
    monkeypatch.setattr("metabt.runs.request.run_code", lambda *of: Code("other", {}, {}))
    with pytest.raises(StoreError, match=r"kept as a summary and cannot be completed: .*code metabt"):
        completed(lake, swept.run_id)
    assert _row(lake, swept.run_id) == before


def _row(lake: Path, run_id: str) -> dict[str, object]:
    with lakehouse.attach(lake, read_only=True) as connection:
        return lakehouse.run_row(connection, run_id)


def test_tables_are_compared_to_the_bit_and_nan_is_nan() -> None:
    table = {"name": Coded.of(["x", "y"]), "value": np.array([np.nan, 0.0])}
    assert (
        first_difference(table, {"name": Coded(np.array([1, 0]), ("y", "x")), "value": np.array([np.nan, 0.0])}) is None
    )
    assert first_difference(table, {**table, "value": np.array([np.nan, -0.0])}) == (
        "row 1, column value: stored 0.0, computed -0.0"
    )
    assert (
        first_difference(table, {**table, "name": Coded.of(["x", "z"])}) == "row 1, column name: stored y, computed z"
    )
    shorter = {"name": Coded.of(["x"]), "value": np.array([np.nan])}
    assert first_difference(table, shorter) == "2 rows stored, 1 computed"
