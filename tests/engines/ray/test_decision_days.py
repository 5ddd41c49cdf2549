"""Days of an exchange and of a table, and bands, from a lakehouse: Ray's actors and one process agree to the bit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import metabt
from tests.engines.test_decision_days import market_with_days, tree_on_days
from tests.engines.test_point_in_time_laws import engine
from tests.shared.agreement import same
from tests.shared.random_markets import RandomMarket
from tests.shared.stored_markets import as_ingested, store

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("cluster")]


@pytest.mark.parametrize("seed", [3, pytest.param(6, marks=pytest.mark.slow), pytest.param(9, marks=pytest.mark.slow)])
def test_every_engine_gives_the_bits_of_prices_in_memory(seed: int, tmp_path: Path) -> None:
    of: RandomMarket = as_ingested(market_with_days(seed))
    tree = tree_on_days(seed, of)
    lake = store(tmp_path / "lake", of)
    twin = Path(shutil.copytree(lake, tmp_path / "twin"))
    memory = engine(tree, of.prices, of.dated(), of.adjusted, of.volumes)
    local = metabt.backtest(tree, lake, engine="local")
    assert same(dict(memory.tables), dict(local.tables))
    assert same(dict(local.tables), dict(metabt.backtest(tree, twin, engine=metabt.Ray(workers=2)).tables))
    again = metabt.backtest(tree, lake, engine="local")
    assert again.found and again.run_id == local.run_id
