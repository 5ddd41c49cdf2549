"""Audit: compute a sample of cached blocks again, and raise an alarm where other bytes come out.

1. Stored runs, newest first, are grouped by the snapshot that they read; those of other code are left out, since none
   of their keys can be reached, unless all their blocks were adopted (metabt.runs.adoption).
2. Each group is walked over the lakehouse's cache as one forest. The sample, a share of all keys that is fixed by their
   digests, is hidden from the engine, which has to compute these objects. Adopted blocks come first: as many of them
   as the sample is large take the place of others.
3. What comes out is compared with what is stored, by digest; the walk goes on from what is stored, so that one bad
   object does not hide the next. Nothing is written.
4. Runs that are kept whole are assembled too: risk by asset is cached as well.
5. An alarm is named by following the keys through the plan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from metabt.build.cache import Around
from metabt.build.cache.adoptions import Adoptions
from metabt.build.cache.disk import StoredCache
from metabt.build.cache.sealing import seal
from metabt.build.known_blocks import followed
from metabt.build.ports import Cache, Progress, Sealed
from metabt.engines.backtest_engine import BacktestEngine
from metabt.errors import MetabtError, StoreError
from metabt.lakehouse import list_runs
from metabt.lakehouse.price_source import Lakehouse
from metabt.runs.input_differences import version_differences
from metabt.runs.record import Record, read_record
from metabt.runs.request import Request, request, stored_tree


@dataclass(frozen=True)
class Alarm:
    """One cached object whose bytes are not those that are computed under its key."""

    sleeve: str
    """Path of a sleeve that it belongs to."""
    partition: str
    """Its partition; `risk` for risk by asset at a root's decisions."""
    key: str
    """Its key."""
    file: Path | str
    """Path of the pack that it is in."""
    parts: tuple[str, ...]
    """Parts whose bytes differ."""


@dataclass(frozen=True)
class Audited:
    """Findings of an audit."""

    runs: int
    """Stored runs that were walked."""
    left_out: int
    """Stored runs of other code, or whose snapshot is gone."""
    found: int
    """Distinct objects that the walks wanted and the cache had."""
    recomputed: int
    """Those of them that were computed again."""
    missing: int
    """Distinct objects that the cache did not have."""
    alarms: tuple[Alarm, ...]
    """Those of which other bytes came out."""


class Hiding(Around):
    """A cache that hides a sample of its objects and compares them with what is computed instead; it writes nothing."""

    def __init__(self, behind: Cache, share: float) -> None:
        """Hide a `share`, 0 to 1, of what `behind` holds."""
        super().__init__(behind)
        self._share = share
        self.chosen: dict[str, bool] = {}
        """Key -> whether it belongs to the sample, of what was chosen otherwise than by `sampled`."""
        self._hidden: dict[str, Sealed] = {}
        self.found: set[str] = set()
        """Keys of the objects that the cache had."""
        self.missing: set[str] = set()
        """Keys of those that it did not have."""
        self.recomputed: set[str] = set()
        """Keys of the objects that were computed again."""
        self.wrong: dict[str, tuple[str, ...]] = {}
        """Key -> parts of which other bytes came out."""

    def get(self, key: str, kind: str) -> Sealed | None:
        """Return what was put under the key, unless it is to be computed."""
        known = super().get(key, kind)
        if known is None:
            self.missing.add(key)
            return None
        self.found.add(key)
        if key in self.recomputed or not self.chosen.get(key, sampled(key, self._share)):
            return known
        self._hidden[key] = known
        return None

    def claim(self, key: str) -> AbstractContextManager[None]:
        """Return at once: nothing is written, so that other processes need not be kept out."""
        return nullcontext()

    def put(self, key: str, kind: str, parts: Mapping[str, object]) -> Sealed:
        """Compare the parts of an object with what is stored, and return what is stored."""
        sealed, _ = seal(parts)
        known = self._hidden.pop(key, None)
        if known is None:
            self.missing.add(key)
            return sealed
        self.recomputed.add(key)
        names = sorted({*known.digests, *sealed.digests})
        wrong = tuple(name for name in names if known.digests.get(name) != sealed.digests.get(name))
        if wrong:
            self.wrong[key] = wrong
        return known

    def flush(self) -> bool:
        """Return False: nothing is written."""
        return False

    def publish(self) -> None:
        """Do nothing: nothing is written."""


def sampled(key: str, share: float) -> bool:
    """Return whether a key belongs to the sample: the same keys for ever, and more of them for a larger share."""
    return _place(key) < share * 16**13


def chosen(keys: Iterable[str], share: float, first: frozenset[str]) -> dict[str, bool]:
    """Return whether each key belongs to a sample of as many as `sampled` takes, one at least, `first` ones first."""
    order = sorted(keys, key=lambda key: (key not in first, _place(key)))
    count = max(sum(sampled(key, share) for key in order), 1)
    return {key: number < count for number, key in enumerate(order)}


def _place(key: str) -> int:
    return int(hashlib.sha256(key.encode()).hexdigest()[:13], 16)


def audit(lakehouse: str | Path, share: float, progress: Progress | None = None) -> Audited:
    """Compute a share of the cached objects of all stored runs again, and compare their bytes.

    `share`, 0 to 1, is that of all keys; `progress` is called as `progress(done, blocks, last)`.

    Raises
    ------
    StoreError
        If there is no lakehouse, or it cannot be read.
    """
    source = Lakehouse(Path(lakehouse))
    store = source.cache()
    cache, alarms, n_runs = Hiding(store, share), dict[str, Alarm](), 0
    done = [str(row["run_id"]) for row in list_runs(source.connection) if row["status"] == "ok"]
    records = [read_record(source.connection, run_id) for run_id in done]
    adopted = Adoptions.of(store.store.shelf)
    for group in _groups(source, records, adopted):
        engine = _engine(group, cache)
        if adopted.keys:
            keys = [key for _, _, key, found in followed(engine.plan, store) if found is not None]
            cache.chosen.update(chosen(keys, share, adopted.keys))
        known, walked = set(cache.wrong), engine.run(progress)
        for position, (record, asked) in enumerate(group):
            if record.keep == "all":
                before = set(cache.wrong)
                engine.assemble(walked, position, asked.end)
                risk = {key: (record.portfolio, "risk") for key in set(cache.wrong) - before}
                alarms.update(_alarms(cache, store, risk))
        new = set(cache.wrong) - known - set(alarms)
        if new:
            places = {key: (node.label, label) for label, node, key, _ in followed(engine.plan, store) if key in new}
            alarms.update(_alarms(cache, store, places))
        n_runs += len(group)
    n_found, n_missing = len(cache.found), len(cache.missing - cache.found)
    return Audited(n_runs, len(records) - n_runs, n_found, len(cache.recomputed), n_missing, tuple(alarms.values()))


Group = list[tuple[Record, Request]]
"""Runs that can be walked as one forest."""


def _groups(source: Lakehouse, records: Sequence[Record], adopted: Adoptions) -> Iterator[Group]:
    """Yield the runs that present code has made, by snapshot and shape, newest first."""
    snapshots: dict[tuple[int, bool], list[Record]] = {}
    for record in records:
        snapshots.setdefault((record.snapshot, record.config["flat"]), []).append(record)
    for (snapshot, _), together in snapshots.items():
        group = _asked(source.at(snapshot), together, adopted)
        if group:
            yield group


def _asked(source: Lakehouse, records: Sequence[Record], adopted: Adoptions) -> Group:
    """Return the runs with their requests; without those of other code, or none where the snapshot is gone."""
    trees = []
    for record in records:
        try:
            trees.append((record, stored_tree(record.config)))
        except MetabtError:
            continue  # other code read its settings in another way
    try:
        datasets = source.datasets([tree for _, tree in trees])
    except StoreError:
        return []
    found = [(record, request(tree, datasets, record.config["end"], record.shape)) for record, tree in trees]
    return [(record, asked) for record, asked in found if _is_known(record, asked, adopted)]


def _is_known(record: Record, asked: Request, adopted: Adoptions) -> bool:
    """Return whether present code has made a run, or has adopted the blocks of every kind of its sleeves."""
    if not version_differences(record.versions, asked.versions):
        return True
    before, now = record.versions.get("keys", {}), asked.versions["keys"]
    same = before.keys() == now.keys() and record.versions["plugins"] == asked.plugins
    return same and all(before[kind] == now[kind] or (before[kind], now[kind]) in adopted.ways for kind in now)


def _engine(group: Group, cache: Cache) -> BacktestEngine:
    first, asked = group[0]
    trees = [asked.tree for _, asked in group]
    return BacktestEngine(trees, asked.datasets, is_meta_backtest=first.shape, cache=cache, force=True)


def _alarms(cache: Hiding, store: StoredCache, places: Mapping[str, tuple[str, str]]) -> dict[str, Alarm]:
    return {
        key: Alarm(*place, key, store.store.place(key) or store.store.shelf.at, cache.wrong[key])
        for key, place in places.items()
    }
