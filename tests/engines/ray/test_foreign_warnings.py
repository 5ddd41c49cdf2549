"""Warnings of foreign estimators come back from workers, counted as in one process, and are printed by none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from metabt.build.cache import NoCache
from metabt.build.cache.disk import DiskCache
from metabt.engines.local import Local
from metabt.engines.ray import Ray
from metabt.runs.execution import warnings_of
from tests.shared.executors import RULES, STOCKS, engine

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("cluster")]


@pytest.mark.parametrize("cached", [True, False], ids=["on disk", "nothing remembered"])
def test_workers_warnings_are_counted_as_in_one_process(
    cached: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    optimizer = {"name": "poison", "what": "warn", "below": -0.01}
    sleeves = {"good": {"universe": STOCKS[:3]}, "loud": {"universe": STOCKS[2:], "optimizer": optimizer}}
    told = []
    for place, executor in enumerate((Local(), Ray(workers=2))):
        cache = DiskCache(tmp_path / str(place)) if cached else NoCache()
        job = engine([{"name": "m", "defaults": RULES, "sleeves": sleeves}], executor=executor, cache=cache)
        told.append(warnings_of(job.portfolios[0].walk(), job.run().heard))
    assert told[0] == told[1] and [it.path for it in told[0]] == ["m/loud"] and told[0][0].times > 10
    assert "a large fall" not in "".join(capfd.readouterr())
