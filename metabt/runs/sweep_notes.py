"""Sweep notes: what must be known of a ranking, over all of its configurations.

1. The periods that they cover, the settings that all of them share, and as of when they read the lakehouse.
2. The datasets that end configurations early, and how many.
3. The roots whose decisions fell back: counted where what was walked was assembled (metabt.analysis.run_facts), and in
   the tables of what was stored already.
4. The assets that were left out in the first configuration that keeps decisions of leaves and has any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from metabt.analysis.left_out import LeftOut
from metabt.analysis.run_facts import RunFacts, root_fell_back, root_span
from metabt.analysis.run_notes import EarlyEnd, FellBack, Warned, early_end
from metabt.lakehouse.price_source import Lakehouse, wanted
from metabt.portfolio.sleeve import Sleeve
from metabt.runs.request import Request
from metabt.runs.stored_notes import told_settings

if TYPE_CHECKING:
    from metabt.config import Job


class Member(Protocol):
    """One configuration of a sweep."""

    job: Job
    """The configuration."""
    asked: Request | None
    """Its request; None where it cannot run."""
    source: Lakehouse | None
    """The lakehouse as it reads it; None where it cannot run."""
    error: str | None
    """Why it failed; None where it did not."""
    found: bool
    """Whether it was stored before."""
    facts: RunFacts | None
    """What is told of it, where it was walked."""

    @property
    def run_id(self) -> str:
        """Its identity."""


@dataclass(frozen=True)
class SweepNotes:
    """What must be known of the configurations of a sweep that did not fail."""

    n_runs: int
    """Their number."""
    firsts: tuple[np.datetime64, ...] = ()
    """Earliest and latest first session of their roots' streams; empty where all failed."""
    lasts: tuple[np.datetime64, ...] = ()
    """Earliest and latest last session."""
    shared: tuple[str, ...] = ()
    """Overrides that all have with the same value."""
    early_ends: tuple[tuple[EarlyEnd, int], ...] = ()
    """What ends some of them early, with their number, the most frequent first."""
    fell_back: tuple[FellBack, ...] = ()
    """Roots with decisions that fell back; the path is the run's identity."""
    left_out: tuple[LeftOut, ...] = ()
    """Assets that were ineligible at most decisions, in one configuration."""
    warned: tuple[Warned, ...] = ()
    """Warnings of foreign code."""
    as_of: tuple[str, ...] = ()
    """The snapshots of the past that some of them read, each once; empty where all read what there is now."""


def sweep_notes(members: Sequence[Member], source: Lakehouse, warned: Sequence[Warned] = ()) -> SweepNotes:
    """Return what must be known of a sweep's ranking, before it is committed."""
    done = [member for member in members if member.error is None]
    found = [member.run_id for member in done if member.found]
    walked = [(member.run_id, member.facts) for member in done if member.facts]
    periods = [(facts.first, facts.last) for _, facts in walked] + _stored_periods(source, found, done)
    firsts, lasts = ([each[side] for each in periods] for side in (0, 1))
    fallen = [each for run_id, facts in walked for each in _named(run_id, facts.fell_back)]
    fallen += _stored_fallen(source, found, done)
    ends = Counter(filter(None, map(_early_end, done)))
    return SweepNotes(
        len(done),
        (min(firsts), max(firsts)) if firsts else (),
        (min(lasts), max(lasts)) if lasts else (),
        _shared(done),
        tuple(ends.most_common()),
        tuple(sorted(fallen, key=lambda it: (-it.times / it.of, -it.times, it.path))),
        next((facts.left_out for _, facts in walked if facts.left_out), ()),
        tuple(warned),
        tuple(dict.fromkeys(str(member.source.as_of) for member in done if member.source and member.source.as_of)),
    )


def _early_end(member: Member) -> EarlyEnd | None:
    asked = member.asked
    assert asked is not None  # it did not fail
    return early_end({name: asked.datasets[name] for name in wanted([asked.tree])}, asked.end)


def _named(run_id: str, fallen: Iterable[FellBack]) -> list[FellBack]:
    return [replace(each, path=run_id) for each in fallen]


def _stored_periods(
    source: Lakehouse, run_ids: Sequence[str], members: Iterable[Member]
) -> list[tuple[np.datetime64, np.datetime64]]:
    from metabt.lakehouse import load_tables

    roots, found = _roots(members), []
    for run_id, table in load_tables(source.connection, run_ids, "returns"):
        found.append(root_span(roots[run_id].name, table))
    return found


def _stored_fallen(source: Lakehouse, run_ids: Sequence[str], members: Iterable[Member]) -> list[FellBack]:
    from metabt.lakehouse import load_tables

    roots, found = _roots(members), list[FellBack]()
    for run_id, table in load_tables(source.connection, run_ids, "decisions"):
        found += _named(run_id, root_fell_back(roots[run_id], table))
    return found


def _roots(members: Iterable[Member]) -> dict[str, Sleeve]:
    return {member.run_id: member.asked.tree for member in members if member.asked}


def _shared(members: Sequence[Member]) -> tuple[str, ...]:
    lists = [told_settings(member.job.overrides) for member in members]
    return tuple(text for text in lists[0] if all(text in others for others in lists[1:])) if lists else ()
