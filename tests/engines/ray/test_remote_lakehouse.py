"""A lakehouse in an object store on Ray: workers read, remember and write there, each with credentials of its own."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

import metabt
from metabt.runs.sweep import run_sweep
from tests.lakehouse.storage.remote_driver import content, jobs, prices, tree
from tests.shared.object_servers import BUCKET, credentials, make_bucket, need_tables, seaweed
from tests.shared.postgres_server import running_server

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import json, sys
import metabt
from metabt.engines.ray import Ray
from metabt.runs.sweep import run_sweep
from tests.lakehouse.storage.remote_driver import content, jobs, prices, tree

place, catalog = sys.argv[1:]
metabt.ingest(prices(), lakehouse=place, dataset="d", catalog=catalog)
metabt.backtest(tree(), place, engine=Ray(workers=2))
run_sweep(jobs(place, "ray"), place, keep="all")
print(json.dumps(content(place)))
"""


def test_runs_and_sweeps_on_ray_are_those_of_a_folder(tmp_path: Path) -> None:
    need_tables()
    folder = str(tmp_path / "lake")
    metabt.ingest(prices(), lakehouse=folder, dataset="d")
    metabt.backtest(tree(), folder)
    run_sweep(jobs(folder), folder, keep="all")
    with credentials(), seaweed() as endpoint, running_server() as database:
        make_bucket(endpoint)
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, f"s3://{BUCKET}/{secrets.token_hex(8)}", database.catalog],
            cwd=ROOT,
            env={
                **os.environ,
                "RAY_USAGE_STATS_ENABLED": "0",
                "AWS_ENDPOINT_URL": endpoint,
                "PGPASSWORD": database.password,
            },
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    (found,) = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    assert found == content(folder)
