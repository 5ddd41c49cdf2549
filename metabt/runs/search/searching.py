"""Run a search in a lakehouse.

1. The sampler asks for a batch of points, which are composed and run as one forest (metabt.runs.sweep): what is stored
   is found, what batches share is in the cache.
2. The first point, before anything is walked, gives the search its identity, under which every point is recorded as
   asked for (metabt.runs.search.search_identity). The data must stay those of it: a run of the first point is named
   again before each batch, and another name ends the search.
3. The objective of each run is told in the order of asking, and the next batch asked for.
4. Each batch is committed at its end: interrupted, a search has lost at most the runs of one batch, and their blocks
   are kept. The same command asks for the same points, finds those that are stored, and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metabt.build.ports import Progress
from metabt.errors import StoreError
from metabt.lakehouse.price_source import Lakehouse
from metabt.runs.search.objective import objectives
from metabt.runs.search.search_identity import begin
from metabt.runs.sweep import Part, first_run_id, run_part
from metabt.runs.sweep_notes import sweep_notes
from metabt.runs.swept import Outlook, Sweep, Swept
from metabt.runs.trials.sweep_evidence import sweep_evidence
from metabt.search.loop import search
from metabt.search.sampler import sampler_of
from metabt.search.settings import Settings
from metabt.search.space import Point, Space

if TYPE_CHECKING:
    from metabt.config import Job

Compose = Callable[[Sequence[Point], bool], Sequence["Job"]]
"""Points -> their configurations; with True it raises where none of them can be composed."""


@dataclass(frozen=True)
class Searched:
    """The result of a search."""

    settings: Settings
    """How it searched."""
    sweep: Sweep
    """All points as one sweep, in the order of asking."""
    values: tuple[float | None, ...]
    """The objective of each; None where it has none."""

    @property
    def best(self) -> Swept | None:
        """The point with the best objective, the first of equals; None where none has one."""
        known = [place for place, value in enumerate(self.values) if value is not None]
        place = max(known, key=lambda it: self.settings.sign * (self.values[it] or 0.0), default=None)
        return None if place is None else self.sweep.runs[place]


def run_search(
    settings: Settings,
    space: Space,
    compose: Compose,
    lakehouse: str,
    *,
    keep: str = "summary",
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
    told: Callable[[Sequence[Part], Sequence[float | None]], None] | None = None,
    force: bool = False,
) -> Searched:
    """Search, and return every point that was asked for with its run.

    Parameters
    ----------
    settings : how to search
    space : what to search
    compose : returns the configurations of points
    lakehouse : directory of the lakehouse that prices are read from and runs are stored in
    keep : as for `run_sweep`
    progress : called for each batch, as for `run_sweep`
    say : called with a sentence that names the engine, where none was stated
    told : called after each batch with all parts so far, and the objectives of the last one
    force : as for `run_sweep`

    Raises
    ------
    ConfigError
        If no point of the first batch can be composed, a run has no such metric, or the search was begun with another
        version of the library that asks.
    StoreError
        If the lakehouse cannot be read or written, or other data were ingested meanwhile.
    """
    sampler = sampler_of(settings, space)
    forest = _Batches(settings, space, compose, lakehouse, sampler.library)
    forest.options = {"keep": keep, "progress": progress, "say": say, "force": force}
    forest.told = told
    found = search(sampler, settings, forest.evaluate)
    return Searched(settings, forest.sweep(), tuple(value for _, value in found))


class _Batches:
    """The batches of a search, as they are run."""

    told: Callable[[Sequence[Part], Sequence[float | None]], None] | None = None

    def __init__(self, settings: Settings, space: Space, compose: Compose, lakehouse: str, library: str | None) -> None:
        self.settings, self.space, self.compose, self.lakehouse = settings, space, compose, lakehouse
        self.library, self.options = library, dict[str, Any]()
        self.parts: list[Part] = []
        self.first: Job | None = None
        self.run_id = self.sweep_id = ""

    def evaluate(self, points: Sequence[Point]) -> list[float | None]:
        """Run a batch as one forest, and return the objective of each point."""
        jobs = self.compose(points, self.first is None)
        self._settle(jobs[0])
        part = run_part(jobs, self.lakehouse, sweep_id=self.sweep_id, **self.options)
        self.options["say"] = None  # the engine has been named
        self.parts.append(part)
        values = objectives(self.settings, part.sweep.runs)
        if self.told:
            self.told(self.parts, values)
        return values

    def _settle(self, job: Job) -> None:
        """Name the search by its first point; later see that this still is the same run."""
        if self.first is None:
            self.first, self.run_id = job, first_run_id(job, self.lakehouse)
            source = Lakehouse(Path(self.lakehouse))
            self.sweep_id = begin(self.settings, self.space, self.run_id, self.library, source)
        elif first_run_id(self.first, self.lakehouse) != self.run_id:
            raise StoreError(
                f"search {self.sweep_id[:12]}: the data that it reads have changed since it began, and what it was "
                "told is of the old ones; what was run is stored, and the same command searches on the new data"
            )

    def sweep(self) -> Sweep:
        """Return all batches as one sweep."""
        sweeps = [part.sweep for part in self.parts]
        members = [entry for part in self.parts for entry in part.entries]
        warned = [each for part in self.parts for each in part.warned]
        return Sweep(
            self.sweep_id,
            _together([it.outlook for it in sweeps]),
            tuple(run for it in sweeps for run in it.runs),
            sum(it.computed for it in sweeps),
            sum(it.leaf_computed for it in sweeps),
            sum(it.seconds for it in sweeps),
            sweep_notes(members, Lakehouse(Path(self.lakehouse)), warned),
            sweep_evidence(self.lakehouse, members),
        )


def _together(outlooks: Sequence[Outlook]) -> Outlook:
    """Return the sums of all numbers."""
    counts = [field.name for field in fields(Outlook) if field.name != "notes"]
    return Outlook(**{name: sum(getattr(it, name) for it in outlooks) for name in counts})
