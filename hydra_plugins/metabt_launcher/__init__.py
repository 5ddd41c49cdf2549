"""metabt's launcher and sweeper for Hydra: a sweep is handed over whole, so that what its jobs share is computed once.

1. The sweeper lists the jobs as Hydra's basic one does, but leaves it to the launcher to compose them.
2. The launcher passes all jobs to the task in one call, with a function that composes one: the task's `forest`.
"""

# No `from __future__ import annotations`: Hydra runs this file before it is in sys.modules, where dataclasses would
# look the annotations up.
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from metabt.config.grid import grid


class Forest(Protocol):
    """A task that takes many jobs at once."""

    def forest(self, batch: Sequence[Sequence[str]], load: Callable[[list[str]], DictConfig], /) -> Sequence[Any]:
        """Run every job, given as its overrides, and return an answer for each."""


@dataclass
class MetabtLauncherConf:
    """What `hydra/launcher=metabt` means."""

    _target_: str = "hydra_plugins.metabt_launcher.MetabtLauncher"


@dataclass
class MetabtSweeperConf:
    """What `hydra/sweeper=metabt` means; its settings are those of Hydra's basic sweeper."""

    _target_: str = "hydra_plugins.metabt_launcher.MetabtSweeper"
    max_batch_size: int | None = None
    """Jobs that are handed to the launcher at once; all by default."""
    params: dict[str, str] | None = None
    """Overrides of every sweep, which those of the command line replace."""


class MetabtLauncher(Launcher):
    """Launch all jobs of a sweep in one call."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives a launcher.

        Raises
        ------
        HydraException
            If the task can only run one job at a time.
        """
        if not hasattr(task_function, "forest"):
            raise HydraException("hydra/launcher=metabt launches metabt's sweeps only; choose hydra/launcher=basic")
        self._task = cast(Forest, task_function)
        self._load = partial(hydra_context.config_loader.load_sweep_config, config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Return what became of each job."""
        setup_globals()
        answers = self._task.forest(job_overrides, self._load)
        return [
            JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED, _return_value=answer)
            for overrides, answer in zip(job_overrides, answers, strict=True)
        ]


class MetabtSweeper(Sweeper):
    """List the jobs of a sweep.

    Composing them is left to the launcher: it takes longer than to run them, and one that cannot be composed must not
    stop the others.
    """

    def __init__(self, max_batch_size: int | None = None, params: Mapping[str, str] | None = None) -> None:
        if max_batch_size is not None and max_batch_size < 1:
            raise HydraException(f"hydra.sweeper.max_batch_size is {max_batch_size}, wanted at least 1")
        self._size, self._params = max_batch_size, dict(params or {})

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives a sweeper."""
        self._parser = OverridesParser.create(config_loader=hydra_context.config_loader)
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Launch all jobs, a batch after another, and return what became of them; raise what the first failure was."""
        stated = [f"{key}={value}" for key, value in self._params.items()]
        jobs = grid(self._parser.parse_overrides([*stated, *arguments]))
        launched = []
        for first in range(0, len(jobs), size := self._size or len(jobs)):
            launched.append(self._launcher.launch(jobs[first : first + size], initial_job_idx=first))
            for job in launched[-1]:
                _ = job.return_value  # raises what the job has raised
        return launched


ConfigStore.instance().store(group="hydra/launcher", name="metabt", node=MetabtLauncherConf, provider="metabt")
ConfigStore.instance().store(group="hydra/sweeper", name="metabt", node=MetabtSweeperConf, provider="metabt")
