"""What is said of a sweep is counted in its tables, and the same where its runs were stored before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.config import Job
from metabt.lakehouse import ingest
from metabt.runs.sweep import run_sweep
from metabt.runs.swept import Sweep

DAYS = pd.bdate_range("2020-01-01", periods=300, name="Date")


@pytest.fixture(scope="module")
def lakehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse in which dataset `short` ends three months before `long`."""
    folder = tmp_path_factory.mktemp("lake")
    moves = np.random.default_rng(4).normal(-0.001, 0.01, (300, 4))
    prices = pd.DataFrame(100 * np.exp(moves.cumsum(axis=0)), DAYS, list("ABCD"))
    ingest(folder, "short", prices[["A", "B"]].iloc[:235])
    ingest(folder, "long", prices[["C", "D"]])
    return folder


def tree(optimizer: str, every: int) -> dict[str, object]:
    sleeves = {"a": {"dataset": "short", "universe": ["A", "B"]}, "c": {"dataset": "long", "universe": ["C", "D"]}}
    defaults = {"lookback": 30, "schedule": {"every": every}}
    return {"name": "m", "lookback": 30, "optimizer": optimizer, "defaults": defaults, "sleeves": sleeves}


def swept(lakehouse: Path, **ends: str) -> Sweep:
    jobs = []
    for optimizer, every in (("max_sharpe", 5), ("max_sharpe", 9), ("erc", 5)):
        end = ends.get(optimizer)
        config = {
            **{"portfolio": tree(optimizer, every), "start": None, "end": end, "is_meta_backtest": None},
            **{"benchmark": None, "engine": "local", "cluster": None, "lakehouse": str(lakehouse)},
        }
        shared = ("portfolio=m", "portfolio.lookback=30", "engine=local")
        own = (f"portfolio.optimizer={optimizer}", f"portfolio.defaults.schedule.every={every}")
        jobs.append(Job((*shared, *own), config, None))
    return run_sweep(jobs, str(lakehouse))


def test_periods_ends_fallbacks_and_what_is_shared_are_those_of_the_runs(lakehouse: Path) -> None:
    first = swept(lakehouse, erc="2020-10-30")
    notes = first.notes
    results = {run.run_id: metabt.load(lakehouse, run.run_id) for run in first.runs}
    assert first.computed and notes.n_runs == 3 and notes.shared == ("portfolio.lookback=30",)
    dates = [result.returns().index for result in results.values()]
    assert notes.firsts == (min(it[0] for it in dates), max(it[0] for it in dates))
    assert notes.lasts == (min(it[-1] for it in dates), max(it[-1] for it in dates))
    ((end, times),) = notes.early_ends
    assert (end.dataset, end.last, end.until, times) == ("short", DAYS[234], DAYS[-1], 2)
    expected = {}
    for run_id, result in results.items():
        once = result.decisions().drop_duplicates("date")
        fell = int(once["status"].str.startswith("fallback:").sum())
        expected |= {run_id: (fell, len(once))} if fell else {}
    assert {it.path: (it.times, it.of) for it in notes.fell_back} == expected and len(expected) == 2
    again = swept(lakehouse, erc="2020-10-30")
    assert not again.computed and all(run.found for run in again.runs)
    assert (again.notes.firsts, again.notes.lasts, again.notes.early_ends) == (
        notes.firsts,
        notes.lasts,
        notes.early_ends,
    )
    assert [(it.path, it.times, it.of, it.methods) for it in again.notes.fell_back] == [
        (it.path, it.times, it.of, it.methods) for it in notes.fell_back
    ]
