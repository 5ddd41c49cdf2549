"""Cost estimate: what a plan will cost, before it runs, in seconds of one processor.

Constants were measured on one core of a server of 2024; they decide where a plan is walked and who walks what, never
what comes out.

1. A block of a leaf costs a fixed part, a part per decision and asset, and one per decision, asset and asset
   (covariance, solver); wide clustering and foreign estimators cost more.
2. A block of a meta sleeve costs a fixed part and a part per session and column of its book.
3. Sleeves are shared out longest first, each to the share that has least so far (Graham 1969: at most 4/3 of the
   optimum).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heapreplace

from metabt.build.plan import Node, Plan
from metabt.estimators.registry import OPTIMIZERS, SELECTORS
from metabt.portfolio.built_estimators import build_optimizer
from metabt.portfolio.sleeve import Leaf, Meta

BLOCK, SESSION_COLUMN, DECISION_ASSET, DECISION_PAIR = 6e-4, 4e-9, 1.7e-7, 1.5e-9
"""Seconds per block, session and column, decision and asset, decision and pair of assets."""
MORE = {
    "hrp": 1.5,
    "log_mps": 2.5,
    "max_diversification": 0.7,
    "max_sharpe": 0.9,
    "denoised": 7.0,
    "ewma": 1.1,
    "ledoit_wolf": 1.6,
}
"""Estimator -> how much longer than minimum variance on the sample covariance a decision takes with it, in parts."""
FOREIGN, IN_TURN = 6e-3, 2.5e-5
"""Seconds per decision of an estimator that is not metabt's own, and of one that depends on what is held."""
PROGRAMME = 1.2e-5
"""Seconds per decision and asset of a linear programme."""


def seconds_of(node: Node) -> float:
    """Return what one block of a sleeve costs on average, in seconds of one processor."""
    n_blocks = max(len(node.partitions), 1)
    n_sessions = len(node.calendar.sessions) / n_blocks
    held = BLOCK + SESSION_COLUMN * n_sessions * node.layout.n_columns
    if isinstance(node.spec, Meta) or node.spec.signal is not None:  # nothing is solved
        return held
    return held + node.n_decisions / n_blocks * _decision(node.spec)


def _decision(spec: Leaf) -> float:
    n_assets, optimizer = len(spec.universe), spec.optimizer
    if optimizer.name not in OPTIMIZERS or spec.selector.name not in SELECTORS:
        return FOREIGN
    covariance = optimizer.params.get("covariance", "sample")
    names = optimizer.name, spec.selector.name, covariance["name"] if isinstance(covariance, Mapping) else covariance
    longer = 1.0 + sum(MORE.get(str(name), 0.0) for name in names)
    slow = PROGRAMME * n_assets * (optimizer.name == "min_cvar") + IN_TURN * build_optimizer(optimizer).path_dependent
    return slow + longer * (DECISION_ASSET * n_assets + DECISION_PAIR * n_assets**2)


def seconds_missing(plan: Plan, known: Mapping[str, int]) -> float:
    """Return what the blocks cost that are not known; `known` is spec digest -> blocks that are."""
    return sum(
        seconds_of(node) * (len(node.partitions) - known.get(key, 0))
        for key, node in plan.nodes.items()
        if key not in plan.fleeting
    )


def shared_out(costs: Mapping[str, float], n_shares: int) -> list[tuple[str, ...]]:
    """Return the names in at most `n_shares` shares of about equal cost, each in the order of `costs`."""
    least = [(0.0, share) for share in range(min(n_shares, len(costs)))]
    heapify(least)
    share_of: dict[str, int] = {}
    for name in sorted(costs, key=lambda name: (-costs[name], name)):
        total, share = least[0]
        share_of[name] = share
        heapreplace(least, (total + costs[name], share))
    return [tuple(name for name in costs if share_of[name] == share) for _, share in sorted(least, key=lambda x: x[1])]


def components(plan: Plan) -> list[tuple[str, ...]]:
    """Return the meta sleeves that are walked, in groups that share none: each group can be walked by itself."""
    group: dict[str, set[str]] = {}
    for key, node in plan.nodes.items():
        if isinstance(node.spec, Meta) and key not in plan.fleeting:
            joined = {key}
            for child in node.spec.children:
                joined |= group.get(child.digest, set())
            for member in joined:
                group[member] = joined
    distinct = {id(members): members for members in group.values()}
    return [tuple(key for key in plan.nodes if key in members) for members in distinct.values()]


def leaves_beneath(plan: Plan, keys: Sequence[str]) -> frozenset[str]:
    """Return the leaves beneath some meta sleeves."""
    found: set[str] = set()
    pending = [plan.nodes[key].spec for key in keys]
    while pending:
        spec = pending.pop()
        if isinstance(spec, Leaf):
            found.add(spec.digest)
        else:
            pending.extend(spec.children)
    return frozenset(found)
