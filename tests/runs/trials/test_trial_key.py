"""What is the same try has one key, and what is another try has another: 0 double counts, 0 missed."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from metabt.data.step import Step
from metabt.runs.request import Request
from metabt.runs.trials.trial_key import TrialKeys
from tests.shared import panels, trees
from tests.shared.jobs import book
from tests.shared.laws import DRAWS, examples
from tests.shared.trial_keys import asked_of, key_of

Tree = dict[str, Any]


@cache
def market(sessions: int = 100) -> dict[str, pd.DataFrame]:
    """Return prices of a number of sessions; more of them go on where fewer end."""
    return {name: frame[:sessions] for name, frame in panels.market(3, gaps=False).items()}


def renamed(tree: Tree, rng: np.random.Generator) -> Tree:
    """Return a tree whose sleeves are called otherwise, and listed in another order."""
    found = {**tree, "name": f"n{rng.integers(10**9)}"}
    if "sleeves" not in tree:
        return found
    order = [list(tree["sleeves"])[place] for place in rng.permutation(len(tree["sleeves"]))]
    new = {name: f"s{place}_{rng.integers(10**6)}" for place, name in enumerate(order)}
    sleeves = {
        new[name]: {k: v for k, v in renamed(tree["sleeves"][name], rng).items() if k != "name"} for name in order
    }
    return {**_speaking(found, new), "sleeves": sleeves}


def _speaking(tree: Tree, names: dict[str, str]) -> Tree:
    """Return a tree whose optimizer speaks of its children by their new names."""

    def told(it: Any) -> Any:
        if not isinstance(it, dict):
            return it
        return {k: {names.get(n, n): w for n, w in v.items()} if isinstance(v, dict) else v for k, v in it.items()}

    changed = {key: told(tree[key]) for key in ("optimizer",) if key in tree}
    if "fallback" in tree:
        changed["fallback"] = [told(it) for it in tree["fallback"]]
    return {**tree, **changed}


def leaf(tree: Tree, rng: np.random.Generator) -> Tree:
    """Return one of the leaves of a tree, to be changed in place."""
    while "sleeves" in tree:
        names = list(tree["sleeves"])
        tree = tree["sleeves"][names[rng.integers(len(names))]]
    return tree


def another(tree: Tree, rng: np.random.Generator) -> dict[str, Tree]:
    """Return trees that are each another try: what was changed -> the tree."""
    found = {}
    for name, change in CHANGES.items():
        found[name] = deepcopy(tree)
        change(leaf(found[name], rng))
    return found


def _other_universe(own: Tree) -> None:
    left = [it for it in trees.SYMBOLS[own["dataset"]] if it not in own["universe"]]
    if left:
        own["universe"] = [*own["universe"], left[0]]
    else:
        own.update(dataset="stocks", universe=["AA", "BB", "CC"], optimizer="equal")


CHANGES: dict[str, Callable[[Tree], None]] = {
    "lookback": lambda own: own.update(lookback=own.get("lookback", 60) + 1),
    "universe": _other_universe,
    "period": lambda own: own.update(start="2021-04-07"),
    "costs": lambda own: own.update(costs={"commission_bp": 7.25}),
    "lag": lambda own: own.update(lag=own.get("lag", 1) + 1),
    "schedule": lambda own: own.update(schedule={"every": 11}),
}


@examples(12)
@given(tree=trees.portfolios(), draw=DRAWS)
def test_names_order_data_end_and_benchmark_are_no_new_try_and_settings_are(tree: Tree, draw: int) -> None:
    check_counts(tree, draw)


@pytest.mark.slow
@examples(200)
@given(tree=trees.portfolios(), draw=DRAWS)
def test_so_it_is_of_many_trees(tree: Tree, draw: int) -> None:
    check_counts(tree, draw)


def check_counts(tree: Tree, draw: int) -> None:
    """Check that nothing is counted twice and nothing is missed of a tree and what is like it."""
    rng, prices = np.random.default_rng(draw), market()
    key = key_of(tree, prices).key
    again = {
        "names and order": key_of(renamed(tree, rng), prices),
        "appended data": key_of(tree, market(150)),
        "end": key_of(tree, prices, end="2021-12-31"),
        "benchmark": key_of(tree, prices, benchmark="stocks:AA"),
    }
    assert {what: it.key for what, it in again.items() if it.key != key} == {}
    others = {what: key_of(other, prices).key for what, other in another(tree, rng).items()}
    assert [what for what, it in others.items() if it == key] == []


def test_corrected_and_rescaled_prices_are_the_same_data() -> None:
    prices = market()
    for other in ({**prices, "stocks": prices["stocks"] * 1.5}, {**prices, "stocks": prices["stocks"].shift(1)[1:]}):
        assert key_of(book(), other).key == key_of(book(), prices).key


def test_prices_of_an_earlier_year_are_another_period_unless_a_start_is_stated() -> None:
    prices = panels.stocks(3)
    days = pd.bdate_range("2019-06-03", periods=40)
    longer = pd.concat([panels.random_walk(3, days, panels.STOCKS), prices])
    assert key_of(book(), {"stocks": longer}).key != key_of(book(), {"stocks": prices}).key
    late = {"start": "2021-03-01"}
    stated = {**book(), "defaults": late, **late}
    assert key_of(stated, {"stocks": longer}).key == key_of(stated, {"stocks": prices}).key


def test_another_dataset_a_flat_baseline_and_unadjusted_prices_are_other_tries() -> None:
    prices = panels.stocks(3)
    own = {"name": "x", "universe": ["AA", "BB"], "lookback": 20}
    one = key_of({**own, "dataset": "stocks"}, {"stocks": prices}).key
    assert key_of({**own, "dataset": "mine"}, {"mine": prices}).key != one
    assert key_of({**own, "dataset": "stocks"}, {"stocks": prices}, adjusted=False).key != one
    assert key_of(book(), {"stocks": prices}, flat=True).key != key_of(book(), {"stocks": prices}).key


def test_code_libraries_and_platform_are_in_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asked_of(book(), {"stocks": panels.stocks(3)})
    key, run_id = TrialKeys().of(asked).key, asked.run_id
    monkeypatch.setattr("metabt.runs.request.FORMAT", 99)
    monkeypatch.setattr("metabt.runs.request.numeric_platform", lambda: {"other": True})
    newer = asked_of(book(), {"stocks": panels.stocks(3)})
    assert newer.run_id != run_id
    assert TrialKeys().of(newer).key == key


@pytest.mark.parametrize(("changed", "same"), [("other (files)", False), ("metabt (files)", True), ("scipy", True)])
def test_the_files_of_a_step_are_in_the_key_and_what_is_metabts_is_not(changed: str, same: bool) -> None:
    asked = asked_of(book(), {"stocks": panels.stocks(3)})

    def key(**packages: str) -> str:
        step = Step("theirs", lambda sheet: sheet, 5, False, "code", "theirs, before: 5", tuple(packages.items()))
        stepped = replace(asked.datasets["stocks"], step=step, beneath=asked.datasets["stocks"])
        return TrialKeys().of(replace(asked, datasets={"stocks": stepped})).key

    own = {"other (files)": "1", "metabt (files)": "2", "scipy": "3"}
    assert (key(**{**own, changed: "4"}) == key(**own)) is same
    assert key(**own) != TrialKeys().of(asked).key


def signals(sessions: int, scale: float = 1.0) -> pd.DataFrame:
    """Return weights of two stocks on every fifth of the sessions."""
    days = panels.stocks(3, sessions).index[4::5]
    return pd.DataFrame({"AA": np.linspace(0.1, 0.4, 100)[: len(days)] * scale, "BB": 0.3}, days)


def signalled(sessions: int, own: pd.DataFrame) -> Request:
    tree = {"name": "x", "dataset": "stocks", "signal": "mine"}
    return asked_of(tree, {"stocks": panels.stocks(3, sessions)}, signals={"mine": own})


def test_rows_that_are_appended_are_found_by_the_day_of_the_first_asking_and_changed_ones_are_not() -> None:
    first = TrialKeys().of(signalled(100, signals(100)))
    later = TrialKeys().of(signalled(130, signals(130)))
    assert first.by is not None and later.by is not None and first.by < later.by
    assert first.base == later.base and first.key != later.key
    assert later.key_by(first.by) == first.key
    changed = TrialKeys().of(signalled(130, signals(130, 0.5)))
    assert changed.base == first.base and changed.key_by(first.by) != first.key


def test_a_membership_is_covered_as_it_was_visible_then() -> None:
    prices, tree = panels.stocks(3), {"name": "x", "dataset": "stocks", "universe": {"members": "u"}, "lookback": 20}
    rows = pd.DataFrame({"universe": "u", "asset": ["AA", "BB", "CC"], "first_date": prices.index[0]})

    def key(n: int, members: pd.DataFrame) -> Any:
        return key_of(tree, {"stocks": prices[:n]}, tables={"stocks": {"members": members}})

    first = key(100, rows)
    ends = [pd.NaT, prices.index[110], pd.NaT]
    joins = pd.DataFrame({"universe": ["u"], "asset": ["DD"], "first_date": [prices.index[115]]})
    grown = key(130, pd.concat([rows.assign(last_date=ends), joins]))
    assert grown.key_by(first.by) == first.key
    picked = key(130, rows[:2])
    assert picked.base == first.base and picked.key_by(first.by) != first.key


@pytest.mark.parametrize(("asset", "same"), [("AA", False), ("*", False), ("CC", True)])
def test_costs_that_somebody_wrote_are_another_try_where_the_tree_trades_the_asset(asset: str, same: bool) -> None:
    prices, tree = panels.stocks(3), {"name": "x", "dataset": "stocks", "universe": ["AA", "BB"], "lookback": 20}
    costs = pd.DataFrame({"asset": [asset], "first_date": [prices.index[0]], "commission_bp": [12.0]})
    found = key_of(tree, {"stocks": prices}, tables={"stocks": {"costs": costs}})
    assert (found.key == key_of(tree, {"stocks": prices}).key) is same
