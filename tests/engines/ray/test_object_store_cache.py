"""Workers remember blocks in an object store: each connects with credentials of its own, and the next run finds all."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared.object_servers import BUCKET, credentials, make_bucket, seaweed

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import json, sys
from metabt.build.cache.bucket.cache import BucketCache
from metabt.engines.ray import Ray
from tests.build.cache.bucket.remote_walk import walk

with BucketCache(*sys.argv[1:]) as cache:
    print(json.dumps(walk(cache, executor=Ray(workers=2))))
    print(json.dumps(walk(cache)))
"""


def test_what_workers_put_everyone_finds() -> None:
    # a process of its own: its workers inherit its environment, and with it the credentials
    with credentials(), seaweed() as endpoint:
        make_bucket(endpoint)
        place = f"s3://{BUCKET}/{secrets.token_hex(8)}"
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, place, endpoint],
            cwd=ROOT,
            env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    on_ray, here = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    assert on_ray["digest"] == here["digest"]
    assert (on_ray["computed"], here["computed"]) == (on_ray["n_blocks"], 0)
