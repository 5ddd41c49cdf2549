"""The result of `metabt.sweep`: its configurations as a frame, the best of them, and how much of it is luck."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from metabt.errors import RunError
from metabt.search.objectives import direction_of
from metabt.values.frames import frame_of_rows
from metabt.values.overrides import are_numbers, differing, short_names, stated

if TYPE_CHECKING:
    import pandas as pd

    from metabt.lakehouse.evidence import Evidence
    from metabt.luck.verdict import Luck
    from metabt.runs.swept import Swept

SHOWN = 30
"""Configurations that a notebook shows."""
LUCK = "p_luck"
"""Column of how likely a configuration is luck."""
FACTS = ("status", "error", "run_id")
"""Columns of a configuration beside its settings and metrics."""


@dataclass(frozen=True, repr=False)
class SweepResult:
    """Many configurations of one tree; `metabt.sweep` makes it."""

    runs: tuple[Swept, ...]
    """The configurations, in the order in which they were asked for: `overrides`, `status`, `error`, `metrics`."""
    objective: str
    """The metric by which one of them is the best."""
    direction: str | None
    """`maximize` or `minimize`; None is as the metric is better."""
    sweep_id: str | None
    """Its identity in the lakehouse; None where prices were in memory."""
    edited: Callable[[Iterable[str]], dict[Any, Any]] = field(compare=False)
    """Returns the tree that overrides make."""

    evidence: Evidence = field(compare=False, repr=False)
    """How much of it is luck, as `luck` has it, with what is counted and what is not: `evidence.lines()` says it."""

    @property
    def luck(self) -> Luck | None:
        """How much of it is luck: of each trial of the family and of all together; None where nothing can be said.

        In a lakehouse the family is everything that was ever tried on the same data, over prices in memory what this
        sweep has tried.
        """
        return self.evidence.luck

    def __repr__(self) -> str:
        failed = sum(run.status != "ok" for run in self.runs)
        name = f"{self.sweep_id[:12]}, " if self.sweep_id else ""
        known = [self.runs[place].metrics[self.objective] for place in self._ranked[:1]]
        best = "".join(f"; best {self.objective} {value:.4g}" for value in known)
        return f"SweepResult({name}{len(self.runs):,} configurations, {failed:,} failed{best})"

    def _repr_html_(self) -> str:
        return str(self.table.loc[self._ranked[:SHOWN]].to_html())

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row for each configuration, in the order in which they were asked for.

        Columns: the settings in which they differ, under the shortest names that tell them apart; `status`, `error` and
        `run_id`; `p_luck`, how likely it is luck; then every metric of the root, float64, NaN where there is none.
        """
        settings = [stated(run.overrides) for run in self.runs]
        metrics = list(dict.fromkeys(name for run in self.runs for name in run.metrics))
        names = short_names(differing(settings), {*FACTS, LUCK, *metrics})
        columns = [_typed([own.get(key) for own in settings]) for key in names]
        columns += [[getattr(run, name) for run in self.runs] for name in FACTS]
        columns.append([self.evidence.of(run.run_id)[LUCK] for run in self.runs])
        columns += [[run.metrics.get(name, math.nan) for run in self.runs] for name in metrics]
        return frame_of_rows([*names.values(), *FACTS, LUCK, *metrics], zip(*columns, strict=True))

    @property
    def best(self) -> Swept:
        """The configuration with the best objective, the first of equals.

        Raises
        ------
        RunError
            If none has one.
        """
        if not self._ranked:
            raise RunError(f"none of {len(self.runs)} configurations has a {self.objective}; `table` has their errors")
        return self.runs[self._ranked[0]]

    def tree(self, run: Swept | None = None) -> dict[Any, Any]:
        """Return the tree of a configuration, as `metabt.backtest` takes it.

        Parameters
        ----------
        run : Swept, optional
            One of `runs`; None is the best.

        Returns
        -------
        dict
        """
        return self.edited((run or self.best).overrides)

    @cached_property
    def _ranked(self) -> list[int]:
        """Places of those that have an objective, the best first."""
        sign = 1.0 if (self.direction or direction_of(self.objective)) == "maximize" else -1.0
        values = [run.metrics.get(self.objective, math.nan) for run in self.runs]
        known = [place for place, value in enumerate(values) if math.isfinite(value)]
        return sorted(known, key=lambda place: -sign * values[place])


def _typed(texts: Sequence[str | None]) -> list[Any]:
    """Return settings as numbers where all of them are, and as texts where not."""
    stated = [text for text in texts if text is not None]
    if len(stated) < len(texts) or not are_numbers(stated):
        return list(texts)
    whole = all(text.lstrip("+-").isdecimal() for text in stated)
    return [int(text) if whole else float(text) for text in stated]
