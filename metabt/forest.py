"""Plan: the distinct sleeves of a forest of trees, in the order in which they can be walked.

1. Every tree is looked through to its specs; specs with the same digest are one node, whatever they are called.
2. Children come before their parents.
3. Each node gets its calendar, the layout of its book and its partitions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from metabt.calendars import Calendar, calendar_of
from metabt.errors import ConfigError, DataError, nearest
from metabt.meta.flattening import Layout
from metabt.panel import Panel, partitions
from metabt.sleeve import Leaf, Meta, Sleeve


@dataclass(frozen=True)
class Node:
    """One distinct sleeve of the forest."""

    spec: Leaf | Meta
    """What is computed."""
    label: str
    """A path that it has in some tree, for messages."""
    calendar: Calendar
    """Its sessions."""
    layout: Layout
    """What the columns of its book stand for."""
    partitions: Mapping[str, slice]
    """Rows of its sessions by partition."""


@dataclass(frozen=True)
class Plan:
    """A forest that is ready to be walked."""

    trees: tuple[Sleeve, ...]
    """What was asked for."""
    panels: Mapping[str, Panel]
    """Prices by dataset."""
    nodes: Mapping[str, Node]
    """Distinct sleeves by digest, children first."""
    labels: tuple[str, ...] = field(default=())
    """Partitions in time order."""

    @property
    def n_blocks(self) -> int:
        """Blocks to be had: one per distinct sleeve and partition in which it has sessions."""
        return sum(len(node.partitions) for node in self.nodes.values())

    def roots(self) -> set[str]:
        """Return the digests of the trees' roots."""
        return {tree.spec.digest for tree in self.trees}


def plan_forest(trees: Sequence[Sleeve], panels: Mapping[str, Panel]) -> Plan:
    """Return the plan of a forest.

    Raises
    ------
    ConfigError, DataError
        For a dataset or a symbol that does not exist, a symbol that two datasets of one tree have, a lookback longer
        than the history, or a start after its end.
    """
    nodes: dict[str, Node] = {}
    calendars: dict[tuple[str, ...], Calendar] = {}
    for tree in trees:
        check_data(tree, panels)
        for path, sleeve in reversed(list(tree.walk())):  # parents come first in a walk
            if sleeve.spec.digest not in nodes:
                nodes[sleeve.spec.digest] = _node(path, sleeve, panels, nodes, calendars)
    labels = sorted({label for node in nodes.values() for label in node.partitions})
    return Plan(tuple(trees), panels, nodes, tuple(labels))


def _node(
    path: str,
    sleeve: Sleeve,
    panels: Mapping[str, Panel],
    nodes: Mapping[str, Node],
    calendars: dict[tuple[str, ...], Calendar],
) -> Node:
    spec = sleeve.spec
    datasets = tuple(sorted({leaf.dataset for _, leaf in sleeve.leaves()}))
    if datasets not in calendars:
        calendars[datasets] = calendar_of([panels[name] for name in datasets])
    calendar = calendars[datasets]
    if isinstance(spec, Leaf):
        layout = Layout.leaf(spec.universe)
    else:
        layout = Layout.meta([nodes[child.digest].layout for child in spec.children])
    return Node(spec, path, calendar, layout, dict(partitions(calendar.sessions)))


def check_data(tree: Sleeve, panels: Mapping[str, Panel]) -> None:
    """Raise unless every leaf finds its dataset, its symbols and enough history, and every symbol has one home."""
    check_universes(tree, {name: panel.symbols for name, panel in panels.items()})
    for path, leaf in tree.leaves():
        n_sessions = len(panels[leaf.dataset].dates)
        if n_sessions <= leaf.lookback:
            raise DataError(
                f"sleeve '{path}': dataset '{leaf.dataset}' has {n_sessions} sessions, a lookback of "
                f"{leaf.lookback} returns needs {leaf.lookback + 1}; shorten the lookback or ingest more history"
            )


def check_universes(tree: Sleeve, symbols: Mapping[str, Sequence[str]]) -> None:
    """Raise ConfigError unless every leaf's symbols are in its dataset, and every symbol comes from one dataset only.

    `symbols` is what each dataset holds.
    """
    home: dict[str, tuple[str, str]] = {}
    for path, leaf in tree.leaves():
        if leaf.dataset not in symbols:
            raise ConfigError(f"sleeve '{path}': no dataset is called '{leaf.dataset}'{nearest(leaf.dataset, symbols)}")
        known = symbols[leaf.dataset]
        missing = sorted(set(leaf.universe) - set(known))
        if missing:
            close = nearest(missing[0], known)
            raise ConfigError(f"sleeve '{path}': dataset '{leaf.dataset}' has no symbol '{missing[0]}'{close}")
        for symbol in leaf.universe:
            dataset, other = home.setdefault(symbol, (leaf.dataset, path))
            if dataset != leaf.dataset:
                raise ConfigError(
                    f"sleeves '{other}' and '{path}' take '{symbol}' from two datasets, '{dataset}' and "
                    f"'{leaf.dataset}'; one asset has one price: use one of them, or rename the symbol when ingesting"
                )
