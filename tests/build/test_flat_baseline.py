"""The flat baseline of a tree: its sides, its eligibility, its prices, and what it is refused for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.build.flat_baseline import flatten_tree, join_prices
from metabt.data.dataset import Dataset
from metabt.data.point_in_time.with_events import with_events
from metabt.data.prices import Prices
from metabt.errors import ConfigError
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Leaf, Sleeve
from tests.data.point_in_time.rows import tables
from tests.shared import trees
from tests.shared.laws import DRAWS, examples
from tests.shared.panels import COINS, FUNDS, STOCKS

SYMBOLS = {"stocks": STOCKS, "coins": COINS, "funds": FUNDS}


def resolved(settings: dict[str, Any]) -> Sleeve:
    return resolve(settings, symbols={name: tuple(symbols) for name, symbols in SYMBOLS.items()})


def sides(tree: Sleeve) -> dict[str, set[bool]]:
    """Return asset -> whether it is short, in each leaf that has it."""
    found: dict[str, set[bool]] = {}
    for _, leaf in tree.leaves():
        for symbol in leaf.universe:
            found.setdefault(symbol, set()).add(leaf.signs[leaf.universe.index(symbol)] < 0)
    return found


@given(trees.portfolios())
@examples(60)
def test_it_has_all_assets_on_their_sides_under_the_rules_of_the_root(settings: dict[str, Any]) -> None:
    tree = resolved(settings)
    found = sides(tree)
    try:
        flat = flatten_tree(tree, "joined")
    except ConfigError as error:
        named = any(it.name == "fixed" for it in (tree.spec.optimizer, *tree.spec.fallback))
        assert named or any(len(each) == 2 for each in found.values())
        assert f"'{tree.name}'" in str(error)
        return
    spec, leaves = flat.spec, [leaf for _, leaf in tree.leaves()]
    assert isinstance(spec, Leaf) and (flat.name, spec.dataset) == (tree.name, "joined")
    assert spec.universe == tuple(sorted(found))
    assert spec.shorts == tuple(sorted(symbol for symbol, each in found.items() if each == {True}))
    assert [sign < 0 for sign in spec.signs] == [found[symbol] == {True} for symbol in spec.universe]
    for leaf in leaves:
        assert spec.min_coverage <= leaf.min_coverage and spec.stale_after >= leaf.stale_after
    assert spec.min_coverage in {leaf.min_coverage for leaf in leaves}
    assert spec.stale_after in {leaf.stale_after for leaf in leaves}
    for name in ("optimizer", "fallback", "lookback", "lag", "schedule", "costs", "start"):
        assert getattr(spec, name) == getattr(tree.spec, name)


def test_shorts_are_in_order_whichever_leaf_has_them_first() -> None:
    """The order is the spec's, and so that of its digest."""
    rules = {"dataset": "stocks", "lookback": 9, "direction": "short"}
    leaves = [{**rules, "universe": ["EE", "DD"]}, {**rules, "universe": ["BB", "AA"]}]
    flats = []
    for order in (leaves, leaves[::-1]):
        tree = {"name": "t", "lookback": 9, "sleeves": {f"s{i}": leaf for i, leaf in enumerate(order)}}
        flats.append(flatten_tree(resolved(tree), "joined").spec)
    assert all(isinstance(flat, Leaf) and flat.shorts == ("AA", "BB", "DD", "EE") for flat in flats)
    assert flats[0].digest == flats[1].digest


def test_an_asset_that_is_long_and_short_is_refused_with_both_sleeves_and_the_tree() -> None:
    rules = {"dataset": "stocks", "lookback": 9}
    inner = {"sleeves": {"down": {**rules, "universe": ["CC", "BB"], "direction": "short"}}}
    tree = {"name": "two sides", "lookback": 9, "sleeves": {"up": {**rules, "universe": ["AA", "BB"]}, "in": inner}}
    with pytest.raises(ConfigError) as refused:
        flatten_tree(resolved(tree), "joined")
    assert str(refused.value) == (
        "'BB' is long in one and short in the other of 'two sides/up' and 'two sides/in/down', so the flat baseline "
        "of 'two sides' has no side for it; take it out of one of them"
    )


@pytest.mark.parametrize("where", ["optimizer", "fallback"])
def test_an_optimizer_that_speaks_of_sleeves_is_refused_by_its_name(where: str) -> None:
    fixed = {"name": "fixed", "weights": {"a": 0.5, "b": 0.5}}
    rules = {"dataset": "stocks", "lookback": 9}
    stated = {"optimizer": fixed} if where == "optimizer" else {"optimizer": "erc", "fallback": [fixed]}
    leaves = {"a": {**rules, "universe": ["AA"]}, "b": {**rules, "universe": ["BB"]}}
    with pytest.raises(ConfigError) as refused:
        flatten_tree(resolved({"name": "mine", "lookback": 9, **stated, "sleeves": leaves}), "joined")
    assert str(refused.value) == (
        "optimizer 'fixed' of 'mine' speaks of its sleeves by name, which the flat baseline does not have; give the "
        "root an optimizer that treats all alike"
    )


def panel(rng: np.random.Generator, name: str, symbols: list[str], closed: bool) -> Prices:
    """Return prices on some days of two weeks, with gaps."""
    days = np.flatnonzero(rng.random(14) < rng.choice([0.5, 0.9, 1.0]))
    days = days if len(days) else np.array([int(rng.integers(14))])
    close = rng.uniform(50.0, 60.0, (len(days), len(symbols)))
    close[rng.random(close.shape) < 0.2] = np.nan
    return Prices(name, days + np.datetime64("2021-03-01"), tuple(symbols), close, None, closed)


def is_shared(panel: Prices, day: np.datetime64) -> bool:
    """Return whether a panel has a session that day, has not begun, or is over for good."""
    over = panel.closed and day > panel.dates[-1]
    return bool(day in panel.dates or day < panel.dates[0] or over)


@given(DRAWS)
@examples(150)
def test_joined_prices_are_those_of_each_panel_on_the_sessions_that_all_share(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [["b", "e"], ["a", "d", "f"], ["c"]][: int(rng.integers(1, 4))]
    panels = [panel(rng, f"p{i}", symbols, bool(rng.random() < 0.3)) for i, symbols in enumerate(names)]
    found = join_prices(panels)
    held = [it.dates[-1] for it in panels if not it.closed]
    days = sorted({day for it in panels for day in it.dates})
    days = [day for day in days if not held or day <= min(held)]
    days = [day for day in days if all(is_shared(it, day) for it in panels)]
    frames = [pd.DataFrame(it.close, it.dates, list(it.symbols)) for it in panels]
    expected = pd.concat(frames, axis=1, sort=True).reindex(index=days, columns=sorted(sum(names, [])))
    assert found.dates.tolist() == [day.item() for day in days]
    assert list(found.symbols) == list(expected.columns) and found.volume is None
    np.testing.assert_array_equal(found.close, expected.to_numpy(float))
    assert found.closed == (not held)


@given(st.permutations(["a", "b", "c", "d"]))
def test_joined_prices_are_called_after_their_panels_and_by_their_symbols(order: list[str]) -> None:
    """Two trees of a forest join other symbols of the same datasets: their names must differ."""
    rng = np.random.default_rng(1)
    parts = [panel(rng, "one", sorted(order[:2]), False), panel(rng, "two", sorted(order[2:]), False)]
    other = [panel(rng, "one", sorted(order[2:]), False), panel(rng, "two", sorted(order[:2]), False)]
    name = join_prices(parts).name
    assert name.rpartition(":")[0] == "one+two" and len(name.rpartition(":")[2]) == 8
    assert name == join_prices([*parts]).name != join_prices(other).name


def test_an_asset_ends_in_the_first_shared_session_after_its_end() -> None:
    days = np.arange("2021-01-04", "2021-01-10", dtype="datetime64[D]")
    close = np.array([[10.0], [11], [12], [np.nan], [np.nan], [np.nan]])
    point_in_time = tables(delistings=[{"asset": "A", "date": days[3], "return": -0.5, "kind": "performance"}])
    one = with_events(Dataset.of(Prices("one", days, ("A",), close), point_in_time), ("A",)).prices
    other = Prices("other", days[[0, 2, 4, 5]], ("B",), np.array([[1.0], [2], [3], [4]]))
    found = join_prices([one, other])
    assert found.dates.tolist() == days[[0, 2, 4, 5]].tolist()
    np.testing.assert_allclose(found.returns[:, 0], [0, 0.2, -0.5, 0])
    assert found.events is not None
    ended = found.events.ended(4, 2)
    assert ended is not None and np.argwhere(ended).tolist() == [[2, 0]]
    digests = Dataset.of(found).facts.digests
    without = Dataset.of(replace(found, events=None)).facts.digests
    assert {cell for cell in digests if digests[cell] != without[cell]} == {("A", "2021", "close")}


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"universe": {"min_price": 1, "of": ["A"]}}, "'t/a' draws its universe anew"),
        ({"universe": ["A"], "delisting": {"unknown": -1}}, "'t/a' and 't/b' state unlike returns of delistings"),
    ],
)
def test_what_one_leaf_cannot_stand_for_is_refused(own: dict[str, object], words: str) -> None:
    tree = resolve({"name": "t", "sleeves": {"a": {"dataset": "x", **own}, "b": {"dataset": "x", "universe": ["B"]}}})
    with pytest.raises(ConfigError, match=words):
        flatten_tree(tree, "x")
