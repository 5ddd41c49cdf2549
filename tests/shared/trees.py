"""Random trees for Hypothesis: every rule a sleeve can have, at depths 1 to 5, small enough to run in milliseconds."""

from __future__ import annotations

from hypothesis import assume
from hypothesis import strategies as st

from tests.shared.panels import COINS, STOCKS

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
SELECTORS = st.sampled_from(
    [
        "all",
        {"name": "top_k", "k": 2, "by": "momentum"},
        {"name": "top_k", "k": 2, "by": "low_volatility"},
        {"name": "top_k", "k": 3, "by": "sharpe"},
    ]
)
STARTS = st.sampled_from([None, None, None, "2021-03-03", "2021-05-15"])


@st.composite
def leaves(draw: st.DrawFn, mixed: bool) -> dict:
    """Return a leaf over two assets or more of one dataset."""
    dataset = draw(st.sampled_from(["stocks", "coins"] if mixed else ["stocks"]))
    symbols = STOCKS if dataset == "stocks" else COINS
    sleeve = {
        "dataset": dataset,
        "universe": draw(st.lists(st.sampled_from(symbols), min_size=2, unique=True)),
        "optimizer": draw(OPTIMIZERS),
        "selector": draw(SELECTORS),
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


@st.composite
def metas(draw: st.DrawFn, depth: int, mixed: bool) -> dict:
    """Return a meta sleeve with at least one chain of `depth` levels beneath its own."""
    others = draw(st.lists(st.integers(1, min(depth, 2)), min_size=0 if depth > 1 else 1, max_size=3 - min(depth, 2)))
    depths = draw(st.permutations([depth, *others]))
    sleeves = {f"s{i}": draw(trees(below, mixed)) for i, below in enumerate(depths)}
    assume(len({repr(sleeve) for sleeve in sleeves.values()}) == len(sleeves))  # twins: minimum variance is not unique
    optimizers = (
        OPTIMIZERS if others else OPTIMIZERS.filter(lambda it: isinstance(it, str))
    )  # one child: no cap below 1
    sleeve = {
        "sleeves": sleeves,
        "optimizer": draw(optimizers),
        "schedule": draw(SCHEDULES),
        "lookback": draw(st.integers(6, 15)),
        "lag": draw(st.integers(0, 2)),
        "costs": draw(COSTS),
        "warmup": draw(st.sampled_from(["equal", "equal", "wait"])),
        "min_history": draw(st.sampled_from([None, 6, 18])),
        "start": draw(STARTS),
    }
    return {key: value for key, value in sleeve.items() if value is not None}


def trees(depth: int, mixed: bool = True) -> st.SearchStrategy[dict]:
    """Return trees of exactly `depth` levels: 1 is a leaf alone."""
    return leaves(mixed) if depth == 1 else metas(depth - 1, mixed)


def portfolios(depth: int | None = None, mixed: bool = True) -> st.SearchStrategy[dict]:
    """Return named trees of `depth` levels, or of 1 to 5."""
    levels = st.integers(1, 5) if depth is None else st.just(depth)
    return levels.flatmap(lambda n: trees(n, mixed)).map(lambda tree: {"name": "root", **tree})


def walk(tree: dict, path: str) -> list[tuple[str, dict]]:
    """Return (path, sleeve) of a tree dict and of all beneath it."""
    found = [(path, tree)]
    for name, sleeve in tree.get("sleeves", {}).items():
        found += walk(sleeve, f"{path}/{name}")
    return found
