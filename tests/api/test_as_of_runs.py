"""Runs on data of the past: the run that was made then, to the bit, and every answer says so."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import metabt
from metabt import lakehouse
from metabt.analysis.note_lines import note_lines
from metabt.config import Job
from metabt.errors import ConfigError
from metabt.lakehouse.price_source import Lakehouse
from metabt.runs.sweep import outlook, run_sweep
from tests.shared.agreement import same
from tests.shared.panels import stocks
from tests.shared.past_snapshots import backdate
from tests.shared.small_tree import tree

PAST, LATER = 2, 4
"""Snapshots of the first prices and of all of them."""


def prices() -> pd.DataFrame:
    return stocks(5, 300, gaps=True).rename_axis("date")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, metabt.Result]:
    """Return a lakehouse whose prices were corrected and went on after a run, and that run."""
    lake = tmp_path_factory.mktemp("as_of") / "lake"
    lakehouse.ingest(lake, "stocks", prices().iloc[:200])
    then = metabt.backtest(tree(), lake)
    lakehouse.ingest(lake, "stocks", pd.concat([prices().iloc[:100] * 1.01, prices().iloc[100:]]))
    backdate(lake, {0: "2026-03-01 09:00", 1: "2026-03-01 09:00", PAST: "2026-03-01 10:00", 3: "2026-03-02 11:00"})
    backdate(lake, {LATER: "2026-03-09 12:00"})
    return lake, then


@pytest.fixture
def lake(stored: tuple[Path, metabt.Result], tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored[0], tmp_path / "lake"))


def kind_of(lake: Path, run_id: str) -> tuple[Any, ...]:
    with lakehouse.attach(lake, read_only=True) as con:
        sql = "SELECT snapshot, overrides FROM runs WHERE run_id = ?"
        return con.execute(sql, [run_id]).fetchall()[0]


@pytest.mark.parametrize("as_of", [PAST, "2", "2026-03-01", pd.Timestamp("2026-03-08")])
def test_a_run_as_of_then_is_the_run_that_was_made_then(
    lake: Path, stored: tuple[Path, metabt.Result], as_of: Any
) -> None:
    found = metabt.backtest(tree(), lake, as_of=as_of)
    assert found.found and found.run_id == stored[1].run_id
    snapshot = 3 if isinstance(as_of, pd.Timestamp) else PAST  # a run's own snapshot has the same data
    assert found.notes.as_of.startswith(f"snapshot {snapshot}, committed 2026-03-0")


def test_it_computes_what_was_not_run_then_as_it_would_have_been(lake: Path) -> None:
    run = metabt.backtest(tree(lookback=25), lake, as_of="2026-03-01")
    frames = metabt.backtest(tree(lookback=25), {"stocks": prices().iloc[:200]})
    assert not run.found and same(run.tables, {**frames.tables, "stages": run.tables["stages"]})
    assert kind_of(lake, run.run_id) == (PAST, '["as_of=2026-03-01"]')
    lines = note_lines(run.notes)
    assert lines[0].endswith(f"; data as of snapshot {PAST}, committed 2026-03-01 10:00 UTC")
    assert lines[1] == "other than its file says: as_of=2026-03-01"
    assert note_lines(metabt.load(lake, run.run_id).notes) == lines
    now = metabt.backtest(tree(lookback=25), lake)
    assert now.run_id != run.run_id and not now.notes.as_of and "as of" not in note_lines(now.notes)[0]


def test_a_bare_name_means_no_run_as_of_the_past(lake: Path) -> None:
    plain = metabt.backtest(tree(), lake)
    past = metabt.backtest(tree(lookback=25), lake, as_of=PAST)
    assert metabt.load(lake, "book").run_id == plain.run_id  # though the other was asked for after it
    assert metabt.load(lake, "book", ["as_of=2"]).run_id == past.run_id
    with metabt.connect(lake) as con:
        assert con.sql("SELECT run_id, kind FROM latest.names").fetchall() == [(plain.run_id, "plain")]
        kinds = con.sql("SELECT kind FROM latest.runs JOIN latest.names USING (run_id)").fetchall()
    assert kinds == [("plain",)]


def test_a_name_with_runs_of_the_past_alone_says_so(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    lakehouse.ingest(lake, "stocks", prices())
    past = metabt.backtest(tree(), lake, as_of=PAST)
    with pytest.warns(UserWarning, match="no run of 'book' without overrides is stored; this is run .*as_of=2"):
        assert metabt.load(lake, "book").run_id == past.run_id


def test_a_plan_is_of_the_past(lake: Path) -> None:
    then, now = (metabt.plan(tree(), lake, as_of=as_of) for as_of in ("2026-03-01", None))
    assert f"data as of snapshot {PAST}, committed 2026-03-01 10:00 UTC" in then.splitlines()
    last = prices().index[199].date()
    assert f"to {last}" in then and f"to {last}" not in now and "data as of" not in now


@pytest.mark.parametrize("as_of", [PAST, "2026-03-01"])
def test_prices_in_memory_have_no_past(as_of: Any) -> None:
    for call in (metabt.backtest, metabt.plan):
        with pytest.raises(ConfigError, match="as_of is .*prices are in memory, which have no snapshots"):
            call(tree(), {"stocks": prices()}, as_of=as_of)


def test_a_dataset_that_came_later_is_named(lake: Path) -> None:
    lakehouse.ingest(lake, "others", prices())
    leaf = {"name": "leaf", "dataset": "others", "universe": ["AA", "BB"], "lookback": 20}
    assert metabt.backtest(leaf, lake).notes.as_of == ""
    says = f"dataset 'others' did not exist yet as of snapshot {PAST}, committed 2026-03-01 10:00 UTC; state a later"
    with pytest.raises(ConfigError, match=says):
        metabt.backtest(leaf, lake, as_of=PAST)
    with pytest.raises(ConfigError, match=r"\(data are read as of snapshot 2, committed"):
        metabt.backtest({**leaf, "dataset": "stocks", "universe": ["AA", "NEVER"]}, lake, as_of=PAST)
    with pytest.raises(ConfigError, match="'stocks' did not exist yet as of snapshot 1"):
        metabt.backtest(tree(), lake, as_of=1)


def job(lake: Path, as_of: object, **changes: Any) -> Job:
    setting = {"engine": "local", "start": None, "end": None, "is_meta_backtest": None, "lakehouse": str(lake)}
    stated = () if as_of is None else (f"as_of={as_of}",)
    changed = [f"portfolio.{key}={value}" for key, value in changes.items()]
    return Job((*changed, *stated), {**setting, "as_of": as_of, "portfolio": tree(**changes)}, None)


def test_a_sweep_over_snapshots_gives_each_what_it_gives_alone(lake: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copytree(lake, tmp_path / "alone"))
    jobs = [job(lake, at, lookback=back) for at in (None, "2026-03-01", 2, 4, 99) for back in (25, 30)]
    looked = outlook(jobs, str(lake))
    assert (looked.n_jobs, looked.n_failed, looked.n_found) == (
        10,
        2,
        2,
    )  # of 30 sessions there is a run that was made then
    swept = run_sweep(jobs, str(lake), keep="all")
    for each, run in zip(jobs, swept.runs, strict=True):
        as_of = each.config and each.config["as_of"]
        if as_of == 99:
            assert run.status == "failed" and "no such snapshot" in str(run.error)
            continue
        single = metabt.backtest(each.config and each.config["portfolio"], alone, as_of=as_of)
        assert run.run_id == single.run_id and same(metabt.load(lake, run.run_id).tables, single.tables)
    assert len({run.run_id for run in swept.runs[:8]}) == 4  # the newest snapshot is what there is now
    with lakehouse.attach(lake, read_only=True) as con:
        kept = con.execute("SELECT overrides, snapshot FROM runs WHERE keep = 'all' AND status = 'ok'").fetchall()
    assert ('["portfolio.lookback=25", "as_of=2026-03-01"]', PAST) in kept
    assert [text.split(",")[0] for text in swept.notes.as_of] == ["snapshot 2", "snapshot 4"]


def test_what_was_read_of_one_snapshot_is_nothing_of_another(lake: Path) -> None:
    rows = pd.DataFrame({"name": "usd", "date": ["2020-01-01"], "value": 0.05, "day_count": 360})
    metabt.ingest(rows, dataset="stocks", lakehouse=lake, table="rates")
    source = Lakehouse(lake)
    assert set(source.dated(["stocks"])["stocks"].tables) == {"rates"}
    then = source.at(PAST)
    assert not then.dated(["stocks"])["stocks"].tables and then.symbols() == source.symbols()
    assert set(source.at(source.snapshot).dated(["stocks"])["stocks"].tables) == {"rates"}


@pytest.mark.slow
def test_ray_reads_the_past_too(lake: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copytree(lake, tmp_path / "alone"))
    one = metabt.backtest(tree(lookback=25), lake, as_of=PAST, engine="ray")
    other = metabt.backtest(tree(lookback=25), alone, as_of=PAST, engine="local")
    assert one.run_id == other.run_id
    assert same(one.tables, {**other.tables, "stages": one.tables["stages"]})
