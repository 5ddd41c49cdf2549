"""Blocks without the columns that nobody knew of: nothing is lost, and what would be lost is refused."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from metabt.build.cache import MemoryCache
from metabt.build.cache.codec import encode
from metabt.build.known_columns import get_block, put_block
from metabt.walk.block import NOT_MEMBER, Assets, Block, Carried, Decisions, Endings, Gaps, LeafState, MetaState, Shares
from metabt.walk.holdings import Queue

DATES = np.arange("2020-01-01", "2020-01-05", dtype="M8[D]")
KNOWN_FROM = np.array(["2019-01-01", "2020-06-01", "2020-01-03", "NaT"], "M8[D]")
KNOWN = np.array([True, False, True, False])


class OnePlan:
    """Says of one sleeve when its columns became known."""

    def __init__(self, known_from: np.ndarray | None = KNOWN_FROM) -> None:
        self._known_from = known_from

    def known_from(self, node: object) -> np.ndarray | None:
        return self._known_from

    def known_by(self, node: object, session: np.datetime64) -> np.ndarray | None:
        known = None if self._known_from is None else self._known_from <= session
        return None if known is None or known.all() else known


NODE: Any = SimpleNamespace(label="leaf", spec=None)


def wide(values: object, fill: object) -> np.ndarray:
    """Return an array with the columns that are not known, which have `fill`."""
    array = np.asarray(values)
    found = np.full((*array.shape[:-1], len(KNOWN)), fill, array.dtype)
    found[..., KNOWN] = array
    return found


def leaf_parts() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    held = wide(rng.uniform(0, 0.5, (4, 2)), 0.0)
    decisions = Decisions(
        np.array([0, 2]),
        wide([[0.5, 0.5], [0.0, 0.0]], 0.0),
        np.array([[0.4, 0.0, 0.6, 0.0], [np.nan] * 4]),
        ("ok", "cash"),
        wide(np.array([[0, 0], [1, 1]], np.int8), NOT_MEMBER),
    )
    gaps = Gaps(wide(rng.normal(0, 0.01, (4, 2)), 0.0), wide(rng.random((4, 2)) < 0.5, True))
    block = Block(
        DATES, 0, *(rng.normal(0, 0.01, 4) for _ in range(5)), np.ones(4, bool), np.zeros(4, np.int64), decisions,
        Assets(held, held[:2], gaps), endings=Endings(np.array([1]), np.array([2]), np.array([0.25])),
    )  # fmt: skip
    state = LeafState(
        holdings=wide([0.3, 0.0], 0.0),
        queue=Queue(np.array([1]), wide([[0.2, 0.0]], 0.0)),
        waiting=wide([np.nan, np.nan], np.nan),
        stale=wide([3, 0], 0),
        seen=wide([7, 5], 0),
    )
    return {"state": state, "block": block}


def meta_parts() -> dict[str, Any]:
    parts = leaf_parts()
    start = wide([0.0, 0.1], 0.0)
    carried = Carried(np.array([0, 3]), np.array([2, 0]), np.array([0.1, 0.2]), np.array([0.1, 0.0]), start)
    block = replace(parts["block"], held=Shares(np.ones((4, 1)), np.ones((2, 1)), np.ones(4, bool), carried))
    state = replace(MetaState.initial(1, 4), carried=start)
    return {"state": state, "block": replace(block, endings=None)}


@pytest.mark.parametrize("parts", [leaf_parts(), meta_parts()], ids=["leaf", "meta"])
def test_what_is_put_is_what_is_read(parts: dict[str, Any]) -> None:
    cache, plan = MemoryCache(), OnePlan()
    put = put_block(cache, plan, NODE, "a" * 64, parts)  # type: ignore[arg-type]
    assert put.parts is parts
    found = get_block(cache, plan, NODE, "a" * 64)  # type: ignore[arg-type]
    assert found is not None and found.digests == put.digests
    for name, value in parts.items():
        assert encode(found.parts[name]) == encode(value), name


@pytest.mark.parametrize("parts", [leaf_parts(), meta_parts()], ids=["leaf", "meta"])
def test_what_is_known_later_changes_no_digest(parts: dict[str, Any]) -> None:
    """Its columns in the midst of the others are not in what is stored."""
    with_them = put_block(MemoryCache(), OnePlan(), NODE, "a" * 64, parts)  # type: ignore[arg-type]
    cache = MemoryCache()
    put_block(cache, OnePlan(), NODE, "a" * 64, parts)  # type: ignore[arg-type]
    alone = cache.get("a" * 64, "block")
    assert alone is not None
    without = put_block(MemoryCache(), OnePlan(KNOWN_FROM[KNOWN]), NODE, "a" * 64, alone.parts)  # type: ignore[arg-type]
    assert without.digests == with_them.digests


def test_a_weight_of_what_nobody_knew_of_is_not_lost_in_silence() -> None:
    parts = leaf_parts()
    parts["state"].holdings[1] = 0.01
    with pytest.raises(AssertionError, match="says something of assets that nobody knew of yet"):
        put_block(MemoryCache(), OnePlan(), NODE, "a" * 64, parts)  # type: ignore[arg-type]


def test_sessions_without_a_price_are_counted_of_what_is_held_or_is_to_be() -> None:
    """Of anything else they would tell since when it is known."""
    parts = leaf_parts()
    states = []
    for idle in (0, 4):  # the third asset is neither held nor bought
        state = replace(parts["state"], stale=wide([3, idle], 0))
        states.append(put_block(MemoryCache(), OnePlan(), NODE, "a" * 64, parts | {"state": state}).digests)  # type: ignore[arg-type]
    assert states[0] == states[1]
    held = replace(parts["state"], stale=wide([4, 0], 0))
    assert put_block(MemoryCache(), OnePlan(), NODE, "a" * 64, parts | {"state": held}).digests != states[0]  # type: ignore[arg-type]
