"""Texts about a search: after each batch how far it is, at its end what the best is and what had no objective."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metabt.search.settings import Settings
from metabt.values.overrides import differing, short_names, stated

if TYPE_CHECKING:
    from metabt.runs.search.searching import Searched
    from metabt.runs.swept import Swept

VERBS = {"maximize": "maximizes", "minimize": "minimizes"}


def intention(settings: Settings, space_size: int) -> str:
    """Return the text that says what is going to be searched, and how."""
    keys = f"{space_size} key{'s' * (space_size != 1)}"
    return (
        f"search over {keys}: {settings.n} points by {settings.sampler}, {settings.batch} at once, seed "
        f"{settings.seed}; {VERBS[settings.direction]} {settings.objective}"
    )


def reached(settings: Settings, runs: Sequence[Swept], values: Sequence[float | None]) -> str:
    """Return how far a search is, and the best objective so far."""
    found = sum(run.found for run in runs)
    known = [value for value in values if value is not None]
    best = max(known, key=lambda it: settings.sign * it, default=None)
    told = "none has one yet" if best is None else f"best so far {best:.4g}"
    return f"{len(runs)} of {settings.n} points, {found} of them found; {settings.objective}: {told}"


def outcome(searched: Searched) -> list[str]:
    """Return what the best point is, and which points had no objective."""
    settings, best, without = searched.settings, searched.best, _lacking(searched)
    notes = []
    if best is not None:
        names = short_names(differing([stated(run.overrides) for run in searched.sweep.runs]))
        own = stated(best.overrides)
        which = ", ".join(f"{name} {own[key]}" for key, name in names.items() if key in own)
        notes.append(
            f"{settings.sampler} with seed {settings.seed} {VERBS[settings.direction]} {settings.objective}: best of "
            f"{len(searched.values)} is {best.metrics[settings.objective]:.4g}, run {best.run_id[:12]}"
            + f" ({which})"
            * bool(which)
        )
    return [*notes, *([without] if without else [])]


def _lacking(searched: Searched) -> str | None:
    runs = [run for run, value in zip(searched.sweep.runs, searched.values, strict=True) if value is None]
    if not runs:
        return None
    failed = sum(run.status == "failed" for run in runs)
    undefined = len(runs) - failed
    parts = [f"{failed} failed"] * bool(failed) + [f"of {undefined} it is undefined"] * bool(undefined)
    return (
        f"{len(runs)} of {len(searched.values)} points have no {searched.settings.objective} ({', '.join(parts)}): the "
        "sampler was told that they failed"
    )
