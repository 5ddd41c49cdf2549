"""`metabt backtest -m --experiments FILE`: run whole configurations that a file lists, as one forest."""

from __future__ import annotations

from collections.abc import Sequence

from metabt.cli.sweep_command import SweepTask
from metabt.errors import ConfigError


def run_experiments(task: SweepTask, file: str, overrides: Sequence[str], config_dir: str | None) -> None:
    """Run the entries of a file, each combined with the overrides of the command line, and print their ranking."""
    from metabt.config import read_experiments

    for text in overrides:
        if text.lstrip("+~").startswith("sweep."):
            raise ConfigError(f"--experiments lists what to run, and '{text}' is of a search; leave one of them out")
        if text.lstrip("+~").startswith("hydra/"):
            raise ConfigError(f"--experiments runs all entries as one forest, which '{text}' cannot; leave it out")
    task.forest(read_experiments(file, overrides, config_dir=config_dir))


def refuse_experiments(file: str | None) -> None:
    """Raise ConfigError for a file of experiments where one configuration is run."""
    if file is not None:
        raise ConfigError(f"--experiments {file} is for sweeps: add -m")
