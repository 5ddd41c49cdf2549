"""A team's store on Ray: workers take, sign and compute again with a key of their own; without one they say so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from metabt.build.cache.shared.signature import KEY

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[3]
WALK = """
import json, sys
from metabt.build.cache.shared.cache import SharedCache
from metabt.engines.ray import Ray
from tests.build.cache.bucket.remote_walk import walk

team, place = sys.argv[1:]
for number, recheck in enumerate((0.0, 0.3, 0.0)):
    with SharedCache(f"{place}/{number}", team, recheck) as cache:
        print(json.dumps(walk(cache, executor=Ray(workers=2))))
"""
SWEEP = """
import json, sys
import metabt
from metabt.runs.sweep import run_sweep
from tests.lakehouse.storage.remote_driver import content, prices, jobs

team, place = sys.argv[1:]
for number, (engine, shared) in enumerate((("local", None), ("ray", team), ("ray", team), ("local", team))):
    lake = f"{place}/{number}"
    metabt.ingest(prices(), lakehouse=lake, dataset="d")
    asked = jobs(lake, engine)
    for job in asked:
        job.config["cache"] = {"shared": shared, "recheck": 0.0}
    swept = run_sweep(asked, lake, keep="all")
    print(json.dumps({"computed": swept.computed, "content": content(lake)}))
"""
KEYLESS = """
import sys
import ray
from metabt.build.cache.shared.cache import SharedCache
from metabt.engines.ray import Ray
from tests.build.cache.bucket.remote_walk import walk

team, place = sys.argv[1:]
ray.init("local", num_cpus=2, include_dashboard=False, runtime_env={"env_vars": {"METABT_CACHE_KEY": ""}})
with SharedCache(place, team, 0.0) as cache:
    walk(cache, executor=Ray(workers=2))
"""


def run(script: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    (tmp_path / "team").mkdir()
    # a process of its own: its workers inherit its environment, and with it the key
    return subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "team"), str(tmp_path / "own")],
        cwd=ROOT,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", KEY: "k" * 40},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def said(script: str, tmp_path: Path) -> list[dict[str, Any]]:
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_what_workers_share_others_take(tmp_path: Path) -> None:
    first, some, none = said(WALK, tmp_path)
    assert len({it["digest"] for it in (first, some, none)}) == 1
    assert (first["computed"], none["computed"]) == (first["n_blocks"], 0)
    assert 0 < some["computed"] < first["n_blocks"]


def test_a_sweep_takes_what_another_lakehouse_has_computed(tmp_path: Path) -> None:
    alone, first, second, here = said(SWEEP, tmp_path)
    assert alone["content"] == first["content"] == second["content"] == here["content"]
    assert first["computed"] == alone["computed"] > 0 and second["computed"] == here["computed"] == 0


def test_workers_without_the_key_say_so(tmp_path: Path) -> None:
    done = run(KEYLESS, tmp_path)
    assert done.returncode != 0
    assert "ConfigError: cache.shared is stated and the environment on" in done.stderr and KEY in done.stderr
