"""A run is of one snapshot, whatever is ingested while it is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import metabt
from metabt.lakehouse import ingest, query
from metabt.runs.reproduce import reproduce
from tests.shared.agreement import same
from tests.shared.panels import stocks
from tests.shared.small_tree import tree
from tests.shared.walks import before_walks

PRICES = stocks(5, 300, gaps=True).rename_axis("date")
LATER = PRICES * 1.5
LATER.iloc[100:, 0] *= 1.25


def run(lake: Path) -> metabt.Result:
    return metabt.backtest(tree(), lake, engine="local", cache=metabt.MemoryCache())


@pytest.mark.parametrize("block", [1, 3])
def test_what_is_ingested_during_a_run_is_not_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    lake, alone = tmp_path / "lake", tmp_path / "alone"
    for path in (lake, alone):
        ingest(path, "stocks", PRICES)
    before = run(alone)
    ingest(alone, "stocks", LATER)
    after = run(alone)
    assert not same(before.tables, after.tables) and before.run_id != after.run_id
    left = [block]

    def meanwhile(spec: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            ingest(lake, "stocks", LATER)

    with monkeypatch.context() as patch:
        before_walks(patch, meanwhile)
        during = run(lake)
    assert left[0] <= 0
    assert during.run_id == before.run_id and same(during.tables, before.tables)
    (named,) = query(lake, "select snapshot from runs").rows[0]
    (newest,) = query(lake, "select max(snapshot_id) from ducklake_snapshots('lake')").rows[0]
    assert named < newest - 1  # the ingestion's lies between it and the run's own
    assert reproduce(lake, during.run_id).differs is None
    again = run(lake)
    assert again.run_id == after.run_id and same(again.tables, after.tables)
