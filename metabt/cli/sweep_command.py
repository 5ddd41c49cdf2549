"""`metabt backtest -m`: run all configurations as one forest or, with another launcher, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from metabt.cli.printing import agreed, notice, print_notes, show
from metabt.errors import ConfigError, RunError

if TYPE_CHECKING:
    from metabt.config import Job
    from metabt.runs.swept import Outlook, Sweep, Swept


@dataclass
class SweepTask:
    """The configurations of one command line, run as they are handed over."""

    alone: Callable[..., str]
    """Runs one configuration by itself, as an asking states it, without progress where `quiet`."""
    command: tuple[str, ...]
    """Overrides of the command line."""
    lakehouse: str | None
    """Lakehouse of the command line; None is each configuration's own."""
    keep: str | None
    """`summary` or `all`: which tables of each run to store; None is the default."""
    quiet: bool
    """Show no progress and no hints."""
    dry_run: bool
    """Print what would be computed, and compute nothing."""
    force: bool = False
    """Run what is estimated to take more memory than there is."""
    done: list[Sweep] = field(default_factory=list)
    """Sweeps that have been run: one, or one for each batch of jobs of a sweeper."""

    def __call__(self, config: dict[str, Any]) -> None:
        """Run one configuration by itself."""
        if self.keep == "summary":
            raise ConfigError(
                "--keep summary needs hydra/launcher=metabt; with another launcher each job is a run of its own and "
                "keeps everything"
            )
        from metabt.config import job_overrides
        from metabt.lakehouse import Asking

        asking = Asking(job_overrides(), self.sweep_id)
        self.alone(placed(_on_one_thread(config), self.lakehouse), asking, quiet=self.quiet, force=self.force)

    @property
    def sweep_id(self) -> str:
        """Identity of the sweep: of the last batch of jobs, or, where each ran by itself, of the command."""
        from metabt.values.digests import digest

        return self.done[-1].sweep_id if self.done else digest(["sweep", *self.command])

    def forest(self, jobs: Sequence[Job]) -> Sequence[Swept | None]:
        """Run all configurations at once, print their ranking and return a result each, in their order."""
        ready = [job if job.config is None else replace(job, config=placed(job.config, self.lakehouse)) for job in jobs]
        lakehouse = one_lakehouse(ready)
        if self.dry_run:
            _print_forecast(ready, lakehouse)
            return [None] * len(jobs)
        swept = self._run(ready, lakehouse)
        self.done.append(swept)
        return swept.runs

    def _run(self, jobs: list[Job], lakehouse: str) -> Sweep:
        from metabt.cli.progress_bar import compilation_notice, progress_bar
        from metabt.cli.sweep_conclusion import conclusion
        from metabt.cli.sweep_ranking import forecast, ranking
        from metabt.lakehouse import attach
        from metabt.runs.made_elsewhere import made_elsewhere
        from metabt.runs.sweep import run_sweep

        def announce(outlook: Outlook) -> None:
            notice(forecast(outlook))
            if outlook.n_found < outlook.n_jobs:
                with attach(lakehouse, read_only=True) as connection:
                    if differs := made_elsewhere(connection):
                        notice(differs)

        with compilation_notice(shown=not self.quiet), progress_bar(shown=not self.quiet) as bar:
            heard = (None, None) if self.quiet else (announce, notice)
            told: dict[str, Any] = {"progress": bar, "announce": heard[0], "say": heard[1]}
            swept = run_sweep(jobs, lakehouse, keep=self.keep or "summary", force=self.force, **told)
        show(ranking(swept))
        print_notes(conclusion(swept, lakehouse))
        return swept

    def report_failures(self) -> None:
        """Raise if configurations failed, with their number.

        Raises
        ------
        RunError
            If any did.
        """
        from metabt.cli.sweep_ranking import failures

        said = failures([run for sweep in self.done for run in sweep.runs])
        if said:
            raise RunError(said)


def _on_one_thread(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration that walks on one thread unless it states more: its launcher runs others beside it."""
    local = config["local"]
    if local is None or local == {"threads": None}:
        return {**config, "local": {"threads": 1}}
    return config


def refuse_sweep_options(keep: str | None, dry_run: bool) -> None:
    """Raise ConfigError for an option that only a sweep has."""
    if dry_run:
        raise ConfigError("--dry-run is for sweeps: add -m; of one configuration `metabt plan` shows what it computes")
    if keep is not None:
        raise ConfigError(f"--keep {keep} is for sweeps: add -m; a run of its own keeps everything")


def placed(config: dict[str, Any], lakehouse: str | None) -> dict[str, Any]:
    """Return a configuration in the lakehouse that the command line names, if it names one.

    Raises
    ------
    StoreError
        If the configuration names another catalogue than its lakehouse has.
    """
    if lakehouse is not None:
        return {**config, "lakehouse": lakehouse, "catalog": None}
    agreed(config["lakehouse"], config["catalog"])
    return config


def one_lakehouse(jobs: Sequence[Job]) -> str:
    """Return the lakehouse that all configurations name; ConfigError where they name several."""
    places = sorted({job.config["lakehouse"] for job in jobs if job.config is not None})
    if len(places) > 1:
        raise ConfigError(
            f"a sweep runs in one lakehouse, its configurations name {', '.join(places)}; pass --lakehouse"
        )
    return str(places[0])


def _print_forecast(jobs: Sequence[Job], lakehouse: str) -> None:
    from metabt.cli.sweep_ranking import forecast
    from metabt.runs.plan_text import plan_lines
    from metabt.runs.sweep import outlook

    looked = outlook(jobs, lakehouse)
    show("\n".join([forecast(looked), *(line for notes in looked.notes for line in plan_lines(notes))]))
