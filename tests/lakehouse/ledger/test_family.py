"""A family has every trial that its ranking was chosen from, and says whom it leaves out and why."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pytest

from metabt.lakehouse import commit_runs
from metabt.lakehouse.ledger.family import ELSEWHERE, FAILED, SHORT, STUDY, family
from metabt.lakehouse.ledger.trial import Trial
from metabt.values.tables import Table
from tests.shared.noted import DAYS, Run, idle, run, stream, trial

SPAN = date(2020, 3, 1), date(2021, 12, 31)


def later(number: int, first: int, sessions: int, **changes: object) -> Run:
    """Return a run whose stream begins some days later."""
    row, tables = run(number, sessions, **changes)
    returns: Table = {**tables["returns"], "date": np.tile(DAYS[first : first + sessions], 3)}
    return row, {"returns": returns}


def of(number: int, *datasets: str, **changes: object) -> Trial:
    from dataclasses import replace

    return replace(trial(number, **changes), datasets=datasets)


@pytest.fixture
def tried(fresh: Path) -> Path:
    runs = [
        run(1, 400),
        later(2, 100, 400),
        run(3, 311),  # 251 of them on or after the first of March, 2020
        run(4, 312),  # 252
        run(5, 0, status="failed", error="ruined"),
        run(6, 400),
        later(7, 800, 500),
        run(8, 400),
    ]
    trials = [
        trial(1, study="a"),
        trial(2, idle=idle()),
        trial(3),
        trial(4),
        trial(5, status="failed", error="ruined", sharpe=None),
        of(6, "coins"),
        trial(7),
        of(8, "coins", "stocks", study="a"),
    ]
    commit_runs(fresh, runs, trials=trials)
    return fresh


def numbers(keys: tuple[str, ...]) -> list[int]:
    known = {trial(number).base: number for number in range(1, 9)}
    return sorted(known[key] for key in keys)


def test_who_belongs_to_it_and_why_the_others_do_not(tried: Path, watch: duckdb.DuckDBPyConnection) -> None:
    found = family(watch, ["stocks"], *SPAN)
    assert numbers(found.keys) == [1, 2, 4, 8] and found.chain is None and found.study is None
    assert {reason: numbers(keys) for reason, keys in found.left_out.items()} == {
        FAILED: [5],
        ELSEWHERE: [6],
        SHORT: [3, 7],
    }
    assert sum(map(len, found.left_out.values())) + len(found.keys) == 8


def test_a_study_narrows_it_and_says_so(tried: Path, watch: duckdb.DuckDBPyConnection) -> None:
    found = family(watch, ["stocks"], *SPAN, study="a")
    assert numbers(found.keys) == [1, 8] and found.study == "a"
    assert numbers(found.left_out[STUDY]) == [2, 3, 4, 7]
    assert not family(watch, ["stocks"], *SPAN, study="none").keys


@pytest.mark.parametrize("width", [1, 3, 4, 100])
def test_its_matrix_has_whole_streams_less_what_cash_earned(
    tried: Path, watch: duckdb.DuckDBPyConnection, width: int
) -> None:
    found = family(watch, ["stocks"], *SPAN)
    blocks = list(found.blocks(width))
    assert tuple(key for keys, _ in blocks for key in keys) == found.keys
    matrix = np.concatenate([block for _, block in blocks], axis=1)
    np.testing.assert_array_equal(matrix, found.matrix())
    np.testing.assert_array_equal(found.dates, DAYS[:500])
    expected = np.full((500, 4), np.nan)
    for number, first, sessions in ((1, 0, 400), (2, 100, 400), (4, 0, 312), (8, 0, 400)):
        net = stream(number, sessions)["net"][:sessions] - (1e-4 if number == 2 else 0.0)
        expected[first : first + sessions, found.keys.index(trial(number).base)] = net
    np.testing.assert_array_equal(matrix, expected)


def test_what_is_committed_meanwhile_changes_nothing(tried: Path, watch: duckdb.DuckDBPyConnection) -> None:
    found = family(watch, ["stocks"], *SPAN)
    before = found.matrix()
    commit_runs(tried, [run(90, 450)], trials=[trial(90, key=trial(1).base)])
    np.testing.assert_array_equal(found.matrix(), before)
    assert len(family(watch, ["stocks"], *SPAN).keys) == 4


def test_of_no_trial_it_is_empty(fresh: Path, watch: duckdb.DuckDBPyConnection) -> None:
    found = family(watch, ["stocks"], *SPAN)
    assert found.keys == () and found.matrix().shape == (0, 0) and found.left_out == {}
