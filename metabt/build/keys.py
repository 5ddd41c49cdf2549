"""Keys: the digests that address what is computed.

`key = H(format, code, libraries, platform, plug-ins, spec, start state, inputs)`

1. code: what the modules say that this kind of sleeve and its estimators reach, without comments and docstrings
   (metabt.build.sleeve_code)
2. libraries and platform: what may change a bit of the same arithmetic; of libraries those that these modules use
3. spec: the resolved configuration of the sleeve, without names; its plug-ins' distributions with all they require,
   by version, and the files that they are made of
4. start state: the digest of what the partition before left
5. inputs: of a leaf the digests that ingestion wrote, or those of its dataset's events and steps over them
   (metabt.data.point_in_time.event_digests, metabt.data.panel.stepped), and who belonged to its universe, or what its
   signal decided, in these sessions, of the assets that somebody knew of by then; of a meta sleeve the output digests
   of all beneath it; of both the calendars, what cash earned and assets cost where the tree or a dataset says so, and
   the sessions that days of its schedule fall on (metabt.build.dated)

What is left out changes no key: names, paths, the order of keys and siblings, the end of the view, other sleeves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from itertools import compress

import numpy as np

from metabt.build.dated.dated_inputs import costs_of, idle_of
from metabt.build.dated.hedges import hedges_of
from metabt.build.inputs import ends_of, fields_of, outside_of, reach
from metabt.build.plan import Node, Plan
from metabt.build.sleeve_code import Kind, code_of_kind, kind_of
from metabt.build.step_checks import steps_of
from metabt.data.dataset import Dataset
from metabt.estimators.registry import requirements, sources
from metabt.numerics.platform import numeric_platform
from metabt.portfolio.sleeve import Leaf, Meta
from metabt.values.digests import array_digest, digest, joint_digest
from metabt.values.reached_code import Code, reached

FORMAT = 3
"""Version of what is stored under a key; a change forgets everything computed before."""

BLOCK, ASSET_RISK = "block", "exposure"
"""Kinds of what is stored: a block with the state after it; risk by physical asset at a root's decisions."""

INITIAL = "initial"
"""What stands for the digest of the state before a sleeve's first session."""


@cache
def basis(kind: Kind) -> str:
    """Return one digest of format, code, libraries and platform: what all keys of a kind of sleeve share."""
    return _basis(code_of_kind(kind))


def _basis(code: Code) -> str:
    return digest([FORMAT, code.digest, code.libraries, numeric_platform()])


def plugin_versions(spec: Leaf | Meta) -> dict[str, str]:
    """Return package -> version of all that the sleeve's plug-ins come from and require; empty without plug-ins.

    `PACKAGE (files)` has the digest of the files of a package whose version does not speak for them.
    """
    named = [("optimizer", estimator.name) for estimator in (spec.optimizer, *spec.fallback)]
    if isinstance(spec, Leaf):
        named.append(("selector", spec.selector.name))
    return {it: version for one in named for it, version in (requirements(*one) | sources(*one)).items()}


def plan_basis(plan: Plan) -> str:
    """Return one digest of `basis` and the plug-ins of all sleeves of a plan: what two processes must share."""
    found = {it: version for node in plan.nodes.values() for it, version in plugin_versions(node.spec).items()}
    found |= step_versions(plan.datasets.values())
    return digest([sorted({basis(kind_of(node.spec)) for node in plan.nodes.values()}), found])


def step_versions(datasets: Iterable[Dataset]) -> dict[str, str]:
    """Return package -> version of all that the steps of some datasets come from and require; empty without steps."""
    return {it: version for each in datasets for step in steps_of(each) for it, version in step.packages}


def basis_plan(plan: Plan) -> Plan:
    """Return a plan with the same `plan_basis` and the same datasets, and one sleeve of each kind: it is small."""
    nodes: dict[tuple[str, ...], tuple[str, Node]] = {}
    for key, node in plan.nodes.items():
        names = [estimator.name for estimator in (node.spec.optimizer, *node.spec.fallback)]
        selector = node.spec.selector.name if isinstance(node.spec, Leaf) else ""
        nodes.setdefault((str(kind_of(node.spec)), *names, selector), (key, node))
    return replace(plan, trees=(), nodes=dict(nodes.values()), fleeting=frozenset())


def made_by(spec: Leaf | Meta) -> str:
    """Return the part of a sleeve's keys that all its partitions share: its code, its settings and its plug-ins."""
    return made_with(spec, basis(kind_of(spec)), plugin_versions(spec))


def made_with(spec: Leaf | Meta, basis: str, plugins: Mapping[str, str]) -> str:
    """Return what `made_by` does of another basis, and other versions of its plug-ins."""
    return joint_digest([BLOCK, basis, spec.digest, *sorted(f"{name}=={version}" for name, version in plugins.items())])


def node_key(
    plan: Plan,
    node: Node,
    label: str,
    states: Mapping[str, str | None],
    outputs: Mapping[str, str | None],
    made: str,
) -> str:
    """Return the key of a sleeve's block in the partition `label`.

    `states` has the digests of all sleeves' states before the partition, `outputs` those of the blocks in it, by spec
    digest; `made` is `made_by` its spec. No price is read.
    """
    spec, rows, calendar = node.spec, node.partitions[label], node.calendar
    if isinstance(spec, Leaf):
        facts, (window, before) = plan.datasets[node.home].facts, reach(spec, rows)
        known = _known_assets(plan, node, rows)
        universe = spec.universe if known is None else tuple(compress(spec.universe, known))
        read = [str(before), facts.calendar_digest(window), facts.digest_of(universe, window, fields_of(spec))]
        if spec.drawn is not None and spec.drawn.members is not None:
            members = facts.members(spec.drawn.members, spec.universe)[rows]
            read.append(array_digest(np.packbits(members if known is None else members[:, known])))
        outside = outside_of(spec, facts, rows)
        if outside is not None:
            weights = outside.weights if known is None else outside.weights[:, known]
            read += ["signal", array_digest(outside.rows, weights)]
        read += _dated(node, plan, window, rows)
    else:
        ended = ends_of(spec, plan)
        read = [array_digest(calendar.sessions[rows], calendar.common[rows], ended)]
        read += [_beneath(child, digests) for child in spec.children for digests in (outputs, states)]
        read += _dated(node, plan, rows, rows)
    if node.opens is not None:  # days to come, and those of other partitions, are in no key
        read += ["opens", array_digest(np.packbits(node.opens[rows]))]
    return joint_digest([made, str(states[spec.digest]), *read])


def _dated(node: Node, plan: Plan, window: slice, rows: slice) -> list[str]:
    """Return digests of what cash earned in the sessions `window`, and hedges earned and assets cost in `rows`.

    Nothing is said of any where a tree states no rate, a leaf hedges nothing and no dataset has costs by asset.
    """
    idle, costs = idle_of(node, plan.datasets, window), costs_of(node, plan.datasets, rows)
    found = [] if idle is None else ["idle", array_digest(idle)]
    hedges = hedges_of(node, plan.datasets, rows)
    if hedges is not None:
        known = _known_assets(plan, node, rows)
        of_asset = hedges.of_asset if known is None else hedges.of_asset[known]
        found += ["hedges", array_digest(hedges.returns, of_asset, hedges.resets)]
    if costs is None:
        return found
    known = plan.known_by(node, node.calendar.sessions[rows.stop - 1])
    if known is not None:  # assets that somebody beneath knows of, and hedges
        columns = np.zeros(len(node.layout.symbols), bool)
        columns[node.layout.asset_of[known]] = True
        costs = costs.of(columns)
    return [*found, "costs", array_digest(*costs.distinct)]


def _known_assets(plan: Plan, node: Node, rows: slice) -> np.ndarray | None:
    """Return which assets of a leaf's universe are known by the end of some sessions, (n_assets,); None where all."""
    known = plan.known_by(node, node.calendar.sessions[rows.stop - 1])
    return None if known is None else known[: len(node.spec.universe)] if isinstance(node.spec, Leaf) else known


def _beneath(spec: Leaf | Meta, digests: Mapping[str, str | None]) -> str:
    """Return one digest of a sleeve and all beneath it: its book is looked through to theirs, which its own omits."""
    own = digests.get(spec.digest) or ""
    if isinstance(spec, Leaf):
        return own
    return joint_digest([own, *(_beneath(child, digests) for child in spec.children)])


class Lineage:
    """What the keys of a partition build on: the states before it and the blocks in it, by digest.

    None is the digest of what is not known.
    """

    def __init__(self, plan: Plan, made: Callable[[Leaf | Meta], str] = made_by) -> None:
        """Begin before the first session of every sleeve of a plan, whose blocks are made as `made` says."""
        self._plan, self._how = plan, made
        self._made: dict[str, str] = {}
        self.after: dict[str, str | None] = dict.fromkeys(plan.nodes, INITIAL)
        """Spec digest -> digest of the newest state."""
        self.enter("")

    def enter(self, label: str) -> None:
        """Begin a partition: every sleeve starts from its newest state."""
        self._label, self._before = label, dict(self.after)
        self._outputs: dict[str, str | None] = {}

    def add(self, node: Node, digests: Mapping[str, str] | None) -> None:
        """Note the digests of a sleeve's block in the partition and of the state after it; None if not known."""
        digests = digests or {}
        self.after[node.spec.digest] = digests.get("state")
        self._outputs[node.spec.digest] = digests.get("block")

    def reaches(self, node: Node) -> bool:
        """Return whether all that the key of a sleeve's block builds on is known; of its children, once they are in."""
        beneath = [digests.get(child, "") for child in node.children for digests in (self._before, self._outputs)]
        return None not in (self._before[node.spec.digest], *beneath)

    def key(self, node: Node) -> str:
        """Return the key of a sleeve's block in the partition."""
        return node_key(self._plan, node, self._label, self._before, self._outputs, self._made_by(node))

    def key_after(self, node: Node, label: str, state: str) -> str:
        """Return the key of a leaf's block in a partition `label` that begins with the state of a digest."""
        return node_key(self._plan, node, label, {node.spec.digest: state}, {}, self._made_by(node))

    def _made_by(self, node: Node) -> str:
        digest = node.spec.digest
        if digest not in self._made:
            self._made[digest] = self._how(node.spec)
        return self._made[digest]


class Histories:
    """What keys build on where sleeves are walked over all partitions at once, one after another."""

    def __init__(self, plan: Plan) -> None:
        """Begin with no sleeve walked."""
        self._plan = plan
        self._made: dict[str, str] = {}
        self._states: dict[str, dict[str, str | None]] = {label: {} for label in plan.labels}
        self._outputs: dict[str, dict[str, str | None]] = {label: {} for label in plan.labels}
        self._walked: set[str] = set()

    def has(self, digest: str) -> bool:
        """Return whether the sleeve of a spec digest has been walked."""
        return digest in self._walked

    def add(self, node: Node, digests: Mapping[str, Mapping[str, str]]) -> None:
        """Note the digests of each of a sleeve's blocks, and of the state after it, by partition."""
        own, state = node.spec.digest, INITIAL
        for label in self._plan.labels:
            self._states[label][own] = state
            if label in digests:
                self._outputs[label][own], state = digests[label]["block"], digests[label]["state"]
        self._walked.add(own)

    def key(self, node: Node, label: str, state: str = INITIAL) -> str:
        """Return the key of a sleeve's block in a partition that begins with its state of a digest.

        What is beneath it has been added.
        """
        own = node.spec.digest
        if own not in self._made:
            self._made[own] = made_by(node.spec)
        # no sleeve reads its own history but for the state that it begins with
        states = {**self._states[label], own: state} if node.children else {own: state}
        return node_key(self._plan, node, label, states, self._outputs[label], self._made[own])


def asset_risk_key(
    weights: np.ndarray, sessions: np.ndarray, stops: np.ndarray, lookback: int, observed: Mapping[str, str]
) -> str:
    """Return the key of risk by asset: what `ex_ante_asset_risk` takes (metabt.walk.asset_risk), prices by digest."""
    measured = [array_digest(weights), array_digest(sessions, stops), lookback, dict(observed)]
    return digest([ASSET_RISK, _basis(reached(("metabt.walk.asset_risk",))), *measured])
