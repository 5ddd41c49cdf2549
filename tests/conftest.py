"""Fixtures that every test may use: real prices from skfolio's wheel, read without importing skfolio."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import settings

from tests.shared.heads import Head, local_head

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("metabt", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("metabt")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Run what needs Ray in one process and jobs in another: one instance and one head are started; spread the rest."""
    from xdist.scheduler import LoadScopeScheduling

    class OneCluster(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith("tests/engines/ray/"):
                return "ray"
            return "jobs" if nodeid.startswith(("tests/jobs/", "tests/k8s/")) else nodeid

    return OneCluster(config, log) if config.getvalue("dist") == "load" else None


def demo_prices(name: str) -> pd.DataFrame:
    """Return one of the price files that skfolio's wheel carries, dates x symbols."""
    spec = find_spec("skfolio")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("skfolio, whose wheel carries the demo prices, is not installed (metabt[demo])")
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / f"{name}.csv.gz"
    return pd.read_csv(path, index_col="Date", parse_dates=True).astype(float)


@pytest.fixture(scope="session")
def sp500() -> pd.DataFrame:
    """Daily adjusted closes of 20 stocks, 1990-2022."""
    return demo_prices("sp500_dataset")


@pytest.fixture(scope="session")
def factor_etfs() -> pd.DataFrame:
    """Daily adjusted closes of five factor ETFs, 2014-2022."""
    return demo_prices("factors_dataset")


@pytest.fixture(scope="session")
def head() -> Iterator[Head]:
    """Run a Ray head with a token; modules that ask for it are marked `xdist_group("ray")`."""
    # a loaded machine is no reason to kill a job that is being stopped
    environment = {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", "RAY_JOB_STOP_WAIT_TIME_S": "60"}
    with local_head(ROOT, environment) as found:
        yield found
