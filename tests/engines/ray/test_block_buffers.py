"""Blocks travel in one buffer as the bits they are."""

from __future__ import annotations

import pickle

import numpy as np

from metabt import BacktestEngine, MemoryCache
from metabt.engines.ray.block_buffers import ALIGNMENT, BlockBuffer
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from tests.shared.differing import differing
from tests.shared.panels import market
from tests.shared.small_tree import tree


def test_a_parcel_brings_what_was_packed_in_views_that_nobody_can_write() -> None:
    from metabt.build.ports import Sealed

    prices = {name: to_prices(name, frame) for name, frame in market(3, gaps=True).items()}
    symbols = {name: panel.symbols for name, panel in prices.items()}
    walked = BacktestEngine([resolve(tree(), symbols=symbols)], prices, cache=MemoryCache()).run()
    blocks = {
        key: Sealed({"block": walk.blocks[-1], "state": walk.state}, {"block": "ab", "state": "cd"})
        for key, walk in walked.walks.items()
    }
    parcel = pickle.loads(pickle.dumps(BlockBuffer.of(blocks)))
    opened = parcel.opened()
    assert opened.keys() == blocks.keys() and len(parcel.spans) > 10
    for key, sealed in opened.items():
        assert dict(sealed.digests) == {"block": "ab", "state": "cd"}
        for name, part in sealed.parts.items():
            assert not list(differing(blocks[key].parts[name], part, name))
        assert not sealed.parts["block"].net.flags.writeable
        assert np.shares_memory(sealed.parts["block"].net, parcel.buffer)
    assert (parcel.spans[:, 0] % ALIGNMENT == 0).all()


def test_nothing_is_a_parcel_too() -> None:
    assert BlockBuffer.of({}).opened() == {}
