"""What a command line says of a search: its settings, its space, and the configuration of each point.

1. `sweep.KEY=VALUE` are settings of the search; `config.yaml` may state others beneath `sweep`. Hydra sees none.
2. Every other override is as in a grid. One with several values, or with an interval, is a key of the space: a
   choice's values have no order, a range's have one, and `tag(log, interval(...))` is searched by its logarithm.
3. A point is composed as a grid's job with the same overrides is, so that it is the same run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from hydra.types import RunMode

from metabt.config.composition import explained
from metabt.config.documents import read
from metabt.config.files import PRIMARY, conf_dirs
from metabt.config.jobs import Job, compose_jobs
from metabt.config.overrides import decode, encode, is_edit, is_of_search, parse, split
from metabt.config.search import load, loader
from metabt.config.searches.optuna_sweeper import refuse_optuna_sweeper
from metabt.config.sweeps import OWN_LAUNCHER
from metabt.errors import ConfigError, nearest
from metabt.search.settings import DEFAULTS, GRID, Settings, settings_of
from metabt.search.space import Choice, Dimension, Interval, Point, Space, Steps, interval
from metabt.values.limits import JOBS

LOG = "log"
"""The tag that an interval may have."""


@dataclass(frozen=True)
class Searching:
    """A search as a command line states it."""

    settings: Settings
    """How to search."""
    stated: Mapping[str, str | Dimension]
    """Key, as Hydra carries it -> its value, or what it may be set to, in the order in which they came."""
    hydras: tuple[str, ...]
    """Overrides of Hydra itself."""
    dirs: tuple[Path, ...]
    """Folders of configuration files."""

    @cached_property
    def space(self) -> Space:
        """What is searched, by key as the command line says it."""
        return {_said(key): it for key, it in self.stated.items() if not isinstance(it, str)}

    def compose(self, points: Sequence[Point], strict: bool = True) -> list[Job]:
        """Return the configuration of each point; one that cannot be composed keeps its error.

        Raises
        ------
        ConfigError
            If none can be composed, and `strict`.
        """
        batch = [self._overrides(point) for point in points]
        return compose_jobs(batch, lambda texts: load(self.dirs, [*self.hydras, *texts]), self.dirs, strict=strict)

    def _overrides(self, point: Point) -> list[str]:
        values = iter(point)
        return [f"{key}={it if isinstance(it, str) else next(values)}" for key, it in self.stated.items()]


def read_search(overrides: Sequence[str], *, config_dir: str | Path | None = None) -> Searching | None:
    """Return the search that a command line of `-m` states; None where it states a grid.

    Raises
    ------
    ConfigError
        For a setting, a space or an override that cannot be, or a launcher that runs each job by itself.
    """
    dirs = conf_dirs(config_dir)
    refuse_optuna_sweeper(overrides)
    own = _settings([text for text in overrides if is_of_search(text)])
    settings = {**_of_file(dirs), **own}
    if settings.get("sampler") in (None, GRID):
        if others := sorted(own.keys() - {"sampler"}):
            raise ConfigError(
                f"sweep.{others[0]} is of a search, and a grid has none; add sweep.sampler=random, sobol, tpe or cmaes"
            )
        return None
    texts = [text for text in overrides if not is_of_search(text)]
    with explained(dirs):
        split(texts, dirs)
        carried = [encode(text) if is_edit(text) else text for text in texts]
        hydra = load(dirs, carried, RunMode.MULTIRUN).hydra
        if hydra.launcher._target_ != OWN_LAUNCHER:
            raise ConfigError(
                "a search runs a batch as one forest, which hydra/launcher=metabt alone does; leave the launcher out"
            )
        params = [f"{key}={value}" for key, value in (hydra.sweeper.get("params") or {}).items()]
        parsed = OverridesParser.create(loader(dirs)).parse_overrides([*params, *carried])
        hydras = tuple(str(it.input_line) for it in parsed if it.is_hydra_override())
        stated = {it.get_key_element(): _stated(it) for it in parsed if not it.is_hydra_override()}
    space = {_said(key): it for key, it in stated.items() if not isinstance(it, str)}
    return Searching(settings_of(settings, space), stated, hydras, dirs)


def without_search(overrides: Sequence[str]) -> list[str]:
    """Return overrides without settings of a search, as a grid takes them."""
    return [text for text in overrides if not is_of_search(text)]


def _settings(texts: Sequence[str]) -> dict[str, Any]:
    found = {}
    for text in texts:
        override = parse(text)
        key = override.key_or_group.removeprefix("sweep.")
        if key not in DEFAULTS:
            raise ConfigError(f"unknown setting 'sweep.{key}' in '{text}'{nearest(key, DEFAULTS)}")
        if override.is_sweep_override() or override.is_delete():
            raise ConfigError(f"'{text}': a search has one value of it, as in sweep.{key}={_example(key)}")
        found[key] = override.value()
    return found


def _example(key: str) -> Any:
    return {"sampler": "tpe", "objective": "sharpe", "direction": "minimize"}.get(key, DEFAULTS[key])


def _of_file(dirs: Sequence[Path]) -> dict[str, Any]:
    """Return what `config.yaml` states beneath `sweep`, null left out."""
    file = next(file for folder in dirs if (file := folder / f"{PRIMARY}.yaml").is_file())
    found = read(file).get("sweep") or {}
    if not isinstance(found, dict):
        raise ConfigError(f"{file}: sweep is {found!r}, wanted settings of a search: {', '.join(DEFAULTS)}")
    return {str(key): value for key, value in found.items() if value is not None}


def _said(key: str) -> str:
    """Return a key as the command line says it."""
    return decode(f"{key}=").rpartition("=")[0]


def _stated(override: Override) -> str | Dimension:
    """Return the one value of an override, or what it lets its key be set to."""
    if not override.is_sweep_override():
        return str(override.get_value_element_as_str())
    swept, text = override.value(), decode(str(override.input_line))
    tags: set[str] = getattr(swept, "tags", set())
    if isinstance(swept, IntervalSweep):
        return _interval(swept, text)
    if tags:
        raise ConfigError(f"'{text}' has the tag {sorted(tags)[0]}; a search knows one, {LOG}, of an interval")
    if isinstance(swept, RangeSweep):
        JOBS.check(f"'{text}'", _length(swept))
    if isinstance(swept, ChoiceSweep | RangeSweep):
        swept.shuffle = False  # the sampler draws, from the same values each time
    values = tuple(dict.fromkeys(str(value) for value in override.sweep_string_iterator()))
    if not values:
        raise ConfigError(f"'{text}' stands for no value, so there is nothing to search")
    return Steps(values) if isinstance(swept, RangeSweep) else Choice(values)


def _interval(swept: IntervalSweep, text: str) -> Interval:
    if others := sorted(swept.tags - {LOG}):
        raise ConfigError(f"'{text}' has the tag {others[0]}; a search knows one, {LOG}")
    low, high = swept.start, swept.end
    if low is None or high is None:
        raise ConfigError(f"'{text}' has no bounds, wanted two numbers, as in interval(0.1, 0.5)")
    try:
        return interval(low, high, LOG in swept.tags, isinstance(low, int) and isinstance(high, int))
    except ConfigError as error:
        raise ConfigError(f"'{text}': {error}") from None


def _length(swept: RangeSweep) -> int:
    start, stop, step = swept.start or 0, swept.stop or 0, swept.step or 1
    return max(0, int((stop - start) / step) + 1)
