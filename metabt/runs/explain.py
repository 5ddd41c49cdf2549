"""Explain a run: why each of its blocks had to be computed.

1. The run is compared with the newest earlier one of the same portfolio, or else with the one that shares most sleeves.
2. A sleeve that this one does not have is compared with the newest earlier run that has it.
3. For every sleeve with a computed block the inputs of its keys are gone through: its own settings, the sleeves
   beneath it, the prices of its universe and what is dated beside them, the code of the walk, libraries and platform.
4. What is left is a block that no cache had remembered: it was pruned, or computed without this cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metabt.lakehouse.point_in_time.table_changes import reads_table, told_tables
from metabt.lakehouse.prices.price_changes import CALENDAR, PriceChange, told
from metabt.runs.input_differences import Difference, changed_settings, differences, settings_of, stated_steps
from metabt.runs.previous_run import PreviousRun, beneath, compared, newest_comparable, newest_with, specs_of
from metabt.runs.record import Record, read_record
from metabt.values.tables import texts

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Recomputed:
    """One sleeve of which some block was computed."""

    path: str
    """Its path in the tree."""
    computed: tuple[str, ...]
    """Partitions whose block was computed, in time order."""
    partitions: tuple[str, ...]
    """All its partitions."""
    causes: tuple[Difference, ...]
    """Inputs that made it necessary."""
    since: str | None
    """The earlier run in which its blocks were known; None where there is none."""


@dataclass(frozen=True)
class Explanation:
    """The causes for which blocks of one run were computed."""

    run: Record
    """The run."""
    reference: Record | None
    """The earlier run that it is compared with."""
    sleeves: tuple[Recomputed, ...]
    """Sleeves with computed blocks, parents first; none where only a summary is kept."""
    found_sleeves: int
    """Sleeves whose every block was found."""
    found_blocks: int
    """Blocks that were found, of all sleeves."""
    everywhere: tuple[Difference, ...]
    """What differs for all sleeves: code, libraries, platform; of a summary, all that differs."""


def explain(con: duckdb.DuckDBPyConnection, run_id: str) -> Explanation:
    """Return why each block of a run was computed.

    Raises
    ------
    StoreError
        For a run that is not there, or that failed.
    """
    run = read_record(con, run_id)
    reference = newest_comparable(con, run)
    if run.keep == "summary":
        everywhere = differences(con, reference, run) if reference else []
        return Explanation(run, reference, (), 0, 0, tuple(everywhere))
    return _Explaining(con, run, reference).explained()


class _Explaining:
    """One run, gone through sleeve by sleeve."""

    def __init__(self, con: duckdb.DuckDBPyConnection, run: Record, reference: Record | None) -> None:
        from metabt.lakehouse import load_table

        self._con, self._run, self._reference = con, run, reference
        self._specs = specs_of(con, run)
        self._blocks: dict[str, dict[str, bool]] = {}
        stages = load_table(con, run.run_id, "stages")
        columns = (texts(stages["path"]), texts(stages["partition"]), np.asarray(stages["cache_hit"]).tolist())
        for path, partition, hit in sorted(zip(*columns, strict=True)):
            blocks = self._blocks.setdefault(beneath(path), {})
            blocks[partition] = blocks.get(partition, True) and hit
        self._opened: dict[str, PreviousRun] = {}
        self._known: dict[str, Recomputed] = {}

    def explained(self) -> Explanation:
        """Return the whole explanation."""
        computed = [place for place in self._specs if self._is_computed(place)]
        sleeves = tuple(self._sleeve(place) for place in computed)
        past = self._open(self._reference) if self._reference else None
        return Explanation(
            run=self._run,
            reference=self._reference,
            sleeves=sleeves,
            found_sleeves=len(self._specs) - len(computed),
            found_blocks=sum(hit for blocks in self._blocks.values() for hit in blocks.values()),
            everywhere=past.everywhere if past else (),
        )

    def _is_computed(self, place: str) -> bool:
        return not all(self._blocks.get(place, {}).values())

    def _differs(self, place: str) -> bool:
        """Return whether a sleeve was computed because something that it reads differs."""
        return self._is_computed(place) and any(cause.kind != "unknown" for cause in self._sleeve(place).causes)

    def _sleeve(self, place: str) -> Recomputed:
        if place not in self._known:
            self._known[place] = self._gone_through(place)
        return self._known[place]

    def _gone_through(self, place: str) -> Recomputed:
        blocks = self._blocks[place]
        missed = tuple(label for label, hit in blocks.items() if not hit)
        past, there = self._earlier(place)
        path = f"{self._run.portfolio}/{place}" if place else self._run.portfolio
        if past is None:
            first = Difference("first", "computed for the first time")
            return Recomputed(path, missed, tuple(blocks), (first,), None)
        causes = self._causes(place, past, there)
        if not causes and not past.everywhere:
            cause = f"nothing that it reads differs from run {past.record.short}: the cache did not have its blocks"
            causes = [Difference("unknown", f"{cause} (pruned, or computed without it)")]
        return Recomputed(path, missed, tuple(blocks), tuple(causes), past.record.run_id)

    def _earlier(self, place: str) -> tuple[PreviousRun | None, str]:
        """Return the earlier run to compare a sleeve with, and the sleeve's place in it."""
        spec, past = self._specs[place], self._open(self._reference) if self._reference else None
        if past is None or spec not in past.specs.values():
            other = newest_with(self._con, self._run, spec)
            if other is None:
                return (past, place) if past is not None and place in past.specs else (None, place)
            past = self._open(other)
        return past, past.place_of(spec, place)

    def _causes(self, place: str, past: PreviousRun, there: str) -> list[Difference]:
        spec, before = self._specs[place], past.specs[there]
        changed = changed_settings(settings_of(before), settings_of(spec))
        if "dataset" in spec:
            before_steps, steps = (
                {"panel": {name: text for name, text in stated_steps(config).items() if name == spec["dataset"]}}
                for config in (past.record.config, self._run.config)
            )
            changed += changed_settings(before_steps, steps)
        causes = [Difference("configuration", line) for line in changed]
        dated = past.tables if self._run.config["flat"] else [it for it in past.tables if reads_table(spec, it)]
        causes += [Difference("tables", line) for line in told_tables(dated)]
        if "children" in spec or "children" in before:
            return causes + [Difference("child", line) for line in self._child_lines(place, past, there)]
        if isinstance(past.changes, str):
            return [*causes, Difference("prices", past.changes)]
        universe = spec["universe"] if not self._run.config["flat"] else None
        read = [change for change in past.changes if universe is None or _reads(spec, change)]
        whole = self._run.wanted if universe is None else {spec["dataset"]: universe}
        return causes + [Difference("prices", line) for line in told(read, whole)]

    def _child_lines(self, place: str, past: PreviousRun, there: str) -> list[str]:
        now, before = _children(self._specs, place), _children(past.specs, there)
        shared = [name for name in now if name in before]
        anew = [name for name in shared if self._differs(now[name])]
        other = [name for name in shared if self._specs[now[name]] != past.specs[before[name]]]
        changed = [name for name in shared if name in anew or name in other]
        told_of = {
            "new": [name for name in now if name not in before],
            "gone": [name for name in before if name not in now],
            "changed": changed,
        }
        return [f"{what} beneath it: {', '.join(names)}" for what, names in told_of.items() if names]

    def _open(self, record: Record) -> PreviousRun:
        if record.run_id not in self._opened:
            self._opened[record.run_id] = compared(self._con, record, self._run)
        return self._opened[record.run_id]


def _children(specs: Mapping[str, Any], place: str) -> dict[str, str]:
    """Return name -> place of the sleeves right beneath a place."""
    places = [other for other in specs if other and other.rpartition("/")[0] == place]
    return {other.rpartition("/")[2]: other for other in places}


def _reads(spec: Mapping[str, Any], change: PriceChange) -> bool:
    """Return whether a leaf's blocks depend on what changed."""
    if change.dataset != spec["dataset"]:
        return False
    if change.field == CALENDAR:
        return True
    return change.symbol in spec["universe"] and (change.field == "close" or _reads_volume(spec))


def _reads_volume(spec: Mapping[str, Any]) -> bool:
    from metabt.portfolio.built_estimators import build_selector
    from metabt.portfolio.drawn import DOLLAR_VOLUME
    from metabt.portfolio.sleeve import Estimator

    selector, rule = spec["selector"], spec.get("drawn") or {}
    params = {key: value for key, value in selector.items() if key != "name"}
    return rule.get("by") == DOLLAR_VOLUME or build_selector(Estimator(selector["name"], params)).reads_volume
