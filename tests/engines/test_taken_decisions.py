"""Taken decisions: walked from those that a run recorded, its sleeves are what they are when they decide again."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, reject

import metabt
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.taken_decisions import taken
from metabt.errors import MetabtError
from metabt.runs.baselines.bootstrap import Bootstrap
from metabt.runs.replay import Origin
from metabt.values.tables import Coded, Table
from tests.shared import panels, trees
from tests.shared.agreement import same
from tests.shared.laws import SEEDS, examples

TREE = {
    "name": "mine",
    "optimizer": "min_variance",
    "defaults": {"lookback": 12, "schedule": {"every": 5}, "costs": {"commission_bp": 10}},
    "sleeves": {
        "one": {"universe": ["AA", "BB"], "optimizer": "erc"},
        "two": {"universe": ["CC", "DD", "EE"], "selector": {"name": "top_k", "k": 2}},
    },
}


def origins(result: metabt.Result) -> tuple[Origin, Origin]:
    """Return where a run came from, with its decisions and without."""
    assert result.origin is not None
    plain = replace(result.origin(), cache=None)
    return replace(plain, decided=lambda: result.tables["decisions"]), plain


def known(result: metabt.Result, table: Table) -> set[str]:
    """Return the labels of the sleeves whose decisions a table knows."""
    assert result.origin is not None
    asked = result.origin().request
    plan = BacktestEngine([asked.tree], asked.datasets).plan
    return {plan.nodes[key].label for key in taken(table, asked.tree, plan)}


@examples(20)
@given(trees.portfolios(), SEEDS)
def test_attribution_and_baselines_have_the_same_bits(tree: dict, seed: int) -> None:
    try:
        result = metabt.backtest(tree, panels.market(seed))
        (one, other), baselines = origins(result), bool(tree.get("sleeves"))
        expected = other.attributed()
        beside = other.beside() if baselines else None
    except MetabtError:
        reject()
    found = one.attributed()
    assert same({"it": found.contributions}, {"it": expected.contributions})
    assert same({"it": found.effects}, {"it": expected.effects})
    assert found.accrual.values.tobytes() == expected.accrual.values.tobytes()
    if beside is not None:
        again = one.beside()
        assert str(again.statistics(Bootstrap(20))) == str(beside.statistics(Bootstrap(20)))
        for name, tables in beside.tables.items():
            assert same(again.tables[name], tables), name


def test_nothing_is_decided_again_but_what_surrounds_the_run() -> None:
    one, other = origins(metabt.backtest(TREE, panels.stocks(1, 130)))
    (expected,) = other._views()
    with (
        patch("metabt.walk.leaf._decide", side_effect=AssertionError),
        patch("metabt.walk.meta.meta_sleeve.optimize_meta", side_effect=AssertionError),
    ):
        (found,) = one._views()
    assert [it.rows("net").tobytes() for it in found] == [it.rows("net").tobytes() for it in expected]
    assert [it.decisions.weights.tobytes() for it in found] == [it.decisions.weights.tobytes() for it in expected]
    assert [it.decisions.reasons.tobytes() for it in found] == [it.decisions.reasons.tobytes() for it in expected]
    assert [it.decisions.status for it in found] == [it.decisions.status for it in expected]


def test_decisions_that_the_end_of_a_view_cut_off_are_taken_again() -> None:
    result = metabt.backtest(TREE, panels.stocks(1, 130), end="2021-04-01")
    one, other = origins(result)
    assert same({"it": one.attributed().effects}, {"it": other.attributed().effects})
    never = replace(one, decided=lambda: pytest.fail("decisions beyond the view are not in the table"))
    never.attributed()


def test_a_sleeve_is_left_to_decide_where_the_table_does_not_say_all() -> None:
    result = metabt.backtest(TREE, panels.stocks(1, 130))
    table = result.tables["decisions"]
    assert known(result, table) == {"mine", "mine/one", "mine/two"}
    rows = np.arange(len(np.asarray(table["date"])))
    path = table["path"]
    assert isinstance(path, Coded)
    (own,) = np.nonzero(path.codes == path.values.index("mine/one"))
    apart = np.r_[own[-1], np.delete(rows, own[-1])]  # its last row comes first of all
    assert known(result, cut(table, apart)) == {"mine", "mine/two"}
    backwards = rows.copy()
    backwards[own] = own[::-1]
    assert known(result, cut(table, backwards)) == {"mine", "mine/two"}
    strange = {**table, "item": Coded(table["item"].codes, tuple(f"{it}?" for it in table["item"].values))}  # type: ignore[union-attr]
    assert known(result, strange) == set()


def cut(table: Table, rows: np.ndarray) -> Table:
    """Return some rows of a table."""
    return {name: column.take(rows) if isinstance(column, Coded) else column[rows] for name, column in table.items()}
