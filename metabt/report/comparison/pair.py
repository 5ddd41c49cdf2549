"""Pair: two runs, their common streams and sleeves, worked out once for the sections of their page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from metabt.analysis.metrics.performance import performance
from metabt.errors import ConfigError
from metabt.report.comparison.common import Common, common, cut
from metabt.report.run import Run

if TYPE_CHECKING:
    from metabt.runs.input_differences import Difference

LETTERS = ("A", "B")
"""Names of the runs on the page."""


@dataclass(frozen=True)
class Pair:
    """Two different runs that share at least two sessions."""

    one: Run
    """The run that was named first: A."""
    other: Run
    """The run beside it: B."""
    differences: Sequence[Difference]
    """What differs between their inputs, from A to B."""
    untold: str = ""
    """Reason why `differences` are not known; empty where they are."""

    def __post_init__(self) -> None:
        """Check that the runs can be compared.

        Raises
        ------
        ConfigError
            If both are one run, or they share fewer than two sessions.
        """
        first, second = (str(run.row["run_id"])[:12] for run in self.runs)
        if self.one.row["run_id"] == self.other.row["run_id"]:
            raise ConfigError(f"both are run {first}, which has no other beside it; name two runs")
        if len(self.common.dates) < 2:
            spans = [f"{run.streams.dates[0]} to {run.streams.dates[-1]}" for run in self.runs]
            raise ConfigError(
                f"run {first} has sessions from {spans[0]}, run {second} from {spans[1]}: they share "
                f"{len(self.common.dates)}, and a comparison takes two or more; name runs of the same time"
            )

    @property
    def runs(self) -> tuple[Run, Run]:
        """Both runs, A first."""
        return self.one, self.other

    @property
    def labels(self) -> tuple[str, str]:
        """Names of their curves: the letter and the root's name."""
        first, second = (f"{letter} {run.label(run.root)}" for letter, run in zip(LETTERS, self.runs, strict=True))
        return first, second

    @cached_property
    def common(self) -> Common:
        """The roots' streams on the sessions that they share."""
        return common((self.one, self.one.root), (self.other, self.other.root))

    @cached_property
    def places(self) -> list[list[str]]:
        """Paths of the sleeves of each run without the root's name, in the order of its tree; the root's is empty."""
        return [[path[len(run.root) :] for path in run.paths] for run in self.runs]

    @cached_property
    def both(self) -> dict[str, Common]:
        """Place of each sleeve that both have -> its two streams on the sessions that they share."""
        found, others = {"": self.common}, set(self.places[1])
        for place in self.places[0]:
            if place and place in others:
                found[place] = common((self.one, self.one.root + place), (self.other, self.other.root + place))
        return found

    def metrics(self, place: str) -> list[dict[str, float]]:
        """Return a common sleeve's metrics: as stored where its sessions are the same, else on those it shares."""
        shared, paths = self.both[place], [run.root + place for run in self.runs]
        if shared.same:
            return [run.metrics.get(path, {}) for run, path in zip(self.runs, paths, strict=True)]
        if not len(shared.returns):
            return [{}, {}]
        cuts = [cut(run, path, shared) for run, path in zip(self.runs, paths, strict=True)]
        return [performance(it) for it in cuts]
