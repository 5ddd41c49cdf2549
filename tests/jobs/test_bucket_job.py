"""A sweep as clusters have it: a head without processors, a worker that comes late, a lakehouse in a bucket."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml

import metabt
from metabt.lakehouse import check_lakehouse, query
from metabt.values.tables import texts
from tests.jobs.submissions import Submission, assert_gone
from tests.lakehouse.storage.remote_driver import prices
from tests.shared.heads import Head, local_head
from tests.shared.object_servers import BUCKET, credentials, make_bucket, need_tables, seaweed
from tests.shared.postgres_server import running_server

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("jobs")]

ROOT = Path(__file__).resolve().parents[2]
PORTFOLIO = """
name: late
lookback: 20
optimizer: erc
defaults: {dataset: d, schedule: monthly}
sleeves:
  a: {universe: [AA, BB], optimizer: inverse_volatility, lookback: 30}
  b: {universe: [BB, CC], optimizer: equal, lookback: 30}
"""
METRICS = "select run_id, path, metric, value from metrics order by all"
GRID = "-m portfolio=late portfolio.lookback=20,30 portfolio.optimizer=erc,min_variance"
LATE = 20.0
"""Seconds after which the first worker joins; the job is submitted at once."""


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Make a folder of somebody whose cluster has metabt installed: jobs and a portfolio."""
    path = tmp_path / "desk"
    shutil.copytree(ROOT / "jobs", path / "jobs")
    (path / "conf" / "portfolio").mkdir(parents=True)
    (path / "conf" / "portfolio" / "late.yaml").write_text(PORTFOLIO)
    return path


@contextmanager
def joining_late(head: Head) -> Iterator[None]:
    """Have a worker join a head after a while, and stay until the end of the block."""
    over, began = threading.Event(), time.monotonic()

    def join() -> None:
        if not over.wait(LATE - (time.monotonic() - began)):
            with head.joined(n_cpus=1):
                over.wait()

    thread = threading.Thread(target=join)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_sweep_on_a_late_worker_with_its_lakehouse_in_a_bucket(
    desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_tables()
    folder = tmp_path / "lake"
    metabt.ingest(prices(), lakehouse=folder, dataset="d")
    line = [sys.executable, "jobs/backtest.py", *GRID.split(), f"lakehouse={folder}", "engine=local"]
    subprocess.run(line, cwd=desk, check=True, capture_output=True, timeout=300)
    with credentials(), seaweed() as endpoint, running_server() as database:
        make_bucket(endpoint)
        place = f"s3://{BUCKET}/{secrets.token_hex(8)}"
        for name, value in {"AWS_ENDPOINT_URL": endpoint, "PGPASSWORD": database.password}.items():
            monkeypatch.setenv(name, value)
        metabt.ingest(prices(), lakehouse=place, dataset="d", catalog=database.catalog)
        with local_head(ROOT, {"RAY_USAGE_STATS_ENABLED": "0"}, n_cpus=0) as head:
            began = time.monotonic()
            with joining_late(head):
                job = Submission.of(head, f"python jobs/backtest.py {GRID} lakehouse={place}", desk)
                assert job.wait() == ("SUCCEEDED", 0), job.log
                assert time.monotonic() - began > LATE
                assert job.log.splitlines()[-1].startswith("sweep ")
                assert_gone(head)
        assert query(place, METRICS).rows == query(folder, METRICS).rows
        assert not check_lakehouse(place).faults
        renamed = {**yaml.safe_load(PORTFOLIO), "name": "elsewhere"}
        found = metabt.backtest(renamed, place).tables["stages"]  # this process is the second machine
        leaves = texts(found["path"]) != "elsewhere"  # a sweep that keeps summaries does not keep roots' blocks
        assert leaves.sum() > 4 and np.asarray(found["cache_hit"])[leaves].all()
