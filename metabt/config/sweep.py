"""Run one task for each combination of a sweep: Hydra's `--multirun`, whatever launcher is chosen.

1. Check every job of a basic sweep before the first one runs.
2. Hand the sweep to Hydra, with edits of the tree encoded so that it carries them to the jobs unread.
3. In each job, finish the configuration from what Hydra composed and the edits it carried.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.initialize import get_gh_backup, restore_gh_from_backup
from omegaconf import DictConfig, OmegaConf

from metabt.config.composition import check_hydra, compose, explained, finish
from metabt.config.overrides import CARRIER, decode, encode, parse, split
from metabt.config.search import PRIMARY, conf_dirs, load, prepare, search_path


def sweep(
    task: Callable[[dict[str, Any]], None], overrides: list[str], *, config_dir: str | Path | None = None
) -> None:
    """Call `task` with the composed configuration of every job.

    Parameters
    ----------
    task : callable
        Takes what `compose` returns. It runs in this process with Hydra's basic launcher.
    overrides : list of str
        As for `compose`; a value may be a sweep, ``portfolio.lookback=63,126``.
    config_dir : path, optional
        As for `compose`.

    Raises
    ------
    ConfigError
        If any job cannot be composed; then no job has run.
    MetabtError
        What the first failing job raised, after all jobs had their turn.
    """
    dirs = conf_dirs(config_dir)
    with explained(dirs):
        for_hydra, tree_edits = split(overrides, dirs)
        _check_jobs(overrides, config_dir)
        check_hydra(
            OmegaConf.to_container(load(dirs, [t for t in for_hydra if t.startswith("hydra")]).hydra, resolve=False)
        )
    _run_jobs(lambda config: task(_job(config)), [*for_hydra, *map(encode, tree_edits)], dirs)


def _check_jobs(overrides: list[str], config_dir: str | Path | None) -> None:
    """Compose every job once; a sweep that another sweeper samples cannot be listed beforehand."""
    parsed = [parse(text) for text in overrides if not text.startswith("hydra")]
    if any(p.is_sweep_override() and not p.is_discrete_sweep() for p in parsed):
        return
    for job in BasicSweeper.split_arguments(parsed, None)[0]:
        compose(list(job), config_dir=config_dir)


def _run_jobs(task: Callable[[DictConfig], None], overrides: list[str], dirs: tuple[Path, ...]) -> None:
    """Do what `hydra.main` does, without its handling of sys.argv and of errors."""
    prepare()
    backup = get_gh_backup()
    GlobalHydra.instance().clear()
    with TemporaryDirectory(prefix="metabt-sweep-") as record:  # Hydra writes there; the runs are in the lakehouse
        try:
            hydra = Hydra.create_main_hydra2("metabt", search_path(dirs))
            hydra.multirun(PRIMARY, task, [f"hydra.sweep.dir='{record}'", *overrides])
        finally:
            restore_gh_from_backup(backup)


def _job(composed: DictConfig) -> dict[str, Any]:
    hydra = HydraConfig.get()
    carried = [decode(text) for text in hydra.overrides.task if text.startswith(CARRIER)]
    OmegaConf.set_struct(composed, False)
    composed.pop(CARRIER.strip("+."), None)
    return finish(composed, cast(DictConfig, hydra), carried)
