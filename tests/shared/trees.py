"""Random trees for Hypothesis: every rule a sleeve can have, at depths 1 to 5, small enough to run in milliseconds.

Some of what must be reached is rare among rules that are drawn one by one, and is drawn as such: a leaf beside the same
leaf short, an optimizer that leaves decisions to fallbacks of its own bounds, a root that decides in turn.
"""

from __future__ import annotations

from hypothesis import assume
from hypothesis import strategies as st

from tests.shared.panels import COINS, FUNDS, STOCKS

SYMBOLS = {"stocks": STOCKS, "coins": COINS, "funds": FUNDS}
"""Dataset -> its symbols."""
MIXED = ("stocks", "coins")

SCHEDULES = st.sampled_from([{"every": 1}, {"every": 3}, {"every": 7}, "weekly", "monthly"])
COSTS = st.fixed_dictionaries(
    {},
    optional={
        "commission_bp": st.sampled_from([5.0, 30.0]),
        "slippage_bp": st.sampled_from([1.0, 10.0]),
        "borrow_bp": st.sampled_from([100.0, 365.0]),
    },
)
IN_TURN = ({"name": "min_variance", "max_turnover": 0.15}, {"name": "mean_variance", "turnover_penalty": 1e-4})
"""Optimizers whose decisions depend on what is held by then."""
OPTIMIZERS = st.sampled_from(
    [
        "equal",
        "inverse_volatility",
        "min_variance",
        {"name": "equal", "max_weight": 0.7},
        {"name": "inverse_volatility", "max_weight": 0.6},
        {"name": "min_variance", "max_weight": 0.7},
        {"name": "min_variance", "min_weight": 0.1},
        *IN_TURN,
    ]
)
TIGHT = {"name": "min_variance", "max_weight": 0.4}
"""An optimizer that three items can have and two cannot: where one of three is not eligible, a fallback decides."""
FALLBACKS = st.sampled_from(
    [
        [{"name": "inverse_volatility", "max_weight": 1.0}],
        [{"name": "min_variance", "max_weight": 0.9}, "equal"],
        ["equal"],
    ]
)
"""Chains whose weights depend on the window, two of three, and are not all at a bound."""
SELECTORS = st.sampled_from(
    [
        "all",
        {"name": "top_k", "k": 2, "by": "momentum"},
        {"name": "top_k", "k": 2, "by": "low_volatility"},
        {"name": "top_k", "k": 3, "by": "sharpe"},
    ]
)
STILL = ["DD", "EE"]
"""A universe of stocks that some worlds let stand still: a leaf over it never moves, or dies."""
STARTS = st.sampled_from([None, None, None, "2021-03-03", "2021-05-15"])


@st.composite
def fixed(draw: st.DrawFn, items: list[str]) -> dict:
    """Return given weights of some items, which mostly leave something in cash."""
    parts = draw(st.lists(st.integers(0, 4), min_size=len(items), max_size=len(items)).filter(any))
    whole = sum(parts) + draw(st.integers(0, 4))
    return {"name": "fixed", "weights": {item: part / whole for item, part in zip(items, parts, strict=True) if part}}


@st.composite
def leaves(draw: st.DrawFn, datasets: tuple[str, ...]) -> dict:
    """Return a leaf over two assets or more of one dataset."""
    dataset, optimizer = draw(st.sampled_from(datasets)), draw(st.one_of(OPTIMIZERS, OPTIMIZERS, st.just(TIGHT)))
    size = 3 if optimizer is TIGHT else 2
    universe = draw(st.lists(st.sampled_from(SYMBOLS[dataset]), min_size=size, unique=True))
    if dataset == "stocks" and size == 2 and draw(st.sampled_from([False, False, True])):
        universe = STILL
    sleeve = {
        "dataset": dataset,
        "universe": universe,
        "optimizer": optimizer if draw(st.integers(0, 6)) or optimizer is TIGHT else draw(fixed(universe)),
        "fallback": draw(FALLBACKS) if optimizer is TIGHT else None,
        "selector": draw(SELECTORS) if optimizer is not TIGHT else None,
        "direction": draw(st.sampled_from(["long", "long", "short"])),
        "schedule": draw(SCHEDULES),
        "lookback": draw(st.integers(8, 20)),
        "lag": draw(st.integers(0, 2)),
        "costs": draw(COSTS),
        "min_coverage": draw(st.sampled_from([1.0, 0.7])),
        "stale_after": draw(st.integers(2, 5)),
        "start": draw(STARTS),
    }
    return {key: value for key, value in sleeve.items() if value is not None}


def opposite(leaf: dict) -> dict:
    """Return the leaf on the other side: it reads the same prices."""
    return {**leaf, "direction": "long" if leaf.get("direction") == "short" else "short"}


@st.composite
def metas(draw: st.DrawFn, depth: int, datasets: tuple[str, ...], in_turn: bool = False) -> dict:
    """Return a meta sleeve with at least one chain of `depth` levels beneath its own."""
    others = draw(st.lists(st.integers(1, min(depth, 2)), min_size=0 if depth > 1 else 1, max_size=3 - min(depth, 2)))
    beneath = [draw(trees(below, datasets)) for below in draw(st.permutations([depth, *others]))]
    sided = [sleeve for sleeve in beneath if "universe" in sleeve]
    if sided and draw(st.booleans()):
        beneath.append(opposite(sided[0]))
    assume(len({repr(sleeve) for sleeve in beneath}) == len(beneath))  # twins: minimum variance is not unique
    kinds = OPTIMIZERS if len(beneath) > 1 else OPTIMIZERS.filter(lambda it: isinstance(it, str))  # one: no cap below 1
    kinds = st.one_of(kinds, kinds, st.just(TIGHT)) if len(beneath) > 2 else kinds
    optimizer = draw(st.sampled_from(IN_TURN) if in_turn else kinds)
    if not in_turn and optimizer is not TIGHT and not draw(st.integers(0, 5)):
        optimizer = draw(fixed([f"s{i}" for i in range(len(beneath))]))
    sleeve = {
        "sleeves": {f"s{i}": sleeve for i, sleeve in enumerate(beneath)},
        "optimizer": optimizer,
        "fallback": draw(FALLBACKS) if optimizer is TIGHT else None,
        "schedule": draw(SCHEDULES),
        "lookback": draw(st.integers(6, 15)),
        "lag": draw(st.integers(0, 2)),
        "costs": draw(COSTS),
        "warmup": draw(st.sampled_from(["equal", "equal", "wait"])),
        "min_history": draw(st.sampled_from([None, 6, 18])),
        "start": draw(STARTS),
    }
    return {key: value for key, value in sleeve.items() if value is not None}


def trees(depth: int, datasets: tuple[str, ...] = MIXED, in_turn: bool = False) -> st.SearchStrategy[dict]:
    """Return trees of exactly `depth` levels: 1 is a leaf alone; with `in_turn` those whose root decides in turn."""
    return leaves(datasets) if depth == 1 else metas(depth - 1, datasets, in_turn)


def portfolios(depth: int | None = None, datasets: tuple[str, ...] = MIXED) -> st.SearchStrategy[dict]:
    """Return named trees of `depth` levels, or of 1 to 5; the root of one in four decides in turn."""
    levels = st.integers(1, 5) if depth is None else st.just(depth)
    kinds = st.sampled_from([False, False, False, True])
    return (
        st.tuples(levels, kinds).flatmap(lambda it: trees(it[0], datasets, it[1])).map(lambda t: {"name": "root", **t})
    )


def walk(tree: dict, path: str) -> list[tuple[str, dict]]:
    """Return (path, sleeve) of a tree dict and of all beneath it."""
    found = [(path, tree)]
    for name, sleeve in tree.get("sleeves", {}).items():
        found += walk(sleeve, f"{path}/{name}")
    return found
