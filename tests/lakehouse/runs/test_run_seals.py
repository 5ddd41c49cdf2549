"""A row of `runs` that somebody changed is listed by nobody, and no name is looked up beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from metabt.errors import StoreError
from metabt.lakehouse import attach, commit_run, list_runs
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.runs.names import resolve_run
from metabt.lakehouse.runs.run_seals import LISTED, sound_runs
from tests.lakehouse.runs.test_stored_runs import run, table

OTHERS = {
    **dict.fromkeys(LISTED, "'changed'"),
    "snapshot": "8",
    "started_at": "started_at + INTERVAL 1 DAY",
    "seconds": "seconds + 1e-15",
    "run_id": "'abc124'",
}
"""Column -> another value for it."""


@pytest.mark.parametrize("column", LISTED)
def test_a_row_that_was_changed_is_not_believed(fresh: Path, column: str) -> None:
    commit_run(fresh, run(), {"weights": table("weights", 3)})
    commit_run(fresh, run("other", "beside"), {"weights": table("weights", 3)})
    with attach(fresh) as con:
        assert len(list_runs(con)) == len(sound_runs(con)) == 2 and resolve_run(con, "beside") == "other"
        execute(con, f"UPDATE runs SET {column} = {OTHERS[column]} WHERE run_id = 'abc123'")
        for read in (list_runs, sound_runs, lambda con: resolve_run(con, "beside")):
            with pytest.raises(StoreError, match="run abc12[34]: its row is not what was stored.*`metabt backtest`"):
                read(con)
