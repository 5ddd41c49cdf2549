"""Stretches: covariances and books that are formed a part at a time give the bits of those that are formed at once."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, reject

from metabt import BacktestEngine
from metabt.build.walk_result import WalkResult
from metabt.errors import MetabtError
from metabt.estimators.windows import Windows
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Leaf
from metabt.values.tables import Coded
from metabt.walk.meta import aggregation, meta_sleeve, optimize_meta
from metabt.walk.meta.aggregation import Shared, stretches
from tests.shared import panels, trees
from tests.shared.laws import SEEDS, examples
from tests.shared.months import market

RULES = {"lookback": 10, "schedule": {"every": 2}, "costs": {"commission_bp": 5, "borrow_bp": 100}}
LEAVES = {
    "one": {"universe": ["AA", "BB"], "direction": "short"},
    "two": {"universe": ["BB", "CC"]},
    "three": {"universe": ["DD", "EE"]},
}


def assembled(tree: dict, seed: int, formed: int) -> dict[str, dict[str, np.ndarray]]:
    """Return the tables of a tree of which so many bytes are formed at a time, but for the seconds that it took."""
    prices = market(seed, gaps=True, ended=False)
    symbols = {name: panel.symbols for name, panel in prices.items()}
    with patch.object(aggregation, "FORMED", formed):
        engine = BacktestEngine([resolve(tree, symbols=symbols)], prices)
        tables = engine.assemble(engine.run())
    del tables["stages"]
    return {
        name: {column: values.codes if isinstance(values, Coded) else values for column, values in table.items()}
        for name, table in tables.items()
    }


@examples(25)
@given(trees.portfolios(), SEEDS)
def test_a_part_at_a_time_gives_the_same_bits(tree: dict, seed: int) -> None:
    try:
        whole, parts = (assembled(tree, seed, formed) for formed in (2**26, 2**7))
    except MetabtError:
        reject()
    for name, table in whole.items():
        for column, values in table.items():
            assert values.tobytes() == parts[name][column].tobytes(), (name, column)


@pytest.mark.parametrize("optimizer", ["min_variance", {"name": "min_variance", "max_turnover": 0.1}])
def test_no_more_is_formed_at_a_time(optimizer: str | dict) -> None:
    """Three children: 72 bytes of covariances a decision, and six columns of a book: 48 bytes a session."""
    prices = market(1, gaps=False, ended=False)
    symbols = {name: panel.symbols for name, panel in prices.items()}
    rules = {**RULES, "optimizer": optimizer, "defaults": {"dataset": "stocks", **RULES}}
    tree = resolve({"name": "root", **rules, "sleeves": LEAVES}, symbols=symbols)
    weighed, traded = [], []

    def weigh(spec: object, candidates: object) -> object:
        weighed.append(len(candidates.of(optimize_meta.build_optimizer(spec.optimizer))[1]))
        return before(spec, candidates)

    def net_trades(one: np.ndarray, other: np.ndarray, *args: object, **named: bool) -> np.ndarray:
        traded.append(one.nbytes)
        return netted(one, other, *args, **named)

    before, netted = optimize_meta.weigh, meta_sleeve.net_trades
    with (
        patch.object(aggregation, "FORMED", 720),
        patch.object(optimize_meta, "weigh", weigh),
        patch.object(meta_sleeve, "net_trades", net_trades),
    ):
        BacktestEngine([tree], prices).run()
    assert len(traded) > 3 and max(traded) <= 720
    if optimizer == "min_variance":
        assert len(weighed) > 3 and max(weighed) <= 10


def test_stretches_are_all_rows_in_order() -> None:
    with patch.object(aggregation, "FORMED", 800):
        parts = stretches(np.arange(7, 107), 10)
    assert np.concatenate(parts).tolist() == list(range(7, 107))
    assert {len(part) for part in parts} == {10}
    assert len(stretches(np.arange(0), 10)) == 1


def test_windows_whose_covariances_take_too_much_are_let_go_of_oldest_first() -> None:
    shared, returns = Shared(), np.zeros((40, 5))
    made = [Windows(returns, np.arange(10, 30) + k, np.full(20, 9)) for k in range(4)]
    with patch.object(aggregation, "FORMED", 2 * 8 * 20 * 25):
        for k, windows in enumerate(made):
            shared.keep(bytes([k]), windows)
    assert list(shared.windows.values()) == made[2:]
    with patch.object(aggregation, "FORMED", 1):
        shared.keep(b"last", made[0])
    assert list(shared.windows) == [b"last"]  # the one that is asked for stays


def test_a_walk_lets_go_of_the_books_beneath_what_has_been_walked() -> None:
    prices = market(1, gaps=False, ended=False)
    rules = {"dataset": "stocks", "lookback": 10, "schedule": {"every": 5}}
    nodes = {f"n{i}": {"sleeves": {f"a{i}": {"universe": panels.STOCKS[i : i + 2]}}} for i in range(3)}
    tree = resolve(
        {"name": "root", "lookback": 10, "defaults": rules, "sleeves": nodes}, symbols={"stocks": panels.STOCKS}
    )
    found: WalkResult = BacktestEngine([tree], prices).run()
    leaves = {key for key, node in found.plan.nodes.items() if isinstance(node.spec, Leaf)}
    assert [set(children) <= leaves for children in found._inputs] == [True] * 3  # the root's are gone
    assert not any(inputs.gathered._books for inputs in found._inputs.values())


def test_sleeves_over_the_same_children_are_walked_on_what_the_first_one_made() -> None:
    prices = market(1, gaps=False, ended=False)
    rules = {"dataset": "stocks", "lookback": 10, "schedule": {"every": 5}}
    leaves = {name: {"universe": leaf["universe"]} for name, leaf in LEAVES.items()}
    nodes = {name: {"optimizer": name, "sleeves": leaves} for name in ("equal", "min_variance", "erc")}
    tree = {"name": "root", "lookback": 10, "defaults": rules, "sleeves": nodes}
    made = []
    with patch.object(WalkResult, "forget", lambda self, node, last: made.append((len(node.children), last))):
        BacktestEngine([resolve(tree, symbols={"stocks": panels.STOCKS})], prices).run()
    assert [last for n_children, last in made if n_children] == [False, False, True, True]
