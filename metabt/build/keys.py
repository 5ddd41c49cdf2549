"""Keys: the digests that address what is computed.

`key = H(format, code, libraries, platform, plug-ins, spec, start state, inputs)`

1. code: every module from which the walk and its inputs can be reached by imports, and nothing else
2. libraries and platform: what may change a bit of the same arithmetic
3. spec: the resolved configuration of the sleeve, without names; its plug-ins' distributions with all they require
4. start state: the digest of what the partition before left
5. inputs: of a leaf the digests that ingestion wrote, of a meta sleeve the output digests of all beneath it, and the
   calendars

What is left out changes no key: names, paths, the order of keys and siblings, the end of the view, other sleeves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from metabt.build.inputs import ends_of, reach
from metabt.build.plan import Node, Plan
from metabt.data.dataset import Dataset
from metabt.estimators.registry import requirements
from metabt.numerics.platform import numeric_platform
from metabt.portfolio.built_estimators import build_selector
from metabt.portfolio.sleeve import Leaf, Meta
from metabt.values.digests import array_digest, code_digest, digest, joint_digest, library_versions

FORMAT = 3
"""Version of what is stored under a key; a change forgets everything computed before."""

BLOCK, ASSET_RISK = "block", "exposure"
"""Kinds of what is stored: a block with the state after it; risk by physical asset at a root's decisions."""

WALK = ("metabt.walk.walk_forward", "metabt.build.inputs", "metabt.build.cached_walk")
"""Modules that, with all they import, decide what a block is."""


@cache
def basis(*modules: str) -> str:
    """Return one digest of format, code, libraries and platform: the part that all keys of a process share."""
    return digest([FORMAT, code_digest(*modules), library_versions(), numeric_platform()])


def plugin_versions(spec: Leaf | Meta) -> dict[str, str]:
    """Return package -> version of all that the sleeve's plug-ins come from and require; empty without plug-ins."""
    found: dict[str, str] = {}
    for estimator in (spec.optimizer, *spec.fallback):
        found.update(requirements("optimizer", estimator.name))
    if isinstance(spec, Leaf):
        found.update(requirements("selector", spec.selector.name))
    return found


def node_key(
    plan: Plan, node: Node, label: str, states: Mapping[str, str | None], outputs: Mapping[str, str | None]
) -> str:
    """Return the key of a sleeve's block in the partition `label`.

    `states` has the digests of all sleeves' states before the partition, `outputs` those of the blocks in it, by spec
    digest. No price is read.
    """
    spec, state = node.spec, str(states[node.spec.digest])
    if isinstance(spec, Leaf):
        return leaf_key(node, label, state, plan.datasets[spec.dataset])
    children = [(_beneath(child, outputs), _beneath(child, states)) for child in spec.children]
    return meta_key(node, label, state, children, ends_of(spec, plan))


def _beneath(spec: Leaf | Meta, digests: Mapping[str, str | None]) -> str:
    """Return one digest of a sleeve and all beneath it: its book is looked through to theirs, which its own omits."""
    own = digests.get(spec.digest) or ""
    return (
        own if isinstance(spec, Leaf) else joint_digest([own, *(_beneath(child, digests) for child in spec.children)])
    )


def leaf_key(node: Node, label: str, state: str, dataset: Dataset) -> str:
    """Return the key of a leaf's block; `state` is the digest of its start state. No price is read."""
    spec, rows = node.spec, node.partitions[label]
    assert isinstance(spec, Leaf)
    window, before = reach(spec, rows)
    fields = ("close", "volume") if build_selector(spec.selector).reads_volume else ("close",)
    observed = dataset.digest_of(spec.universe, window, fields)
    return joint_digest([_head(spec), state, str(before), dataset.calendar_digest(window), observed])


def meta_key(node: Node, label: str, state: str, children: Sequence[tuple[str, str]], ends: np.ndarray) -> str:
    """Return the key of a meta sleeve's block.

    `children` are, in the order of its spec, digests of the blocks of each child and all beneath it in the partition,
    and of the states that they start from; `ends` is as in MetaInputs.
    """
    rows, calendar = node.partitions[label], node.calendar
    sessions = array_digest(calendar.sessions[rows], calendar.common[rows], ends)
    return joint_digest([_head(node.spec), state, sessions, *(text for child in children for text in child)])


def asset_risk_key(
    weights: np.ndarray, sessions: np.ndarray, stops: np.ndarray, lookback: int, observed: Mapping[str, str]
) -> str:
    """Return the key of risk by asset: what `ex_ante_asset_risk` takes (metabt.walk.asset_risk), prices by digest."""
    measured = [array_digest(weights), array_digest(sessions, stops), lookback, dict(observed)]
    return digest([ASSET_RISK, basis("metabt.walk.asset_risk"), *measured])


def _head(spec: Leaf | Meta) -> str:
    """Return what the keys of all blocks of a sleeve begin with."""
    plugins = sorted(f"{name}=={version}" for name, version in plugin_versions(spec).items())
    return _joined_once(BLOCK, basis(*WALK), spec.digest, *plugins)


@cache
def _joined_once(*texts: str) -> str:
    return joint_digest(texts)
