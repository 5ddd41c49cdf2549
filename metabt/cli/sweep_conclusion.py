"""Conclusion: what was swept, and what must be known of the ranking above it, in at most six lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metabt.analysis.note_lines import ended_early, ineligible, listed, warnings
from metabt.analysis.run_notes import FellBack
from metabt.values.ranges import plural

if TYPE_CHECKING:
    import numpy as np

    from metabt.runs.sweep_notes import SweepNotes
    from metabt.runs.swept import Sweep

_DATASET = "other dataset"


def conclusion(sweep: Sweep, lakehouse: str) -> list[str]:
    """Return what a sweep has computed, how long it took, and what must be known of its ranking."""
    notes = sweep.notes
    return [
        f"sweep {sweep.sweep_id[:12]} of {plural(len(sweep.runs), 'configuration')}: "
        f"{plural(sweep.computed, 'block')} computed, {sweep.seconds:.1f} s in {lakehouse}{_period(notes)}",
        *([f"all of them with {listed(notes.shared)}"] if notes.shared else []),
        *([f"data as of {listed(notes.as_of, 'snapshot', '; ')}"] if notes.as_of else []),
        *_ends(notes),
        *([_fallen(notes.fell_back, notes.n_runs)] if notes.fell_back else []),
        *([ineligible(notes.left_out)] if notes.left_out else []),
        *([warnings(notes.warned)] if notes.warned else []),
    ]


def _period(notes: SweepNotes) -> str:
    return f"; {_dates(notes.firsts)} to {_dates(notes.lasts)}" if notes.firsts else ""


def _dates(ends: Sequence[np.datetime64]) -> str:
    return str(ends[0]) if ends[0] == ends[1] else f"({ends[0]} ... {ends[1]})"


def _ends(notes: SweepNotes) -> list[str]:
    if not notes.early_ends:
        return []
    end, times = notes.early_ends[0]
    which = "" if times == notes.n_runs else f"{times} of {notes.n_runs}: "
    more = len(notes.early_ends) - 1
    return [f"{which}{ended_early(end)}{f'; others end early with {plural(more, _DATASET)}' if more else ''}"]


def _fallen(found: Sequence[FellBack], n_runs: int) -> str:
    told = [f"{it.path[:12]} {it.times} of {it.of} to {' and '.join(it.methods)} ({it.why})" for it in found]
    return f"roots of {len(found)} of {n_runs} fell back: {listed(told, 'run', '; ')}"
