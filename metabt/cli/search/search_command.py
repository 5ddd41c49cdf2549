"""`metabt backtest -m sweep.sampler=NAME`: search instead of running every combination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from metabt.cli.printing import notice, print_notes, show
from metabt.cli.search.search_text import intention, outcome, reached
from metabt.cli.sweep_command import SweepTask, one_lakehouse, placed
from metabt.errors import ConfigError

if TYPE_CHECKING:
    from metabt.config import Job, Searching
    from metabt.runs.sweep import Part
    from metabt.search.space import Point


def run_search(task: SweepTask, stated: Searching) -> None:
    """Search as a command line says, print the ranking by the objective, and keep the result with the task."""
    from metabt.search.sampler import sampler_of

    settings, space = stated.settings, stated.space
    if not task.quiet:
        notice(intention(settings, len(space)))
    points = sampler_of(settings, space).ask(min(settings.batch, settings.n))
    jobs = _placed(stated.compose(points), task.lakehouse)
    lakehouse = one_lakehouse(jobs)
    if task.dry_run:
        return _print_first_batch(task, jobs)

    def compose(points: Sequence[Point], strict: bool) -> list[Job]:
        composed = _placed(stated.compose(points, strict), task.lakehouse)
        _check_place(composed, lakehouse)
        return composed

    _run(task, stated, compose, lakehouse)


def _run(task: SweepTask, stated: Searching, compose: Any, lakehouse: str) -> None:
    from metabt.cli.progress_bar import compilation_notice, progress_bar
    from metabt.cli.sweep_conclusion import conclusion
    from metabt.cli.sweep_ranking import ranking
    from metabt.runs.search.searching import run_search

    settings, values = stated.settings, list[float | None]()

    def told(parts: Sequence[Part], last: Sequence[float | None]) -> None:
        values.extend(last)
        notice(reached(settings, [run for part in parts for run in part.sweep.runs], values))

    heard = (None, None) if task.quiet else (notice, told)
    with compilation_notice(shown=not task.quiet), progress_bar(shown=not task.quiet) as bar:
        options: dict[str, Any] = {"progress": bar, "say": heard[0], "told": heard[1]}
        searched = run_search(
            settings, stated.space, compose, lakehouse, keep=task.keep or "summary", force=task.force, **options
        )
    task.done.append(searched.sweep)
    show(ranking(searched.sweep, settings.objective, settings.sign))
    print_notes([*conclusion(searched.sweep, lakehouse), *outcome(searched)])


def _placed(jobs: Sequence[Job], lakehouse: str | None) -> list[Job]:
    return [job if job.config is None else replace(job, config=placed(job.config, lakehouse)) for job in jobs]


def _check_place(jobs: Sequence[Job], lakehouse: str) -> None:
    others = sorted({job.config["lakehouse"] for job in jobs if job.config is not None} - {lakehouse})
    if others:
        raise ConfigError(f"a search runs in one lakehouse, {lakehouse}, and a point names {others[0]}; fix the key")


def _print_first_batch(task: SweepTask, jobs: Sequence[Job]) -> None:
    task.forest(jobs)
    show("of the first batch; what is asked for after it depends on what it is worth")
