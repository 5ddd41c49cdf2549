"""What a caller of `metabt.sweep` states: a space by paths into a tree, and the configurations of its points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metabt.api.plain_values import plain_tree
from metabt.errors import ConfigError
from metabt.portfolio.sleeve import Sleeve
from metabt.search.space import Choice, Dimension, Interval, Point, Space, Steps
from metabt.values.arguments import NO_SCALAR, scalar, shown
from metabt.values.limits import JOBS

if TYPE_CHECKING:
    from metabt.config import Job

TREE = "portfolio."
"""How overrides of the tree begin."""


def stated_space(space: Any) -> Space:
    """Return what each key may be set to, by the override that sets it.

    Raises
    ------
    ConfigError
        For a space that is no mapping of paths to values.
    """
    if not isinstance(space, Mapping) or not space:
        raise ConfigError(f"space is {shown(space)}, wanted a mapping of keys to values: {{'lookback': [63, 126]}}")
    return {TREE + _path(key): _dimension(key, values) for key, values in space.items()}


class Configurations:
    """Makes the configurations of points, of the tree and the settings that all of them share."""

    def __init__(self, tree: Any, settings: Mapping[str, Any], path: Path | None) -> None:
        from metabt.config import load_portfolio

        if isinstance(tree, Sleeve) or not isinstance(tree, Mapping | str):
            raise ConfigError(f"tree is {shown(tree)}, wanted a dict or the name of a portfolio, which can be edited")
        self.tree = load_portfolio(tree) if isinstance(tree, str) else plain_tree(tree)
        stated = {key: settings[key] for key in ("start", "end", "benchmark") if settings[key] is not None}
        chosen = [f"portfolio={tree}"] if isinstance(tree, str) else []
        self.common = (*chosen, *(f"{key}={value}" for key, value in stated.items()))
        place: dict[str, Any] = {"lakehouse": str(path), "catalog": None, "local": None, "cluster": {}, "cache": None}
        self.config = {**settings, **place}

    def edited(self, overrides: Iterable[str]) -> dict[Any, Any]:
        """Return the tree that overrides make."""
        from metabt.config import edited

        return edited(self.tree, [text for text in overrides if text.startswith(TREE)])

    def jobs(self, keys: Sequence[str], points: Sequence[Point], strict: bool = True) -> list[Job]:
        """Return the configuration of each point; with `strict` at least one must be possible."""
        jobs = [self._job(keys, point) for point in points]
        if strict and all(job.error for job in jobs):
            raise ConfigError(str(jobs[0].error))
        return jobs

    def _job(self, keys: Sequence[str], point: Point) -> Job:
        from metabt.config import Job

        own = tuple(f"{key}={text}" for key, text in zip(keys, point, strict=True))
        try:
            return Job((*self.common, *own), {**self.config, "portfolio": self.edited(own)}, None)
        except ConfigError as error:
            return Job((*self.common, *own), None, str(error))


def _path(key: Any) -> str:
    if not isinstance(key, str) or not key.strip() or "=" in key:
        raise ConfigError(f"space has the key {shown(key)}, wanted a dotted path into the tree, such as 'lookback'")
    return key.removeprefix(TREE)


def _dimension(key: str, values: Any) -> Dimension:
    """Return what a key may be set to, of the values that the caller gave."""
    from metabt.config import spelled

    who = f"space: '{key}'"
    if isinstance(values, Interval):
        return values
    if isinstance(values, range):
        JOBS.check(who, len(values))
    if scalar(who, values) is not NO_SCALAR or isinstance(values, Mapping):
        return Choice((spelled(who, values),))
    listed = list(values.tolist() if hasattr(values, "tolist") else values) if isinstance(values, Iterable) else []
    if not listed or isinstance(values, set | frozenset):
        raise ConfigError(f"{who} is {shown(values)}, wanted a list of values, a range or metabt.interval(low, high)")
    texts = tuple(dict.fromkeys(spelled(who, value) for value in listed))
    return Steps(texts) if isinstance(values, range) else Choice(texts)
