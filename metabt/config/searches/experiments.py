"""Experiments: whole configurations, listed in a file, each a job; with them values of several keys go in pairs.

1. The file is a list. An entry is a list of overrides, `[portfolio.lookback=63, portfolio.optimizer=erc]`, or a mapping
   of keys to values, `{portfolio.lookback: 63, portfolio.optimizer: erc}`.
2. An entry is combined with the overrides of the command line, which come after it: where both set a key, the command
   line decides. Where the command line states several values, every combination with every entry is a job.
3. A mistake is told with the file and the number of the entry, before anything runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from metabt.config.composition import explained
from metabt.config.documents import read
from metabt.config.files import conf_dirs
from metabt.config.grid import grid
from metabt.config.jobs import Job, compose_jobs
from metabt.config.overrides import decode, encode, is_edit, is_of_search, parse, split
from metabt.config.search import load, loader, prepare
from metabt.config.searches.spelling import spelled
from metabt.errors import ConfigError
from metabt.values.arguments import shown
from metabt.values.limits import JOBS

WANTED = (
    "wanted a list of overrides, [portfolio.lookback=63, portfolio.optimizer=erc], or a mapping, "
    "{portfolio.lookback: 63, portfolio.optimizer: erc}"
)


def read_experiments(file: str | Path, overrides: Sequence[str], *, config_dir: str | Path | None = None) -> list[Job]:
    """Return the jobs of a file's entries, in their order, combined with the overrides of the command line.

    Raises
    ------
    ConfigError
        For a file that is no list, an entry that is empty, sets what there is not, states several values or is there
        twice; or where no job can be composed.
    """
    dirs, path = conf_dirs(config_dir), Path(file)
    with explained(dirs):
        split(list(overrides), dirs)
        entries = [_entry(f"{path}, entry {number}", it, dirs) for number, it in enumerate(_listed(path), start=1)]
        prepare()
        parser = OverridesParser.create(loader(dirs))
        command = parser.parse_overrides(_carried([text for text in overrides if not _is_hydras(text)]))
        hydras = [text for text in overrides if _is_hydras(text)]
        batches = [grid([*parser.parse_overrides(_carried(entry)), *command]) for entry in entries]
        batch = [job for jobs in batches for job in jobs]
        JOBS.check(f"{path} with the command line", len(batch))
        _refuse_repeated(path, batches)
    return compose_jobs(batch, lambda texts: load(dirs, [*hydras, *texts]), dirs)


def _listed(path: Path) -> list[Any]:
    found = read(path, is_list=True)
    if not isinstance(found, list) or not found:
        what = "is empty" if not found else f"holds {shown(found)}"
        raise ConfigError(f"{path} {what}, wanted a list of experiments; of each {WANTED}")
    return found


def _entry(who: str, stated: Any, dirs: tuple[Path, ...]) -> list[str]:
    """Return the overrides of an entry."""
    if not stated:
        raise ConfigError(f"{who} is empty, {WANTED}")
    if isinstance(stated, dict):
        texts = [f"{key}={spelled(f'{who}: {key}', value)}" for key, value in stated.items()]
    elif isinstance(stated, list) and all(isinstance(text, str) for text in stated):
        texts = stated
    else:
        raise ConfigError(f"{who} is {shown(stated)}, {WANTED}")
    for text in texts:
        _check(who, text)
    try:
        split(texts, dirs)
    except ConfigError as error:
        raise ConfigError(f"{who}: {error}") from None
    return texts


def _check(who: str, text: str) -> None:
    try:
        override = parse(text)
    except ConfigError as error:
        raise ConfigError(f"{who}: {error}") from None
    if override.is_sweep_override():
        raise ConfigError(
            f"{who}: '{text}' states several values, and an entry is one configuration; write an entry for each, or "
            "state them on the command line"
        )
    if _is_hydras(text) or is_of_search(text):
        raise ConfigError(f"{who}: '{text}' is no setting of a configuration; state it on the command line")


def _refuse_repeated(path: Path, batches: Sequence[Sequence[Sequence[str]]]) -> None:
    seen: dict[tuple[str, ...], int] = {}
    for number, jobs in enumerate(batches, start=1):
        first = tuple(sorted(jobs[0])) if jobs else ()
        if (before := seen.setdefault(first, number)) != number:
            said = " ".join(map(decode, jobs[0]))
            raise ConfigError(
                f"{path}: entries {before} and {number} are one configuration, {said}; take one of them out, or leave "
                "what makes them alike out of the command line"
            )


def _carried(texts: Sequence[str]) -> list[str]:
    return [encode(text) if is_edit(text) else text for text in texts]


def _is_hydras(text: str) -> bool:
    return text.lstrip("+~").startswith(("hydra.", "hydra/"))
