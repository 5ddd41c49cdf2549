"""Run a sweep: Hydra's `--multirun`, all jobs at once or, where another launcher is named, each by itself.

1. Check what concerns the sweep as a whole: its grammar, its names, its files.
2. Hand the sweep to Hydra, with edits of the tree encoded so that it carries them to the jobs unread.
3. metabt's launcher gives all jobs back: compose them and call the task's `forest` once.
4. Any other launcher gives one job at a time, perhaps in another process: compose it and call the task. Its jobs are
   all composed once beforehand, so that a mistake shows before the first of them has run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.initialize import get_gh_backup, restore_gh_from_backup
from hydra.types import RunMode
from omegaconf import DictConfig

from metabt.config.composition import draft, explained, finish
from metabt.config.files import PRIMARY, conf_dirs
from metabt.config.grid import count, grid
from metabt.config.hydra_settings import CHOICES
from metabt.config.jobs import Job, compose_jobs
from metabt.config.overrides import CARRIER, decode, encode, is_edit, parse, split
from metabt.config.search import load, loader, options, prepare
from metabt.config.searches.optuna_sweeper import NAME, refuse_optuna_sweeper, said_instead
from metabt.errors import ConfigError
from metabt.values.held_folders import SWEEP, held
from metabt.values.limits import JOBS

OWN_LAUNCHER = "hydra_plugins.metabt_launcher.MetabtLauncher"
"""Name of the launcher that runs all jobs at once."""

RAY_LAUNCHER = CHOICES["hydra/launcher"]["ray"]
"""Name of hydra-ray-launcher's."""
SHARE = "object_store_memory"
"""What hydra-ray-launcher 1.2 states where nobody does, and a cluster that runs refuses to be told."""


class Task(Protocol):
    """Runs configurations, one or all at once. It must pickle: some launchers start processes."""

    def __call__(self, config: dict[str, Any], /) -> Any:
        """Run one configuration by itself."""

    def forest(self, jobs: Sequence[Job], /) -> Sequence[Any]:
        """Run all configurations at once; return a result each, in their order."""


def sweep(task: Task, overrides: list[str], *, config_dir: str | Path | None = None, at_once: bool = False) -> None:
    """Run `task` for every job of a sweep.

    Parameters
    ----------
    task : Task
        Its `forest` is called with metabt's launcher, itself with any other.
    overrides : list of str
        As for `compose`; a value may be a sweep, ``portfolio.lookback=63,126``.
    config_dir : path, optional
        As for `compose`.
    at_once : bool
        Use metabt's launcher whatever the overrides and files say.

    Raises
    ------
    ConfigError
        If no job can be composed, or with another launcher any job cannot; then no job has run.
    MetabtError
        What the task raised; with another launcher what the first failing job raised, after all had their turn.
    """
    dirs = conf_dirs(config_dir)
    refuse_optuna_sweeper(overrides)
    with explained(dirs):
        split(overrides, dirs)
        if at_once:
            overrides = [*(text for text in overrides if not _is_launcher(text)), "hydra/launcher=metabt"]
        carried = [encode(text) if is_edit(text) else text for text in overrides]
        hydra = load(dirs, carried, RunMode.MULTIRUN).hydra
        if hydra.sweeper._target_ == CHOICES["hydra/sweeper"][NAME]:
            raise ConfigError(f"hydra/sweeper={NAME} {said_instead(overrides)}")
        stated = [f"{key}={value}" for key, value in (hydra.sweeper.get("params") or {}).items()]
        JOBS.check("the sweep", count(map(parse, [*stated, *overrides])))
        _check_values(carried, dirs)
        if hydra.launcher._target_ == RAY_LAUNCHER and SHARE not in hydra.launcher.ray.init:
            carried.append(f"+hydra.launcher.ray.init.{SHARE}=null")
        if hydra.launcher._target_ != OWN_LAUNCHER:
            _check_jobs(carried, dirs)
    _run_jobs(_Carried(task, dirs), carried, dirs)


@dataclass(frozen=True)
class _Carried:
    """A task as Hydra's launchers call it: takes what they composed, applies the edits that it carries, runs it."""

    task: Task
    dirs: tuple[Path, ...]

    def __call__(self, composed: DictConfig) -> Any:
        hydra = HydraConfig.get()
        texts = [decode(text) for text in hydra.overrides.task if text.startswith(CARRIER)]
        with explained(self.dirs):
            config = finish(draft(composed, cast(DictConfig, hydra)), texts)
        return self.task(config)

    def forest(self, batch: Sequence[Sequence[str]], load_job: Callable[[list[str]], DictConfig]) -> Sequence[Any]:
        return self.task.forest(compose_jobs(batch, load_job, self.dirs))


def _is_launcher(text: str) -> bool:
    return text.lstrip("+~").startswith(("hydra/launcher", "hydra.launcher"))


def _check_values(overrides: list[str], dirs: tuple[Path, ...]) -> None:
    """Raise ConfigError for a sweep over nothing: a glob that no file matches, an empty range."""
    for override in OverridesParser.create(loader(dirs)).parse_overrides(overrides):
        if override.is_discrete_sweep() and next(override.sweep_string_iterator(), None) is None:
            names = options(dirs, override.key_or_group)
            known = f"; there are {', '.join(names)}" if names else ""
            text = decode(str(override.input_line))
            raise ConfigError(f"'{text}' stands for no value, so there is nothing to run{known}")


def _check_jobs(overrides: list[str], dirs: tuple[Path, ...]) -> None:
    """Compose every job once, so that a mistake shows before any has run; jobs of another sweeper are not known yet."""
    parsed = OverridesParser.create(loader(dirs)).parse_overrides(overrides)
    swept = [override for override in parsed if not override.is_hydra_override()]
    if any(override.is_sweep_override() and not override.is_discrete_sweep() for override in swept):
        return
    own = [text for text, override in zip(overrides, parsed, strict=True) if override.is_hydra_override()]
    for job in compose_jobs(grid(swept), lambda texts: load(dirs, [*own, *texts]), dirs):
        if job.error is not None:
            raise ConfigError(job.error)


def _run_jobs(task: _Carried, overrides: list[str], dirs: tuple[Path, ...]) -> None:
    """Run Hydra's multirun as `hydra.main` does, but take `overrides` for sys.argv, and let errors through."""
    prepare()
    backup = get_gh_backup()
    GlobalHydra.instance().clear()
    with held(SWEEP) as record:  # Hydra writes there; the runs are in the lakehouse
        own = f"hydra.sweep.dir='{record}'"
        try:
            hydra = Hydra(task_name="metabt", config_loader=loader(dirs, own))
            GlobalHydra.instance().initialize(hydra)
            hydra.multirun(PRIMARY, task, [own, *overrides])
        except HydraException as error:
            raise ConfigError(f"configuration: {str(error).splitlines()[0]}") from None
        finally:
            restore_gh_from_backup(backup)
