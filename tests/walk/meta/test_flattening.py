"""Flattening: a layout knows child, leaf and asset of each column; what is netted is added up by name, in dicts."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.walk.meta.flattening import Layout, net_by, net_shorts, net_trades
from tests.shared.laws import DRAWS, examples

LEAVES = st.lists(st.sets(st.sampled_from("ABCDE"), min_size=1).map(sorted).map(tuple), min_size=1, max_size=3)


def columns(layout: Layout) -> list[tuple[int, str]]:
    """Return (leaf, symbol) of each column."""
    return [(int(leaf), layout.symbols[asset]) for leaf, asset in zip(layout.leaf_of, layout.asset_of, strict=True)]


@examples(80)
@given(st.lists(LEAVES, min_size=1, max_size=3))
def test_columns_are_those_of_the_children_side_by_side(tree: list[list[tuple[str, ...]]]) -> None:
    """Two levels: leaves in sleeves, sleeves in a root, with the same assets in several of them."""
    nodes = [Layout.meta([Layout.leaf(universe) for universe in leaves]) for leaves in tree]
    root, number, expected = Layout.meta(nodes), 0, list[tuple[int, str]]()
    child_of, pairs = list[int](), list[tuple[int, str]]()
    for c, leaves in enumerate(tree):
        for universe in leaves:
            expected += [(number, symbol) for symbol in universe]
            child_of += [c] * len(universe)
            pairs += [(c, symbol) for symbol in universe]
            number += 1
    assert root.symbols == tuple(sorted({symbol for _, symbol in expected})) and root.n_columns == len(expected)
    assert columns(root) == expected and root.child_of.tolist() == child_of
    assert root.n_apart == len({*pairs}) == root.child_asset_of.max() + 1
    number_of = {}
    for pair, found in zip(pairs, root.child_asset_of.tolist(), strict=True):
        assert number_of.setdefault(pair, found) == found  # a number for each pair, and a pair for each number
    assert len({*number_of.values()}) == len(number_of)
    for c, node in enumerate(nodes):
        assert tuple(root.symbols[i] for i in root.assets_of_child[c]) == node.symbols


def test_a_leaf_has_a_column_for_each_asset() -> None:
    leaf = Layout.leaf(("A", "C", "D"))
    assert leaf.symbols == ("A", "C", "D") and leaf.n_columns == leaf.n_apart == 3
    for places in (leaf.asset_of, leaf.child_of, leaf.child_asset_of):
        assert places.tolist() == [0, 1, 2] and places.dtype == np.int64
    assert leaf.leaf_of.tolist() == [0, 0, 0]


@examples(80)
@given(DRAWS, st.integers(0, 5), LEAVES)
def test_netting_adds_up_by_asset(seed: int, n_rows: int, leaves: list[tuple[str, ...]]) -> None:
    rng, layout = np.random.default_rng(seed), Layout.meta([Layout.leaf(universe) for universe in leaves])
    shape = n_rows, layout.n_columns
    before, after = (rng.normal(size=shape) * (rng.random(shape) < 0.7) for _ in range(2))
    group, n_groups = layout.asset_of, len(layout.symbols)
    trades, shorts = net_trades(before, after, group, n_groups), net_shorts(after, group, n_groups)
    netted = layout.net(after)
    assert netted.shape == (n_rows, n_groups) and not np.signbit(netted[netted == 0.0]).any()
    assert (net_by(after, group, n_groups) == netted).all()
    assert len(trades) == len(shorts) == n_rows
    for t in range(n_rows):
        held, traded = defaultdict(float), defaultdict(float)
        for j, (_, symbol) in enumerate(columns(layout)):
            held[symbol] += after[t, j]
            traded[symbol] += after[t, j] - before[t, j]
        assert netted[t] == pytest.approx([held[symbol] for symbol in layout.symbols], abs=1e-14)
        assert trades[t] == pytest.approx(sum(map(abs, traded.values())), abs=1e-13)
        assert shorts[t] == pytest.approx(sum(max(-it, 0.0) for it in held.values()), abs=1e-13)
        apart = net_trades(before, after, layout.child_asset_of, layout.n_apart)[t]
        assert apart == pytest.approx(np.abs(after[t] - before[t]).sum(), abs=1e-13)  # a leaf has each asset once


def test_a_column_for_each_group_in_another_order_is_put_in_order() -> None:
    book, group = np.array([[1.0, -0.0, 3.0], [4.0, -5.0, 0.0]]), np.array([2, 0, 1])
    found = net_by(book, group, 3)
    assert found.tolist() == [[0.0, 3.0, 1.0], [-5.0, 0.0, 4.0]] and not np.signbit(found[0, 0])
    assert net_trades(np.zeros((2, 3)), book, group, 3).tolist() == [4.0, 9.0]
    assert net_shorts(book, group, 3).tolist() == [0.0, 5.0]
