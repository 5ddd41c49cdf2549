"""Prices by asset on Ray: parts are read by whichever process, and give the bits of one process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import metabt
from metabt.lakehouse import ingest
from tests.shared.agreement import same
from tests.shared.executors import NESTED, years
from tests.shared.renamed import renamed

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("cluster")]


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("renamed") / "lake"
    tickers, assets = renamed(5)
    ingest(path, "stocks", tickers)
    ingest(path, "coins", years(5)["coins"])
    metabt.ingest(assets, dataset="stocks", lakehouse=path, table="assets")
    return path


def test_a_run_on_ray_is_the_run_on_prices_that_bear_the_assets_names(prices: Path, tmp_path: Path) -> None:
    expected = metabt.backtest(NESTED, years(5))
    lake = str(shutil.copytree(prices, tmp_path / "lake"))
    found = metabt.backtest(NESTED, lake, engine=metabt.Ray(workers=2))
    assert same(found.tables, expected.tables, ignoring=("stages",))
    assert found.run_id == metabt.backtest(NESTED, str(prices), engine="local").run_id
    handed = metabt.backtest(
        NESTED,
        {**years(5), "stocks": renamed(5)[0]},
        engine=metabt.Ray(workers=2),
        tables={"stocks": {"assets": renamed(5)[1]}},
    )
    assert handed.run_id == found.run_id and same(handed.tables, expected.tables, ignoring=("stages",))


def test_a_panel_on_ray_is_that_of_the_assets(prices: Path) -> None:
    found = metabt.open_panel(str(prices), "stocks", engine="ray")
    expected = metabt.open_panel(years(5), "stocks")
    assert found.symbols == expected.symbols
    for field in ("close", "returns"):
        assert found.to_pandas(field).equals(expected.to_pandas(field))
