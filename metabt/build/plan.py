"""Plan: the distinct sleeves of a forest of trees, in the order in which they can be walked.

1. Every tree is looked through to its specs; specs with the same digest are one node, whatever they are called.
2. Children come before their parents.
3. Each node gets its calendar, the layout of its book and its partitions; a leaf the dataset that it reads, which is
   one in the currency of its tree where it holds foreign assets (metabt.build.dated.currencies); and the sessions that
   it decides on, where an exchange or a table says them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from metabt.build.dated.currencies import Homes, homes_of
from metabt.build.dated.decision_days import opened
from metabt.build.dated.named_rates import cash_rate
from metabt.data.calendars import Calendar, calendar_of
from metabt.data.dataset import Dataset
from metabt.data.facts import Facts
from metabt.data.point_in_time.hedging import hedge_name
from metabt.data.point_in_time.membership import first_named
from metabt.data.prices import partitions
from metabt.errors import ConfigError, DataError, nearest
from metabt.portfolio.sleeve import Leaf, Meta, Sleeve
from metabt.walk.meta.flattening import Layout

ALWAYS = np.datetime64("0001-01-01", "D")
"""From when on what is no asset of a drawn universe is known."""


@dataclass(frozen=True)
class Node:
    """One distinct sleeve of the forest."""

    spec: Leaf | Meta
    """Its resolved settings."""
    label: str
    """A path that it has in some tree, for messages."""
    calendar: Calendar
    """Its sessions."""
    layout: Layout
    """Child, leaf and asset of each column of its book."""
    partitions: Mapping[str, slice]
    """Rows of its sessions by partition."""
    home: str = ""
    """Of a leaf, the dataset of the plan that it reads: its own, or that in the currency of its tree."""
    opens: np.ndarray | None = None
    """(n_sessions,) bool: a day of its schedule falls on it, or on a day since the common session before; None where
    the schedule counts sessions or periods."""
    hedges: tuple[str, ...] = ()
    """Of a leaf, the currencies that it hedges: the last columns of its book, after the assets of its universe."""

    @property
    def n_decisions(self) -> float:
        """Scheduled sessions, about; of days that are known exactly so many."""
        if self.opens is not None:
            return float(self.opens.sum())
        return len(self.calendar.sessions) / self.spec.schedule.sessions_apart

    @property
    def children(self) -> tuple[str, ...]:
        """Digests of the sleeves right beneath it, in the order of its spec."""
        return () if isinstance(self.spec, Leaf) else tuple(child.digest for child in self.spec.children)

    @property
    def n_bytes(self) -> int:
        """What its blocks hold, about: its streams, its holdings, and its decisions."""
        n_items = len(self.spec.universe) if isinstance(self.spec, Leaf) else len(self.spec.children)
        return 8 * len(self.calendar.sessions) * (8 + n_items + n_items // 4)

    def footprint(self, rows: slice) -> str:
        """Return, for messages, what the windows and covariances of some sessions take in memory at most."""
        n_items = len(self.spec.universe) if isinstance(self.spec, Leaf) else len(self.spec.children)
        n_sessions = rows.stop - rows.start
        n_bytes = 8 * n_items * (n_sessions + self.spec.lookback) + 8 * n_items**2 * n_sessions
        return f"at most {n_bytes / 2**20:,.1f} MiB ({n_items} columns, {n_sessions} sessions)"


@dataclass(frozen=True)
class Plan:
    """A forest that is ready to be walked."""

    trees: tuple[Sleeve, ...]
    """The trees, as they were given."""
    datasets: Mapping[str, Dataset]
    """Prices by dataset, unread; a dataset that leaves hold foreign assets of is there in their currency, too."""
    nodes: Mapping[str, Node]
    """Distinct sleeves by digest, children first."""
    labels: tuple[str, ...] = field(default=())
    """Partitions in time order."""
    fleeting: frozenset[str] = frozenset()
    """Digests of roots that are cheaper to walk again, in one go over all partitions, than to remember."""
    lookback: int = 0
    """Longest lookback of the forest, in sessions: prices are read that far back at once, whichever part is walked."""
    _known_from: dict[str, np.ndarray | None] = field(default_factory=dict, compare=False, repr=False)

    def home(self, leaf: Leaf) -> str:
        """Return the name of the dataset that a leaf of the plan reads."""
        return self.nodes[leaf.digest].home

    def remembered(self, label: str) -> Iterator[Node]:
        """Yield the sleeves that have sessions in a partition, children first, but for fleeting ones."""
        for key, node in self.nodes.items():
            if label in node.partitions and key not in self.fleeting:
                yield node

    def known_from(self, node: Node) -> np.ndarray | None:
        """Return the date from which on each column of a sleeve's book is known, (n_columns,) datetime64[D].

        None where nothing becomes known: no universe beneath it is drawn anew, or what it is drawn from is stated.
        """
        digest = node.spec.digest
        if digest not in self._known_from:
            self._known_from[digest] = self._first_known(node)
        return self._known_from[digest]

    def known_by(self, node: Node, session: np.datetime64) -> np.ndarray | None:
        """Return which columns of a sleeve's book are known by a session, (n_columns,) bool; None where all are."""
        dates = self.known_from(node)
        if dates is None or (dates <= session).all():
            return None
        return dates <= session

    def _first_known(self, node: Node) -> np.ndarray | None:
        spec = node.spec
        if not spec.is_drawn:
            return None
        if isinstance(spec, Leaf):
            own = first_known(spec, self.datasets[node.home].facts)
            hedges = np.full(len(node.hedges), ALWAYS)
            return None if own is None else np.concatenate([own, hedges])
        beneath = [self.nodes[child] for child in node.children]
        dates = [self.known_from(child) for child in beneath]
        if all(each is None for each in dates):
            return None
        always = [np.full(child.layout.n_columns, ALWAYS) for child in beneath]
        return np.concatenate([each if each is not None else it for each, it in zip(dates, always, strict=True)])

    def part(self, positions: Sequence[int]) -> Plan:
        """Return the plan of some of the trees, by their positions: what they name has the same nodes and keys."""
        trees = tuple(self.trees[position] for position in positions)
        # parents come first in a walk; a part takes no longer than it is large, however large the forest
        named = dict.fromkeys(sleeve.spec.digest for tree in trees for _, sleeve in reversed(list(tree.walk())))
        nodes = {key: self.nodes[key] for key in named}
        labels = {label for node in nodes.values() for label in node.partitions}
        kept = tuple(label for label in self.labels if label in labels)
        fleeting = frozenset(key for key in named if key in self.fleeting)
        return replace(self, trees=trees, nodes=nodes, labels=kept, fleeting=fleeting)

    def batches(self, n_bytes: int) -> list[list[int]]:
        """Return the positions of the trees in batches whose sleeves hold about `n_bytes` each, or one tree more.

        Trees over the same sleeves stand beside each other; fleeting roots hold nothing.
        """
        beneath: dict[frozenset[str], list[int]] = {}
        for position, tree in enumerate(self.trees):
            held = frozenset(sleeve.spec.digest for _, sleeve in tree.walk()) - self.fleeting
            beneath.setdefault(held, []).append(position)
        found: list[list[int]] = []
        batch: set[str] = set()
        for held, positions in beneath.items():
            if not found or sum(self.nodes[key].n_bytes for key in batch | held) > n_bytes:
                found.append([])
                batch = set()
            found[-1] += positions
            batch |= held
        return found

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Spec digest -> blocks of the sleeve: one per partition in which it has sessions."""
        return {key: len(node.partitions) for key, node in self.nodes.items()}

    @cached_property
    def n_blocks(self) -> int:
        """Number of blocks of all sleeves, one per partition with sessions; fleeting roots are counted too."""
        return sum(self.sizes.values())


def first_known(leaf: Leaf, facts: Facts) -> np.ndarray | None:
    """Return the date from which on each asset of a leaf's universe is known, (n_assets,) datetime64[D].

    That of a membership, or of a signal, is the first day on which some row of it names the asset; what a rule draws
    from all prices is known from the partition of its first price on, and so is what a rule that counts prices draws.
    What is never known has NaT. None where all always are: the universe is a setting of the sleeve.
    """
    tables = facts.point_in_time.tables
    if leaf.signal is not None:
        return first_named(tables.get("signals"), leaf.signal, leaf.universe)
    if leaf.drawn is None or leaf.drawn.stated:
        return None
    found = [facts.first_observed(leaf.universe)] if leaf.drawn.members is None or leaf.drawn.min_prices else []
    if leaf.drawn.members is not None:
        found.append(first_named(tables.get("members"), leaf.drawn.members, leaf.universe))
    return np.fmin.reduce(found)


def plan_forest(trees: Sequence[Sleeve], datasets: Mapping[str, Dataset], *, fleeting: bool = False) -> Plan:
    """Return the plan of a forest.

    With `fleeting`, roots over other sleeves are not remembered, unless they also stand beneath another sleeve.

    Raises
    ------
    ConfigError, DataError
        For a dataset or a symbol that does not exist, a symbol that two datasets of one tree have, a lookback longer
        than the history, a start after its end, or an asset whose currency no rate of exchange converts.
    """
    nodes: dict[str, Node] = {}
    shared = _Shared(datasets)
    for tree in trees:
        shared.check(tree)
    homes = homes_of(trees, datasets)
    for tree in trees:
        for path, sleeve in reversed(list(tree.walk())):  # parents come first in a walk
            if sleeve.spec.digest not in nodes:
                nodes[sleeve.spec.digest] = shared.node(path, sleeve, nodes, homes)
            elif isinstance(sleeve.spec, Leaf) and sleeve.spec.is_drawn:
                _check_drawn_alike(path, sleeve.spec, nodes[sleeve.spec.digest])
    labels = sorted({label for node in nodes.values() for label in node.partitions})
    lookback = max((node.spec.reach for node in nodes.values()), default=0)
    alone = _roots_alone(trees, nodes) if fleeting else frozenset()
    return Plan(tuple(trees), homes.datasets, nodes, tuple(labels), alone, lookback)


def _check_drawn_alike(path: str, leaf: Leaf, node: Node) -> None:
    """Raise ConfigError where two leaves draw by one rule from different assets, of which the rule says nothing."""
    if isinstance(node.spec, Leaf) and node.spec.universe != leaf.universe:
        if leaf.signal is not None:
            raise ConfigError(
                f"sleeves '{node.label}' and '{path}' take signal '{leaf.signal}' over {len(node.spec.universe)} and "
                f"{len(leaf.universe)} assets; state one universe for both, or none"
            )
        raise ConfigError(
            f"sleeves '{node.label}' and '{path}' draw their universes by one rule from {len(node.spec.universe)} and "
            f"{len(leaf.universe)} assets; state the assets of a rule, as in universe: {{min_price: 5, of: [...]}}"
        )


def _roots_alone(trees: Sequence[Sleeve], nodes: Mapping[str, Node]) -> frozenset[str]:
    beneath = {child.digest for node in nodes.values() if isinstance(node.spec, Meta) for child in node.spec.children}
    return frozenset({tree.spec.digest for tree in trees if isinstance(tree.spec, Meta)} - beneath)


class _Shared:
    """What sleeves over the same datasets, or over the same children, have in common: worked out once."""

    def __init__(self, datasets: Mapping[str, Dataset]) -> None:
        self._datasets = datasets
        self._calendars: dict[tuple[str, ...], tuple[Calendar, Mapping[str, slice]]] = {}
        self._layouts: dict[tuple[str, ...], Layout] = {}
        self._checked: set[tuple[str, ...]] = set()
        self._days: dict[tuple[object, ...], np.ndarray] = {}

    def check(self, tree: Sleeve) -> None:
        """Check a tree's data, unless one with the same leaves has been."""
        leaves = tuple(leaf.digest for _, leaf in tree.leaves())
        if leaves not in self._checked:
            check_data(tree, self._datasets)
            self._checked.add(leaves)

    def node(self, path: str, sleeve: Sleeve, nodes: Mapping[str, Node], homes: Homes) -> Node:
        """Return the node of a sleeve whose children have theirs."""
        calendar, parts = self._dated(sleeve)
        opens = self._opens(path, sleeve)
        if not isinstance(sleeve.spec, Leaf):
            return Node(sleeve.spec, path, calendar, self._layout(sleeve.spec, nodes), parts, opens=opens)
        hedges = homes.hedged.get(sleeve.spec.digest, ())
        layout = Layout.leaf((*sleeve.spec.universe, *map(hedge_name, hedges)))
        return Node(sleeve.spec, path, calendar, layout, parts, homes.of(sleeve.spec), opens, hedges)

    def _dated(self, sleeve: Sleeve) -> tuple[Calendar, Mapping[str, slice]]:
        names = _datasets_of(sleeve)
        if names not in self._calendars:
            calendar = calendar_of([self._datasets[name].facts for name in names])
            self._calendars[names] = calendar, dict(partitions(calendar.sessions))
        return self._calendars[names]

    def _opens(self, path: str, sleeve: Sleeve) -> np.ndarray | None:
        """Return which sessions days of a sleeve's schedule open: one array for all that decide on the same ones."""
        spec, names = sleeve.spec, _datasets_of(sleeve)
        if not spec.schedule.is_dated:
            return None
        asked = names, replace(spec.schedule, band=0.0), spec.start
        if asked not in self._days:
            self._days[asked] = opened(spec, self._dated(sleeve)[0], names, self._datasets, path)
        return self._days[asked]

    def _layout(self, spec: Meta, nodes: Mapping[str, Node]) -> Layout:
        children = tuple(child.digest for child in spec.children)
        if children not in self._layouts:
            self._layouts[children] = Layout.meta([nodes[key].layout for key in children])
        return self._layouts[children]


def _datasets_of(sleeve: Sleeve) -> tuple[str, ...]:
    return tuple(sorted({leaf.dataset for _, leaf in sleeve.leaves()}))


def check_data(tree: Sleeve, datasets: Mapping[str, Dataset]) -> None:
    """Raise unless every leaf finds its dataset, its symbols and enough history, and every symbol has one home.

    What cash earns is in a dataset of the tree: what other trees of a forest read does not decide what this one is.
    """
    check_universes(tree, {name: dataset.facts.symbols for name, dataset in datasets.items()})
    rate, read = tree.spec.cash.rate, {leaf.dataset for _, leaf in tree.leaves()}
    if isinstance(rate, str):
        cash_rate(rate, read, {name: datasets[name] for name in read})
    for path, leaf in tree.leaves():
        n_sessions = len(datasets[leaf.dataset].facts.dates)
        if n_sessions <= leaf.lookback:
            raise DataError(
                f"sleeve '{path}': dataset '{leaf.dataset}' has {n_sessions} sessions, a lookback of "
                f"{leaf.lookback} returns needs {leaf.lookback + 1}; shorten the lookback or ingest more history"
            )
        _check_levels(path, leaf, datasets[leaf.dataset])
        if leaf.signal is not None:
            check_signal(path, leaf, datasets[leaf.dataset])


def _check_levels(path: str, leaf: Leaf, dataset: Dataset) -> None:
    """Raise ConfigError where a universe is drawn by the size of prices that are none: compounded returns."""
    rule = leaf.drawn
    if rule is None or not dataset.facts.point_in_time.returns:
        return
    if rule.min_price is not None or rule.largest is not None:
        key = "min_price" if rule.min_price is not None else "largest"
        raise ConfigError(
            f"sleeve '{path}': universe.{key} is of the size of prices, and those of dataset '{leaf.dataset}' are "
            "returns that were compounded from 100; leave it out (min_prices counts returns all the same)"
        )


def check_signal(path: str, leaf: Leaf, dataset: Dataset) -> None:
    """Raise ConfigError where a leaf's signal is not there, names assets beyond its universe, or must not go short."""
    table = dataset.facts.point_in_time.tables.get("signals")
    names = () if table is None else table.first_texts
    if table is None or leaf.signal not in names:
        raise ConfigError(
            f"sleeve '{path}': dataset '{leaf.dataset}' has no signal '{leaf.signal}'{nearest(str(leaf.signal), names)}"
        )
    own = table.of_firsts([leaf.signal])
    assets, weights = own.texts("asset"), own.numbers("weight")
    beyond = {assets.values[code] for code in set(assets.codes.tolist())} - set(leaf.universe)
    if beyond:
        raise ConfigError(
            f"sleeve '{path}': signal '{leaf.signal}' has a weight for '{min(beyond)}', which its universe has not "
            f"({len(beyond)} such assets); add them, or take the universe out: it is the signal's assets then"
        )
    negative = np.flatnonzero(weights < 0)
    if len(negative) and not leaf.short:
        row = int(negative[0])
        raise ConfigError(
            f"sleeve '{path}': signal '{leaf.signal}' has a weight of {weights[row]:g} for "
            f"'{assets.values[assets.codes[row]]}' on {own.numbers('date')[row]} ({len(negative):,} negative weights); "
            "state short: true if these are shorts"
        )


def check_universes(tree: Sleeve, symbols: Mapping[str, Sequence[str]]) -> None:
    """Raise ConfigError unless every leaf's symbols are in its dataset, and every symbol comes from one dataset only.

    `symbols` is what each dataset holds.
    """
    home: dict[str, tuple[str, str]] = {}
    held = {name: frozenset(known) for name, known in symbols.items()}
    for path, leaf in tree.leaves():
        if leaf.dataset not in symbols:
            raise ConfigError(f"sleeve '{path}': no dataset is called '{leaf.dataset}'{nearest(leaf.dataset, symbols)}")
        missing = sorted(set(leaf.universe) - held[leaf.dataset])
        if missing:
            known = symbols[leaf.dataset]
            close = nearest(missing[0], known)
            raise ConfigError(f"sleeve '{path}': dataset '{leaf.dataset}' has no symbol '{missing[0]}'{close}")
        for symbol in leaf.universe:
            dataset, other = home.setdefault(symbol, (leaf.dataset, path))
            if dataset != leaf.dataset:
                raise ConfigError(
                    f"sleeves '{other}' and '{path}' take '{symbol}' from two datasets, '{dataset}' and "
                    f"'{leaf.dataset}'; one asset has one price: use one of them, or rename the symbol when ingesting"
                )
