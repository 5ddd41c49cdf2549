"""A price file that is not what was ingested stops a run on Ray, and nothing of the run is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import metabt
from metabt.build.cache.disk import DiskCache
from metabt.errors import StoreError
from metabt.lakehouse import attach, ingest, load_prices, query
from metabt.lakehouse.folder.lost_catalogue import CACHE
from tests.shared.agreement import same
from tests.shared.panels import stocks
from tests.shared.small_tree import tree

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("cluster")]


def flip(lake: Path) -> tuple[Path, bytes]:
    """Flip a bit of one close of AA in 2021; return the file and what was in it."""
    with attach(lake, read_only=True) as con:
        held = load_prices(con, {"stocks": None})["stocks"]
    closes = held.close[held.dates < np.datetime64("2022-01-01"), held.symbols.index("AA")]
    for file in (lake / "data").glob("main/prices/dataset=stocks/year=2021/*.parquet"):
        kept = file.read_bytes()
        places = [place for place in (kept.find(close.tobytes()) for close in closes[:50]) if place > 0]
        if places:
            content = bytearray(kept)
            content[places[0] + 6] ^= 1
            file.write_bytes(content)
            return file, kept
    raise AssertionError("no close of AA is found in the files")


def test_a_tampered_price_is_refused_on_ray_and_nothing_is_stored(tmp_path: Path) -> None:
    lake, sound = tmp_path / "lake", tmp_path / "sound"
    for path in (lake, sound):
        ingest(path, "stocks", stocks(5, 300).rename_axis("date"))
    file, kept = flip(lake)
    with pytest.raises(StoreError, match=rf"dataset 'stocks', symbol AA, 2021, close.*{file.name}.*restore it from a"):
        metabt.backtest(tree(), lake, engine="ray")
    assert query(lake, "select count(*) from runs").rows == ((0,),)
    assert list(DiskCache(lake / CACHE).store.keys()) == []
    file.write_bytes(kept)
    found = metabt.backtest(tree(), lake, engine="ray")
    assert not found.found and same(
        found.tables, metabt.backtest(tree(), sound, engine="local").tables, ignoring=("stages", "sleeves")
    )
