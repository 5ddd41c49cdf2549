"""Blocks travel in one buffer as the bits they are."""

from __future__ import annotations

import pickle

import numpy as np

from metabt import BacktestEngine, MemoryCache
from metabt.cluster.parcels import ALIGNMENT, Parcel
from metabt.resolve import resolve
from metabt.sources import to_prices
from tests.panels import market
from tests.test_engine import tree
from tests.test_joining import differing


def test_a_parcel_brings_what_was_packed_in_views_that_nobody_can_write() -> None:
    from metabt.ports import Sealed

    prices = {name: to_prices(name, frame) for name, frame in market(3, gaps=True).items()}
    symbols = {name: panel.symbols for name, panel in prices.items()}
    walked = BacktestEngine([resolve(tree(), symbols=symbols)], prices, cache=MemoryCache()).run()
    blocks = {
        key: Sealed({"block": walk.blocks[-1], "state": walk.state}, {"block": "ab", "state": "cd"})
        for key, walk in walked.walks.items()
    }
    parcel = pickle.loads(pickle.dumps(Parcel.of(blocks)))
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
    assert Parcel.of({}).opened() == {}
