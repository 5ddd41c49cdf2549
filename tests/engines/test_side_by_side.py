"""Threads: which sleeves are walked at the same time, and that it changes no bit."""

from __future__ import annotations

import time
from collections import Counter
from itertools import chain, pairwise
from threading import Barrier, current_thread, get_ident
from typing import Any

import pytest
from hypothesis import given, settings

from metabt.build.cache import MemoryCache
from metabt.build.inputs import reading
from metabt.build.plan import Node, Plan
from metabt.engines import local, side_by_side
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.local import Local
from metabt.engines.side_by_side import walk_groups, waves_of
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Leaf
from tests.shared import laws, panels, trees
from tests.shared.executors import LEAF, NESTED, RULES, STOCKS, alike, engine, outcomes
from tests.shared.months import in_turn

FOREST = [NESTED, {**NESTED, "optimizer": "min_variance"}, {**NESTED, "lookback": 30}, LEAF]
"""Trees that have sleeves in common, at several heights."""
FOREIGN = {"name": "skfolio.InverseVolatility"}


@settings(max_examples=15)
@given(trees.portfolios(), laws.SEEDS)
def test_threads_change_no_bit_of_random_trees(tree: dict[str, Any], seed: int) -> None:
    one, several = (engine([tree], seed, executor=Local(threads=n)) for n in (1, 3))
    assert alike(outcomes(one), outcomes(several))


@settings(max_examples=10)
@given(trees.portfolios(), laws.SEEDS)
def test_threads_change_no_key_and_no_block_of_random_trees(tree: dict[str, Any], seed: int) -> None:
    caches = MemoryCache(), MemoryCache()
    for n, cache in zip((1, 3), caches, strict=True):
        engine([tree, {**tree, "lookback": 25}], seed, executor=Local(threads=n), cache=cache).run()
    one, several = ({key: sealed.digests for key, (_, sealed) in cache.objects.items()} for cache in caches)
    assert one == several and one


def test_threads_change_no_bit_of_a_forest() -> None:
    found = [outcomes(engine(FOREST, executor=Local(threads=n))) for n in (1, 2, 5)]
    assert alike(found[0], found[1]) and alike(found[0], found[2])


def test_threads_are_begun_only_where_something_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found is read by the caller; so are the steps of later years that a leaf's first walk has made.

    Of a tree of which nothing is known every sleeve is computed, over all years at once.
    """
    used: list[int] = []
    walk_all = local.walk_groups

    def noted(groups: Any, work: Any, done: Any, n_threads: int) -> None:
        kept = [group for group in groups if group]
        used.extend([len(kept)] if kept else [])
        walk_all(kept, work, done, n_threads)

    monkeypatch.setattr(local, "walk_groups", noted)
    cache = MemoryCache()
    cold = engine([NESTED], executor=Local(threads=2), cache=cache)
    first = outcomes(cold)
    assert used == [len(wave) for wave in waves_of(cold.plan)]
    used.clear()
    warm = outcomes(engine([{**NESTED, "name": "other"}], executor=Local(threads=2), cache=cache))
    assert used == [] and len(warm) == len(first) == 1
    with in_turn():
        yearly = outcomes(engine([NESTED], executor=Local(threads=2), cache=MemoryCache()))
    n_leaf_groups = len(waves_of(cold.plan)[0])
    assert used.count(n_leaf_groups - 1) == 1  # in the first year alone, all but the group that was computed first
    assert alike(yearly, first)


@given(trees.portfolios(), trees.portfolios())
@settings(max_examples=30)
def test_waves_have_every_sleeve_once_after_those_beneath_it(one: dict[str, Any], other: dict[str, Any]) -> None:
    plan = engine([one, other]).plan
    assert_in_order(plan)


def assert_in_order(plan: Plan) -> None:
    waves = waves_of(plan)
    placed = {node.spec.digest: at for at, wave in enumerate(waves) for group in wave for node in group}
    assert placed.keys() == plan.nodes.keys() - plan.fleeting
    assert sum(len(group) for wave in waves for group in wave) == len(placed)
    assert all(placed[child] < placed[key] for key in placed for child in plan.nodes[key].children)
    for wave in waves:
        for group, next_group in pairwise(wave):
            touched, others = (set(chain.from_iterable(map(made(plan), it))) for it in (group, next_group))
            assert not touched & others


def made(plan: Plan) -> Any:
    """Return what walking a sleeve makes for others too, read off the rule that groups are made by."""

    def of(node: Node) -> set[object]:
        if isinstance(node.spec, Leaf):
            return {reading(node.spec)}
        return {key for child in node.children for key in {child} | (of(plan.nodes[child]) & plan.nodes.keys())}

    return of


def test_sleeves_over_the_same_children_and_leaves_of_one_reading_are_one_group() -> None:
    leaf = {"universe": STOCKS[:3]}
    both = {"a": {**leaf, "optimizer": "equal"}, "b": {**leaf, "optimizer": "erc"}, "c": {"universe": STOCKS[3:]}}
    rules = {"name": "root", "defaults": {**RULES, "optimizer": "erc"}}
    forest = [{**rules, "optimizer": name, "sleeves": both} for name in ("erc", "hrp", "equal")]
    leaves, roots = waves_of(engine(forest).plan)
    assert sorted(len(group) for group in leaves) == [1, 2]
    assert [len(group) for group in roots] == [3]


def test_what_others_wrote_is_walked_on_the_callers_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's warnings are of the process: a foreign estimator must not hear those of another's."""
    sleeves = {
        "own": {"universe": STOCKS[:2]},
        "second": {"universe": STOCKS[1:3]},
        "theirs": {"universe": STOCKS[2:4], "optimizer": FOREIGN},
        "theirs_too": {"universe": STOCKS[3:], "optimizer": FOREIGN},
    }
    job = engine([{"name": "root", "defaults": RULES, "sleeves": sleeves}], executor=Local(threads=2))
    waves = waves_of(job.plan)
    names = [[sorted(node.label for node in group) for group in wave] for wave in waves]
    assert sorted(names[0]) == [["root/own"], ["root/second"]]
    assert names[1:] == [[["root/theirs", "root/theirs_too"]], [["root"]]]
    seen: dict[str, int] = {}
    for wave in waves:
        walk_groups(wave, lambda node: seen.setdefault(node.label, get_ident()), lambda node, found: None, 2)
    here = {name for name, thread in seen.items() if thread == get_ident()}
    assert here == {"root/theirs", "root/theirs_too", "root"}


@pytest.fixture
def wave() -> list[list[Node]]:
    """Return a wave of six leaves that read different prices."""
    prices = to_prices("stocks", panels.stocks(3, 300))
    sleeves = {f"s{i}": {"universe": STOCKS[:3], "lookback": 20 + i} for i in range(6)}
    tree = resolve({"name": "root", "defaults": RULES, "sleeves": sleeves}, symbols={"stocks": prices.symbols})
    return waves_of(BacktestEngine([tree], {"stocks": prices}).plan)[0]


def test_as_many_sleeves_as_there_are_threads_are_walked_at_the_same_time(wave: list[list[Node]]) -> None:
    """The barrier opens when three are inside; results come back to the caller's thread."""
    together, found, threads = Barrier(3), [], set()

    def work(node: Node) -> str:
        together.wait(20)
        threads.add(current_thread())
        return node.label

    def done(node: Node, label: str) -> None:
        found.append((node.label == label, get_ident()))

    walk_groups(wave, work, done, 3)
    assert found == [(True, get_ident())] * 6 and len(threads) == 3


@pytest.mark.parametrize("threads", [1, 2])
def test_groups_of_which_nothing_has_a_session_are_left_out(wave: list[list[Node]], threads: int) -> None:
    found: list[str] = []
    for groups in ([], [[], []], [[], wave[0], [], wave[1]]):
        walk_groups(groups, lambda node: node.label, lambda node, label: found.append(label), threads)
    assert sorted(found) == sorted(group[0].label for group in wave[:2])


@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_sleeve_raises_is_raised_and_ends_the_others(wave: list[list[Node]], threads: int) -> None:
    walked: Counter[str] = Counter()

    def work(node: Node) -> None:
        walked[node.label] += 1
        raise KeyError(node.label)

    with pytest.raises(KeyError):
        walk_groups(wave, work, lambda node, found: None, threads)
    assert 1 <= walked.total() <= threads


def test_an_interruption_of_the_caller_ends_the_threads(wave: list[list[Node]]) -> None:
    walked: Counter[str] = Counter()

    def work(node: Node) -> None:
        walked[node.label] += 1
        time.sleep(1e-3)  # or a caller that waits for a processor is told when all is done

    def interrupted(node: Node, found: None) -> None:
        raise KeyboardInterrupt

    waves = [[group[0]] * 10_000 for group in wave[:2]]
    with pytest.raises(KeyboardInterrupt):
        walk_groups(waves, work, interrupted, 2)
    assert walked.total() < 20_000


def test_a_sleeve_that_fails_on_a_thread_fails_as_it_does_alone() -> None:
    """Two shorts are ruined at different places; each tree says which sleeve it was, whoever came first."""
    panel = panels.stocks(3, 400, gaps=False)
    panel.iloc[150:, 0] *= 40.0
    panel.iloc[200:, 1] *= 40.0
    prices = to_prices("stocks", panel)
    names = list(panel.columns)
    sleeves = {f"s{i}": {"universe": names[i : i + 1], "direction": "short", "optimizer": "equal"} for i in range(2)}
    forest = [
        resolve({"name": "root", "defaults": RULES, "sleeves": {**sleeves, "ok": {"universe": names[2:]}}, **more},
                symbols={"stocks": prices.symbols})
        for more in ({}, {"optimizer": "erc"})
    ]  # fmt: skip
    found = [outcomes(BacktestEngine(forest, {"stocks": prices}, executor=Local(threads=n))) for n in (1, 4)]
    assert alike(found[0], found[1]) and all("sleeve 'root/s" in str(it) for it in found[0])


def test_stages_are_in_the_order_of_the_tree_and_have_seconds_of_processor() -> None:
    tables = outcomes(engine([NESTED], executor=Local(threads=3)))[0]
    assert not isinstance(tables, str)
    paths = tables["stages"]["path"]
    names = [paths.values[code] for code in paths.codes]  # type: ignore[union-attr]
    order = list(dict.fromkeys(names))
    assert order == [path for path, _ in trees.walk(NESTED, "root")] and side_by_side.__doc__
