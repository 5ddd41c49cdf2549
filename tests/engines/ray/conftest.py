"""One Ray instance for all tests that need one, quiet and small; only what was started here is stopped."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shared import stepping  # its steps, here and in the workers

# Ray reads these once, when it is first imported
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
# what processes count is exported each second, not each tenth
os.environ |= {"RAY_metrics_report_interval_ms": "1000"}
# an installed plug-in, here and in the workers
PLUGINS = str(Path(__file__).parent / "plugins")
sys.path.append(PLUGINS)
stepping.install()
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), PLUGINS]))


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """Start Ray on this machine with two CPUs; tests/conftest.py sees to it that only one is needed."""
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=200_000_000,
    )
    yield
    ray.shutdown()
