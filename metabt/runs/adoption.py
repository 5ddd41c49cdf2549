"""Adoption: after an upgrade, let present code take over the blocks that earlier code has computed, where it may.

1. Every stored run says by what its blocks are addressed: the basis of each kind of sleeve, and versions of plug-ins.
   With these its old keys are followed (metabt.build.known_blocks does so with present ones), and beside each the key
   that present code gives the same block.
2. Of each kind of sleeve, by each earlier code, a sample of these blocks is computed again, from what is stored of the
   states and the children before it.
3. Where all bytes of a kind agree, its blocks are published under the new keys, after a proof of it
   (metabt.build.cache.adoptions). Where one differs, none of that kind is.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from metabt.build.cache import Around
from metabt.build.cache.adoptions import write_proof
from metabt.build.cache.disk import StoredCache
from metabt.build.cache.sealing import seal
from metabt.build.cached_walk import CachedWalk
from metabt.build.keys import BLOCK, Lineage, basis, made_with, plugin_versions
from metabt.build.plan import Node, Plan
from metabt.build.ports import Cache, Progress, Sealed, Step
from metabt.build.sleeve_code import Kind, kind_of
from metabt.engines.backtest_engine import BacktestEngine
from metabt.errors import MetabtError, StoreError
from metabt.lakehouse import list_runs
from metabt.lakehouse.price_source import Lakehouse
from metabt.numerics.platform import one_thread
from metabt.portfolio.sleeve import Leaf, Meta, Sleeve
from metabt.runs.record import Record, read_record
from metabt.runs.request import addresses, stored_tree

LEAST = 3
"""Blocks of each kind that are computed again at least, where there are as many."""

Way = tuple[Kind, str, tuple[tuple[str, str], ...]]
"""A kind of sleeve, the basis of its keys then, and the versions of its plug-ins then."""


@dataclass(frozen=True)
class Sample:
    """One block that was computed again."""

    sleeve: str
    """Path of a sleeve that it belongs to."""
    partition: str
    """Its partition."""
    before: str
    """Its key by the code that computed it."""
    now: str
    """Its key by present code."""
    differs: str | None
    """What differs; None where all bytes agree."""


@dataclass(frozen=True)
class Adopted:
    """What became of the blocks of one kind of sleeve, by one earlier code."""

    kind: str
    """leaf or meta, and the names of its estimators."""
    before: str
    """Basis of its keys then: format, code, libraries and platform, as one digest."""
    now: str
    """The same of present code."""
    blocks: int
    """Its blocks that present code did not know."""
    samples: tuple[Sample, ...]
    """Those that were computed again."""
    adopted: tuple[str, ...]
    """New keys under which they were published; none where a sample differs."""


@dataclass(frozen=True)
class Adoption:
    """What became of the blocks of a lakehouse."""

    runs: int
    """Stored runs of other code whose blocks were followed."""
    left_out: int
    """Other ones of other code: their snapshot is gone, their settings mean something else now, or they do not say by
    what their blocks are addressed."""
    kinds: tuple[Adopted, ...]
    """Kinds of sleeves with blocks that present code did not know."""
    proof: Path | str | None
    """The file, or the address, that says so; None where nothing was adopted."""


@dataclass(frozen=True)
class _Found:
    """One stored block, and its keys."""

    node: Node
    label: str
    before: str
    now: str
    way: Way


@dataclass
class _Forest:
    """Runs of one earlier code over one snapshot, as one plan."""

    snapshot: int
    """Snapshot of the prices that they read."""
    shape: bool | None
    """What `is_meta_backtest` was."""
    bases: dict[str, str] = field(default_factory=dict)
    """Kind -> basis of its keys then."""
    plugins: dict[str, str] = field(default_factory=dict)
    """Package -> version then."""
    trees: list[Sleeve] = field(default_factory=list)
    """Their trees."""

    def takes(self, record: Record) -> bool:
        """Return whether a run reads the same, and is of the same code as far as both say."""
        pairs = ((self.bases, record.versions["keys"]), (self.plugins, record.versions["plugins"]))
        same = all(known.get(name, it) == it for known, said in pairs for name, it in said.items())
        return same and (self.snapshot, self.shape) == (record.snapshot, record.shape)

    def add(self, record: Record, tree: Sleeve) -> None:
        """Take a run in."""
        self.bases.update(record.versions["keys"])
        self.plugins.update(record.versions["plugins"])
        self.trees.append(tree)

    def plan(self, source: Lakehouse) -> Plan | None:
        """Return the plan of all its runs; None where their snapshot is gone."""
        try:
            datasets = source.at(self.snapshot).datasets(self.trees)
            return BacktestEngine(self.trees, datasets, is_meta_backtest=self.shape).plan
        except MetabtError:
            return None

    def way(self, spec: Leaf | Meta) -> Way:
        """Return by what a sleeve's blocks were computed."""
        kind = kind_of(spec)
        versions = {name: self.plugins.get(name, "") for name in plugin_versions(spec)}
        return kind, self.bases.get(" ".join(kind), ""), tuple(sorted(versions.items()))

    def made(self, spec: Leaf | Meta) -> str:
        """Return the part of a sleeve's old keys that its partitions share."""
        _, old, plugins = self.way(spec)
        return made_with(spec, old, dict(plugins))


def adopt(lakehouse: str | Path, share: float, progress: Progress | None = None) -> Adoption:
    """Publish the blocks of earlier code under the keys of present code, of each kind of which a sample agrees.

    Parameters
    ----------
    lakehouse : its folder
    share : of each kind's blocks, 0 to 1, that are computed again; LEAST at least
    progress : called as `progress(done, blocks, last)` while they are

    Raises
    ------
    StoreError
        If there is no lakehouse, it cannot be read, or the proof cannot be written.
    """
    source = Lakehouse(Path(lakehouse))
    n_runs, n_left, forests = _forests(source)
    with source.cache() as store:
        plans = [(forest, plan) for forest in forests if (plan := forest.plan(source)) is not None]
        followed = [list(_followed(forest, plan, store)) for forest, plan in plans]
        new = {it.now: it for found in followed for it in found if _is_new(it, store)}
        ways = _by_way(new.values())
        left = {it.now for blocks in ways.values() for it in _sample(blocks, share)}
        samples, tell = dict[str, Sample](), _Telling(progress, len(left))
        for (_, plan), found in zip(plans, followed, strict=True):
            samples.update(_recomputed(plan, found, left, store, tell))
            left -= samples.keys()
        kinds = [_judged(way, blocks, samples) for way, blocks in ways.items()]
        proof = _published(kinds, new, store)
    n_gone = sum(len(forest.trees) for forest in forests) - sum(len(forest.trees) for forest, _ in plans)
    return Adoption(n_runs - n_gone, n_left + n_gone, tuple(kinds), proof)


def _forests(source: Lakehouse) -> tuple[int, int, list[_Forest]]:
    """Return how many runs of other code say what can be followed, how many do not, and those that do as forests."""
    done = [str(row["run_id"]) for row in list_runs(source.connection) if row["status"] == "ok"]
    forests, n_runs, n_left = list[_Forest](), 0, 0
    for record in (read_record(source.connection, run_id) for run_id in done):
        try:
            tree = stored_tree(record.config)
        except MetabtError:  # this code reads its settings in another way
            n_left += 1
            continue
        if not record.versions.get("keys"):
            n_left += 1
        elif addressed(record) != addresses(tree, record.config["flat"]):
            n_runs += 1
            forest = next((it for it in forests if it.takes(record)), None)
            if forest is None:
                forests.append(forest := _Forest(record.snapshot, record.shape))
            forest.add(record, tree)
    return n_runs, n_left, forests


def addressed(record: Record) -> dict[str, Any]:
    """Return what `addresses` gave when a run was made."""
    return {name: record.versions.get(name, {}) for name in ("keys", "plugins")}


def _followed(forest: _Forest, plan: Plan, store: Cache) -> Iterator[_Found]:
    """Yield every block of earlier code that is stored and can be reached, in the order of the walk."""
    old, new = Lineage(plan, forest.made), Lineage(plan)
    for label in plan.labels:
        old.enter(label)
        new.enter(label)
        for node in plan.remembered(label):
            found = None
            if old.reaches(node):
                before, now = old.key(node), new.key(node)
                found = store.get(before, BLOCK)
                if found is not None:
                    yield _Found(node, label, before, now, forest.way(node.spec))
            digests = None if found is None else found.digests
            old.add(node, digests)
            new.add(node, digests)


def _is_new(found: _Found, store: Cache) -> bool:
    return found.before != found.now and store.get(found.now, BLOCK) is None


def _by_way(blocks: Iterable[_Found]) -> dict[Way, list[_Found]]:
    ways: dict[Way, list[_Found]] = {}
    for block in blocks:
        ways.setdefault(block.way, []).append(block)
    return dict(sorted(ways.items()))


def _sample(blocks: Sequence[_Found], share: float) -> list[_Found]:
    """Return a share of the blocks of one kind, LEAST at least: the same for ever, and spread over all of them."""
    count = max(math.ceil(share * len(blocks)), LEAST)
    return sorted(blocks, key=lambda block: hashlib.sha256(block.before.encode()).digest())[:count]


class _Earlier(Around):
    """The blocks of earlier code under the keys of present code; what is to be computed again is hidden."""

    def __init__(self, behind: Cache, found: Iterable[_Found], hidden: set[str]) -> None:
        super().__init__(behind)
        self._before, self._hidden = {it.now: it.before for it in found}, hidden
        self.computed: dict[str, str | None] = {}
        """New key -> what differs in what was computed again; None where nothing does."""

    def stored(self, key: str) -> Sealed | None:
        """Return a block of earlier code."""
        return self.behind.get(self._before[key], BLOCK)

    def get(self, key: str, kind: str) -> Sealed | None:
        """Return a block of earlier code, unless it is to be computed."""
        return None if key in self._hidden and key not in self.computed else self.stored(key)

    def known(self, key: str, kind: str) -> Mapping[str, str] | None:
        """Return the digests of what `get` returns."""
        found = self.get(key, kind)
        return None if found is None else found.digests

    def claim(self, key: str) -> AbstractContextManager[None]:
        """Return at once: nothing is written, so that other processes need not be kept out."""
        return nullcontext()

    def put(self, key: str, kind: str, parts: Mapping[str, object]) -> Sealed:
        """Compare a block with that of earlier code, and return the latter: the walk goes on from what is stored."""
        (sealed, _), known = seal(parts), self.stored(key)
        if known is None:  # pruned meanwhile
            return sealed
        names = sorted({*known.digests, *sealed.digests})
        wrong = [name for name in names if known.digests.get(name) != sealed.digests.get(name)]
        self.computed[key] = f"other bytes come out ({' and '.join(wrong)})" if wrong else None
        return known


def _recomputed(
    plan: Plan, found: Sequence[_Found], wanted: set[str], store: Cache, tell: Callable[[str], None]
) -> dict[str, Sample]:
    """Compute those of the blocks found that are `wanted`, by their new keys, and return what came out."""
    hidden = wanted & {it.now for it in found}
    samples, cache, label = dict[str, Sample](), _Earlier(store, found, hidden), ""
    if not hidden:
        return samples
    walk = CachedWalk(plan, cache)
    with one_thread():
        for it in found:
            if it.label != label:
                walk.enter(label := it.label)
            step = walk.step(it.node)
            if it.now not in hidden:
                continue
            if step.failure is not None:
                cache.computed[it.now] = f"it fails now: {step.failure}"
                walk.failures.clear()
                walk.adopt(it.node, Step(it.now, cache.stored(it.now)))
            if it.now in cache.computed:
                samples[it.now] = Sample(it.node.label, label, it.before, it.now, cache.computed[it.now])
                tell(f"{label} {it.node.label}")
    return samples


class _Telling:
    """Tells of each block that was computed again."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, last: str) -> None:
        self._done += 1
        if self._progress:
            self._progress(self._done, self._total, last)


def _judged(way: Way, blocks: Sequence[_Found], samples: Mapping[str, Sample]) -> Adopted:
    """Return what becomes of the blocks of one kind: adopted where a sample was computed, and all of it agrees."""
    kind, before, _ = way
    computed = tuple(samples[it.now] for it in blocks if it.now in samples)
    agree = bool(computed) and all(sample.differs is None for sample in computed)
    keys = tuple(it.now for it in blocks) if agree else ()
    return Adopted(" ".join(kind), before, basis(kind), len(blocks), computed, keys)


def _published(kinds: Sequence[Adopted], new: Mapping[str, _Found], store: StoredCache) -> Path | str | None:
    """Write the proof, then the blocks that it speaks of: a mark without a block does no harm."""
    taken = [kind for kind in kinds if kind.adopted]
    if not taken:
        return None
    try:
        proof = write_proof(store.store.shelf, [asdict(kind) for kind in taken])
    except OSError as error:
        raise StoreError(
            f"the proof of the adoption cannot be written into '{store.store.shelf.at}' ({error}); nothing was adopted"
        ) from error
    for key in (key for kind in taken for key in kind.adopted):
        known = store.get(new[key].before, BLOCK)
        if known is not None:
            store.put(key, BLOCK, known.parts)
    store.flush()
    return proof
