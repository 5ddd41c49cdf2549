"""Compose all jobs of a sweep, with one Hydra composition for all that differ only in edits of the tree.

1. Sort a job's overrides: groups and settings are Hydra's, `portfolio.*` are edits.
2. Let Hydra compose each distinct choice of groups and settings once.
3. Apply a job's edits to a copy of those plain values, resolve and check.
4. A job that cannot be composed keeps its error and the others go on; if none can, the sweep itself is at fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from metabt.config.composition import draft, explained, finish
from metabt.config.overrides import decode, is_edit
from metabt.errors import ConfigError

Draft = Callable[[tuple[str, ...]], dict[str, Any] | str]
"""Overrides of groups and settings -> the draft they compose to, or why they do not."""


@dataclass(frozen=True)
class Job:
    """One configuration of a sweep."""

    overrides: tuple[str, ...]
    """The overrides of the command line that make this configuration by itself."""
    config: dict[str, Any] | None
    """What `compose` returns for these overrides; None if they cannot be composed."""
    error: str | None
    """Why they cannot be composed."""


def compose_jobs(
    batch: Sequence[Sequence[str]],
    load: Callable[[list[str]], DictConfig],
    dirs: tuple[Path, ...],
    *,
    strict: bool = True,
) -> list[Job]:
    """Compose every job of a sweep.

    Parameters
    ----------
    batch : (n_jobs,) overrides of each job, edits encoded or not
    load : callable
        Lets Hydra compose a job's groups and settings.
    dirs : folders of configuration files, to be named in errors
    strict : whether it is an error that no job can be composed

    Raises
    ------
    ConfigError
        If no job can be composed, and `strict`.
    """

    @cache
    def drafted(texts: tuple[str, ...]) -> dict[str, Any] | str:
        try:
            with explained(dirs):
                return draft(load(list(texts)))
        except ConfigError as error:
            return str(error)

    jobs = [_compose(tuple(map(decode, overrides)), drafted, dirs) for overrides in batch]
    errors = [job.error for job in jobs if job.error is not None]
    if strict and errors and len(errors) == len(jobs):
        others = f"; nor can any other of the {len(jobs)} configurations be composed" if len(set(errors)) > 1 else ""
        raise ConfigError(f"{errors[0]}{others}")
    return jobs


def _compose(overrides: tuple[str, ...], drafted: Draft, dirs: tuple[Path, ...]) -> Job:
    plain = drafted(tuple(text for text in overrides if not is_edit(text)))
    if isinstance(plain, str):
        return Job(overrides, None, plain)
    try:
        with explained(dirs):
            return Job(overrides, finish(deepcopy(plain), list(filter(is_edit, overrides))), None)
    except ConfigError as error:
        return Job(overrides, None, str(error))
