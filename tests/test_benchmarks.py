"""The works of `make bench` are what they say, and the plain loop, which shares no code with metabt, agrees with it."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest

from benchmarks.build_system import main as rebuild
from benchmarks.comparison import Compared, PeerTime, compare
from benchmarks.decision_time import MOMENTS, OPTIMIZERS, SELECTORS, SIZES, decision_times
from benchmarks.engine_time import EngineRun, run_engine
from benchmarks.leaf_order import shortest_order
from benchmarks.loop_peer import Loop
from benchmarks.overhead import Overhead
from benchmarks.pieces import Subset, n_windows, pieces
from benchmarks.results import page, times
from benchmarks.works import Market, Portfolio, Rule, Work, works
from metabt.estimators.registry import known_optimizers
from tests.shared.optimality import naive_order, pearson
from tests.shared.returns import market_returns

RULES = [
    Rule("inverse_volatility", 42),
    Rule("min_variance", 42, {"max_weight": 0.4}),
    Rule("erc", 42),
    Rule("hrp", 42),
]


def tiny(*leaves: Rule) -> Work:
    universes = {f"s{k}": tuple(f"A{4 * k + i:05d}" for i in range(4)) for k in range(3)}
    root = Rule("erc", 63)
    return Work("tiny", Market(12, 420), universes, tuple(Portfolio(leaf, root) for leaf in leaves))


@pytest.mark.parametrize("work", works(), ids=lambda work: work.name)
def test_works_build(work: Work) -> None:
    if work.missing:
        assert work.missing not in known_optimizers()
        return
    short = work if not work.market.n_assets else replace(work, market=Market(work.market.n_assets, 3))
    trees = short.trees()
    held = [symbol for symbols in work.universes.values() for symbol in symbols]
    assert len(set(held)) == len(held) == len(short.market.prices.symbols)
    for tree, portfolio in zip(trees, work.portfolios, strict=True):
        specs = [leaf for _, leaf in tree.leaves()]
        assert {spec.optimizer.name for spec in specs} == {portfolio.leaf.optimizer}
        assert {(spec.lag, spec.lookback) for spec in specs} == {(0, portfolio.leaf.lookback)}
        assert sorted(spec.universe for spec in specs) == sorted(tuple(sorted(it)) for it in work.universes.values())
    distinct = {leaf.digest for tree in trees for _, leaf in tree.leaves()}
    assert len(distinct) == len(work.leaves) * len(work.universes)


def test_the_sizes_are_those_that_are_stated() -> None:
    sizes = {work.name: (len(work.universes), work.market.n_assets, len(work.portfolios)) for work in works()}
    assert sizes["W1"] == (4, 0, 1)
    assert sizes["W2 erc"] == (20, 500, 1)
    assert sizes["W3 hrp"] == (100, 5000, 1)
    assert sizes["W4"] == (1, 1000, 1)
    assert sizes["W5"] == (20, 500, 32)
    assert n_windows(5039, Rule("erc")) == 228


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_the_plain_loop_agrees(rule: Rule) -> None:
    found = compare(tiny(rule), [(Loop(), Subset())], rounds=1)
    assert found.peers["plain loop"].exact < 1e-12
    assert sum(found.engine.stages.values()) == found.engine.seconds > 0.0
    assert all(found.kernels[kind] > 0.0 for kind in ("solve", "hold", "flatten"))  # erc above, whatever is beneath


def test_a_difference_is_seen() -> None:
    class Off(Loop):
        name = "off"

        def exact(self, X: np.ndarray, rule: Rule) -> np.ndarray:
            weights = super().exact(X, rule)
            weights[-1, -1] += 0.25 if rule.optimizer == "erc" else 0.0  # the root alone
            return weights

    found = compare(tiny(RULES[0]), [(Off(), Subset())], rounds=1)
    assert found.peers["off"].timed < 1e-12
    assert abs(found.peers["off"].exact - 0.25) < 1e-12


def test_pieces_share_leaves_and_stand_for_the_whole() -> None:
    work = replace(
        tiny(RULES[0], RULES[2]),
        portfolios=tuple(
            Portfolio(leaf, Rule("erc", lookback)) for leaf in (RULES[0], RULES[2]) for lookback in (63, 84)
        ),
    )
    run = run_engine(work)
    parts = list(pieces(work, run, Subset(sleeves=2, windows=3)))
    leaves, roots = parts[:4], parts[4:]
    assert len(roots) == 4
    assert {piece.rule.optimizer for piece in leaves} == {"inverse_volatility", "erc"}
    whole = n_windows(419, RULES[0])
    assert all(np.isclose(piece.scale, 3 / 2 * whole / 3) for piece in leaves)
    assert all(len(Loop().walk(piece.X, piece.rule)[0]) == 3 for piece in parts)
    assert [len(piece.weights) for piece in leaves] == [whole] * 4


@pytest.mark.parametrize("assets", [2, 3, 7, 12])
def test_leaf_orders_are_the_shortest(assets: int) -> None:
    for seed in range(3):
        X = market_returns(seed, 60, assets)
        D = pearson(X)
        found, naive = ([D[a, b] for a, b in zip(o, o[1:], strict=False)] for o in (shortest_order(D), naive_order(X)))
        assert np.isclose(sum(found), sum(naive), rtol=1e-12)


def test_the_page_has_every_peer_that_was_timed_or_left_out() -> None:
    class Refusing(Loop):
        name = "refusing"

        def refuses(self, rule: Rule) -> str:
            return f"it has no {rule.optimizer}"

    found = compare(tiny(RULES[2]), [(Loop(), Subset(sleeves=1)), (Refusing(), Subset())], rounds=1)
    text = page([found], {"tiny": Overhead(6, 0.5, 0.25, 0.75)}, 1, {"log_mps": (12.0, 60.25)})
    assert "| step | 25 assets | 100 assets |" in text and "| log_mps | 12.0 | 60.2 |" in text
    assert "| plain loop |" in text and "1 of 3 sleeves" in text
    assert "| refusing | - | - | it has no erc |" in text
    assert "| tiny | 6 | 0.500 | 0.250 | 0.750 |" in text


def test_works_of_several_rules_are_summed_for_the_peers_that_have_all_of_them() -> None:
    def timed(name: str, seconds: float, **peers: float) -> Compared:
        run = EngineRun({"holding": seconds}, 1, [], Mock())
        return Compared(
            replace(tiny(RULES[0]), name=name), run, {}, {k: PeerTime(s, "", 0, 0) for k, s in peers.items()}
        )

    lines = list(
        times([timed("W8 a", 0.5, fast=1.0, slow=40.0), timed("W8 b", 1.5, slow=60.0), timed("W9", 1.0, slow=9.0)])
    )
    assert [line for line in lines if "all" in line] == ["| W8, all 2 | 2.000 | slow | 100 | 50 | as above |"]


def test_every_step_of_a_decision_is_timed() -> None:
    times = decision_times(rounds=1)
    assert {MOMENTS, *SELECTORS, *OPTIMIZERS} == set(times)
    assert all(len(it) == len(SIZES) and min(it) > 0.0 for it in times.values())


def test_what_is_computed_again_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each case; under another name nothing is computed, and a new month is less than everything."""
    rebuild(["--sleeves", "5", "--assets", "5", "--years", "3", "--root-only", "3"])
    lines = capsys.readouterr().out.splitlines()
    computed = {line[:28].strip(): int(line[34:].split("/")[0]) for line in lines if " / " in line[28:]}
    assert list(computed) == [
        "kernels compiled or loaded",
        "cold",
        "warm, another name",
        "one new month",
        "one corrected price",
        "sweep of 32, keep summary",
        "root-only, keep summary",
    ]
    assert computed["warm, another name"] == 0 < computed["one new month"] < computed["cold"]
