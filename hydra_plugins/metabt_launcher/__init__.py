"""metabt's launcher and sweeper for Hydra: a sweep is handed over whole, so that what its jobs share is computed once.

1. The sweeper lists the jobs as Hydra's basic one does, but leaves it to the launcher to compose them.
2. The launcher passes all jobs to the task in one call, with a function that composes one: the task's `forest`.
"""

# No `from __future__ import annotations`: Hydra runs this file before it is in sys.modules, where dataclasses would
# look the annotations up.
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class Forest(Protocol):
    """A task that takes many jobs at once."""

    def forest(self, batch: Sequence[Sequence[str]], load: Callable[[list[str]], DictConfig], /) -> Sequence[Any]:
        """Run every job, given as its overrides, and return an answer for each."""


@dataclass
class MetabtLauncherConf:
    """What `hydra/launcher=metabt` means."""

    _target_: str = "hydra_plugins.metabt_launcher.MetabtLauncher"


@dataclass
class MetabtSweeperConf(BasicSweeperConf):
    """What `hydra/sweeper=metabt` means; its settings are those of Hydra's basic sweeper."""

    _target_: str = "hydra_plugins.metabt_launcher.MetabtSweeper"


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


class MetabtSweeper(BasicSweeper):
    """List the jobs of a sweep."""

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Leave it to the launcher: composing each job takes longer than to run it, and one must not stop the rest."""


ConfigStore.instance().store(group="hydra/launcher", name="metabt", node=MetabtLauncherConf, provider="metabt")
ConfigStore.instance().store(group="hydra/sweeper", name="metabt", node=MetabtSweeperConf, provider="metabt")
