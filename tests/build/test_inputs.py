"""A leaf's columns of some rows are those of the whole, as NumPy cuts them, whatever shortcut there is to them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.build import inputs
from metabt.build.cache import NoCache
from metabt.build.inputs import (
    Market,
    Markets,
    Readings,
    Returns,
    ends_of,
    initial_state,
    meta_inputs,
    opened,
    reach,
    reading,
    start_of,
)
from metabt.build.plan import Node, Plan, plan_forest
from metabt.data.dataset import Dataset
from metabt.data.prices import Prices
from metabt.engines.local import Local
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Leaf, Meta
from metabt.walk.block import LeafState, MetaState
from metabt.walk.book import Opened
from tests.shared import trees
from tests.shared.executors import NESTED, years
from tests.shared.laws import DRAWS, SEEDS, examples
from tests.shared.months import market, monthly
from tests.shared.panels import COINS, STOCKS, stocks


def made(rng: np.random.Generator) -> Prices:
    """Return prices of a stretch of time: complete or with gaps, some of them with a price before it."""
    n_rows, n_assets = int(rng.integers(1, 8)), int(rng.integers(1, 6))
    close = rng.uniform(50.0, 60.0, (n_rows, n_assets))
    close[rng.random(close.shape) < rng.choice([0.0, 0.3])] = np.nan
    entry = np.where(rng.random(n_assets) < rng.choice([0.0, 0.5, 1.0]), np.nan, rng.uniform(50.0, 60.0, n_assets))
    dates = np.arange(n_rows) + np.datetime64("2020-01-01")
    volume = None if rng.random() < 0.5 else rng.uniform(1.0, 9.0, close.shape)
    names = tuple(f"S{place}" for place in range(n_assets))
    return Prices("d", dates, names, close, volume, entry=entry if rng.random() < 0.8 else None)


@given(seed=DRAWS, long=st.sampled_from([1, 1024]))
@examples(200)
def test_they_are_those_of_the_whole(seed: int, long: int) -> None:
    """Cut row by row, or asset by asset where there are many sessions."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(inputs, "LONG", long)
        check_cut(seed)


def check_cut(seed: int) -> None:
    rng = np.random.default_rng(seed)
    prices = made(rng)
    order = np.sort(rng.permutation(len(prices.symbols))[: rng.integers(1, len(prices.symbols) + 1)])
    first = int(rng.integers(0, len(prices.dates)))
    rows = slice(first, int(rng.integers(first, len(prices.dates))) + 1)
    found = Market.of(prices, Leaf(dataset="d", universe=tuple(prices.symbols[place] for place in order)), rows)
    entry = np.full(len(prices.symbols), np.nan) if prices.entry is None else prices.entry
    last = entry.copy()
    assert found.returns.flags.c_contiguous and (found.dollar_volume is None) == (prices.volume is None)
    assert len(found.returns) == len(found.observed) == len(found.priced) == rows.stop - rows.start
    assert not found.observed.flags.writeable and not found.priced.flags.writeable
    for row, close in enumerate(prices.close):
        observed, priced = ~np.isnan(close) & ~np.isnan(last), ~np.isnan(close)
        returns = np.where(observed, close / last - 1.0, 0.0)
        last = np.where(priced, close, last)
        if not rows.start <= row < rows.stop:
            continue
        here = row - rows.start
        np.testing.assert_array_equal(found.observed[here], observed[order])
        np.testing.assert_array_equal(found.priced[here], priced[order])
        np.testing.assert_allclose(found.returns[here], returns[order], atol=1e-15)
        if prices.volume is not None:
            assert found.dollar_volume is not None
            np.testing.assert_array_equal(found.dollar_volume[here], (close * prices.volume[row])[order])


# ------------------------------------------------------------------------------------------ who reads the same

RULES = {"dataset": "stocks", "lookback": 12, "schedule": "weekly"}
SAME = [
    {**RULES, "universe": STOCKS[:3]},
    {**RULES, "universe": STOCKS[:3], "optimizer": "erc"},
    {**RULES, "universe": STOCKS[:3], "direction": "short"},
]
OTHER = {
    "universe": {**RULES, "universe": STOCKS[:2]},
    "lookback": {**RULES, "universe": STOCKS[:3], "lookback": 13},
    "volume": {**RULES, "universe": STOCKS[:3], "selector": "log_mps"},
}


def planned(leaves: list[dict[str, Any]]) -> Plan:
    """Return the plan of a tree over some leaves, on two years of stocks with volumes."""
    prices = to_prices("stocks", stocks(3, 400))
    prices = replace(prices, volume=np.ones_like(prices.close))
    sleeves = {f"s{i}": leaf for i, leaf in enumerate(leaves)}
    tree = resolve({"name": "root", "lookback": 9, "sleeves": sleeves}, symbols={"stocks": prices.symbols})
    return plan_forest([tree], {"stocks": Dataset.of(prices)})


class Counted(Markets):
    """Prices that count how often they are cut."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.cut = 0

    def of(self, leaf: Leaf, rows: slice) -> Market:
        self.cut += 1
        return super().of(leaf, rows)


def leaves_of(plan: Plan) -> list[Node]:
    """Return the leaves of a plan's first tree, as they are listed."""
    return [plan.nodes[leaf.digest] for _, leaf in plan.trees[0].leaves()]


def test_leaves_that_read_the_same_share_one_reading_and_the_last_lets_it_go() -> None:
    plan = planned([*SAME, *OTHER.values()])
    markets = Counted(plan)
    readings, same, labels = Readings(plan, markets), leaves_of(plan)[:3], list(plan.labels)
    assert len({reading(node.spec) for node in same}) == 1 and len(labels) == 2
    for number, label in enumerate(labels):  # in one partition as in the next
        rows = same[0].partitions[label]
        found = [readings.of(node, rows) for node in same]
        assert found[0] is found[1] is found[2] and found[0].shared == {} and markets.cut == number * 2 + 1
        # all that read it have: whoever comes once more reads anew, and keeps nothing for others
        again = readings.of(same[0], rows)
        assert again is not found[0] and markets.cut == number * 2 + 2
        np.testing.assert_array_equal(again.returns, found[0].returns)
        readings.forget()


def test_what_is_forgotten_is_read_again() -> None:
    plan = planned(SAME)
    readings, (first, second, _) = Readings(plan, Markets(plan)), leaves_of(plan)
    rows = first.partitions[plan.labels[1]]
    one = readings.of(first, rows)
    readings.forget()
    assert readings.of(second, rows) is not one
    assert readings.of(first, rows) is readings.of(second, rows)


@pytest.mark.parametrize("what", OTHER)
def test_leaves_that_read_something_else_share_nothing(what: str) -> None:
    plan = planned([SAME[0], OTHER[what]])
    readings, (one, other) = Readings(plan, Markets(plan)), leaves_of(plan)
    assert reading(one.spec) != reading(other.spec)
    rows = one.partitions[plan.labels[1]]
    found = readings.of(one, rows), readings.of(other, rows)
    assert found[0] is not found[1] and found[0].shared is None and found[1].shared is None
    assert [it.dollar_volume is None for it in found] == [True, what != "volume"]


@pytest.mark.parametrize("more", [0, -1])
def test_a_reading_is_kept_while_its_covariances_are_small(more: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(SAME)
    readings, (first, second, _) = Readings(plan, Markets(plan)), leaves_of(plan)
    rows = first.partitions[plan.labels[1]]
    monkeypatch.setattr(inputs, "SHARED", np.empty((rows.stop - rows.start, 3, 3)).nbytes + more)
    assert rows.start > 0 and (readings.of(first, rows) is readings.of(second, rows)) == (more == 0)


# --------------------------------------------------------------------------------------- what a partition reads


@given(st.integers(0, 30), st.integers(1, 30), st.integers(1, 20))
def test_a_leaf_reads_its_partition_and_of_what_is_before_it_as_much_as_it_looks_back(
    start: int, length: int, lookback: int
) -> None:
    leaf = Leaf(dataset="d", universe=("A",), lookback=lookback)
    rows, before = reach(leaf, slice(start, start + length))
    wanted = [row for row in range(start + length) if row >= start - lookback]
    assert list(range(rows.start, rows.stop)) == wanted and before == len([row for row in wanted if row < start])


@given(trees.portfolios(), SEEDS, st.booleans())
@examples(20)
def test_inputs_of_a_leaf_are_rows_of_its_prices_wherever_a_partition_begins(
    settings: dict[str, Any], seed: int, gaps: bool
) -> None:
    prices = market(seed, gaps, False)
    with monthly():
        tree = resolve(settings, symbols={name: it.symbols for name, it in prices.items()})
        plan = plan_forest([tree], {name: Dataset.of(it) for name, it in prices.items()})
        markets = Markets(plan)
        readings = Readings(plan, markets)
        for label in plan.labels[::-1]:  # whatever was read before
            readings.forget()
            for node in leaves_of(plan):
                if label in node.partitions:
                    check_leaf(node, node.partitions[label], prices[node.spec.dataset], readings)


def check_leaf(node: Node, rows: slice, prices: Prices, readings: Readings) -> None:
    spec = node.spec
    assert isinstance(spec, Leaf)
    found, at = readings.of(node, rows), [prices.symbols.index(symbol) for symbol in spec.universe]
    first = max(rows.start - spec.lookback, 0)
    assert found.before == rows.start - first
    np.testing.assert_array_equal(found.dates, prices.dates[rows])
    np.testing.assert_array_equal(found.returns, prices.returns[first : rows.stop][:, at])
    np.testing.assert_array_equal(found.observed, prices.observed[first : rows.stop][:, at])
    np.testing.assert_array_equal(found.priced, prices.priced[rows][:, at])
    assert found.dollar_volume is None


@pytest.mark.parametrize("longest", [0, 1, 2])
def test_whoever_looks_back_furthest_finds_its_rows_though_others_have_not_read_that_far(longest: int) -> None:
    """Where the partitions before are known already, the last one is the first that is read."""
    prices, universes = market(7, True, False)["stocks"], [STOCKS[:2], STOCKS[2:4], STOCKS[1:3]]
    lookbacks = {longest: 70, (longest + 1) % 3: 5, (longest + 2) % 3: 25}
    leaves = {
        f"s{i}": {**RULES, "universe": universe, "lookback": lookbacks[i]} for i, universe in enumerate(universes)
    }
    with monthly():
        tree = resolve({"name": "root", "lookback": 9, "sleeves": leaves}, symbols={"stocks": prices.symbols})
        plan = plan_forest([tree], {"stocks": Dataset.of(prices)})
        readings = Readings(plan, Markets(plan))
        for node in sorted(leaves_of(plan), key=lambda node: node.spec.lookback):
            rows = node.partitions[plan.labels[-1]]
            assert rows.start > 70
            check_leaf(node, rows, prices, readings)


@pytest.mark.parametrize(("own", "root"), [(5, 25), (25, 5), (21, 20)])
def test_prices_are_read_from_the_partition_that_the_longest_lookback_begins_in(own: int, root: int) -> None:
    """With the price ahead of the first return, in whichever partition a walk begins; no partition more."""
    prices = market(7, True, False)["stocks"]
    starts = [
        row for row in range(len(prices.dates)) if row == 0 or months_of(prices)[row] != months_of(prices)[row - 1]
    ]
    with monthly():
        leaf = {**RULES, "universe": STOCKS[:2], "lookback": own}
        tree = resolve({"name": "root", "lookback": root, "sleeves": {"a": leaf}}, symbols={"stocks": prices.symbols})
        for place, start in enumerate(starts):
            plan = plan_forest([tree], {"stocks": Dataset.of(prices)})
            (node,) = leaves_of(plan)
            rows = node.partitions[plan.labels[place]]
            assert rows.start == start
            check_leaf(node, rows, prices, Readings(plan, Markets(plan)))
            read = plan.datasets["stocks"].since(len(prices.dates) - 1)
            first = max(start - max(own, root) - 1, 0)
            assert len(prices.dates) - len(read.dates) == max(it for it in starts if it <= first)


def test_a_part_of_a_forest_reads_its_own_symbols_and_shares_a_reading_with_what_reads_no_others() -> None:
    """What is stored is read without the symbols of other trees, as actors that own groups of a sweep's trees do."""
    prices, reads = market(7, True, False)["stocks"], list[tuple[str, ...]]()
    source = Dataset.of(prices)

    def part(rows: slice, symbols: tuple[str, ...], fields: tuple[str, ...]) -> Any:
        reads.append(symbols)
        return source.part(rows, symbols, fields)

    universes = [STOCKS[:2], STOCKS[2:4], STOCKS[2:4], STOCKS[1:4]]
    with monthly():
        trees = [
            resolve(
                {"name": f"t{i}", "dataset": "stocks", "universe": each, "lookback": 5 + i},
                symbols={"stocks": prices.symbols},
            )
            for i, each in enumerate(universes)
        ]
        plan = plan_forest(trees, {"stocks": replace(source, part=part, stored=True)})
        for position, wanted in enumerate([STOCKS[:2], STOCKS[2:4], None, STOCKS]):  # the last reads more than half
            reads.clear()
            own = plan.part((position,))
            readings = Readings(own, Markets(own))
            for node in leaves_of(own):
                for rows in node.partitions.values():
                    check_leaf(node, rows, prices, readings)
            assert reads == ([] if wanted is None else [tuple(wanted)])


def months_of(prices: Prices) -> list[str]:
    return [str(date)[:7] for date in prices.dates]


@given(DRAWS)
@examples(60)
def test_returns_that_are_cut_anew_are_those_of_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    with monthly():
        prices = market(1, True, False)["stocks"]
        dataset = Dataset.of(prices)
        at = np.sort(rng.permutation(5)[: rng.integers(1, 6)])
        returns = Returns(dataset, tuple(prices.symbols[place] for place in at))
        for _ in range(3):
            first = int(rng.integers(0, 129))
            stop = int(rng.integers(first + 1, 131))
            np.testing.assert_array_equal(returns(slice(first, stop)), prices.returns[first:stop, at])


# ----------------------------------------------------------------------------------------- what a meta sleeve reads


@pytest.mark.parametrize("ended", [False, True])
def test_children_end_where_their_data_do_for_good(ended: bool) -> None:
    prices = market(1, False, ended)
    rules = {"lookback": 9, "schedule": "weekly"}
    leaves = {
        "a": {"dataset": "stocks", "universe": STOCKS[:2], **rules},
        "b": {"dataset": "coins", "universe": COINS, **rules},
        "c": {"sleeves": {"d": {"dataset": "coins", "universe": COINS[:2], **rules}}},
    }
    tree = resolve({"name": "t", **rules, "sleeves": leaves}, symbols={name: it.symbols for name, it in prices.items()})
    plan = plan_forest([tree], {name: Dataset.of(it) for name, it in prices.items()})
    root = plan.nodes[tree.spec.digest]
    assert isinstance(root.spec, Meta)
    last = prices["coins"].dates[-1] if ended else np.datetime64("NaT")
    over = [last if plan.nodes[key].layout.symbols[0] in COINS else np.datetime64("NaT") for key in root.children]
    found = ends_of(root.spec, plan)
    assert found.dtype == np.dtype("datetime64[D]")
    np.testing.assert_array_equal(found, np.array(over, "datetime64[D]"))
    assert (~np.isnat(found)).sum() == 2 * ended
    rows = slice(20, 90)
    given_to = meta_inputs(root, rows, plan, [None] * 3, [])
    np.testing.assert_array_equal(given_to.dates, root.calendar.sessions[rows])
    np.testing.assert_array_equal(given_to.common, root.calendar.common[rows])
    np.testing.assert_array_equal(given_to.ends, found)


def test_before_its_first_session_a_sleeve_holds_nothing() -> None:
    prices = {name: to_prices(name, frame) for name, frame in years(3).items()}
    tree = resolve(NESTED, symbols={name: it.symbols for name, it in prices.items()})
    plan = plan_forest([tree], {name: Dataset.of(it) for name, it in prices.items()})
    states = {key: initial_state(node) for key, node in plan.nodes.items()}
    for key, node in plan.nodes.items():
        state, is_leaf = states[key], isinstance(node.spec, Leaf)
        assert isinstance(state, LeafState if is_leaf else MetaState)
        n_items = len(node.spec.universe if isinstance(node.spec, Leaf) else node.spec.children)
        np.testing.assert_array_equal(state.holdings, np.zeros(n_items))
        start = start_of(node, states)
        assert not start.live and not start.begun
        np.testing.assert_array_equal(start.book, np.zeros(node.layout.n_columns))


def looked_through(spec: Leaf | Meta, states: dict[str, Any]) -> np.ndarray:
    state = states[spec.digest]
    if isinstance(spec, Leaf):
        return state.holdings
    parts = [share * looked_through(child, states) for share, child in zip(state.holdings, spec.children, strict=True)]
    return np.concatenate(parts) + state.carried


def test_a_sleeve_starts_from_what_it_holds_through_its_children() -> None:
    """That is the last row of its book too, drifted to the close and traded."""
    prices = {name: to_prices(name, frame) for name, frame in years(3, gaps=False).items()}
    tree = resolve(NESTED, symbols={name: it.symbols for name, it in prices.items()})
    plan = plan_forest([tree], {name: Dataset.of(it) for name, it in prices.items()})
    walked = Local(threads=1).walk(plan, NoCache(), None)
    states = {key: walk.state for key, walk in walked.walks.items()}
    for key, node in plan.nodes.items():
        start = start_of(node, states)
        assert start.live and start.begun
        np.testing.assert_allclose(start.book, looked_through(node.spec, states), atol=1e-15)
        assert np.abs(start.book).sum() > 0
        book = walked.opened(node)
        assert isinstance(book, Opened) and book.block is walked.walks[key].whole
    leaf = leaves_of(plan)[0]
    again = opened(walked.walks[leaf.spec.digest].whole, None)
    assert again.block is walked.walks[leaf.spec.digest].whole
