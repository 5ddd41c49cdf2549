"""Replayed: baselines and attribution of a run, computed on first access by walking it again from cached blocks.

A run cannot be walked again where prices are gone, a plug-in is missing or the code is another one. Then both are a
`Missing` with the reason, which the sections that need them show, and all others stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from metabt.errors import MetabtError
from metabt.values.freed_memory import give_back

if TYPE_CHECKING:
    from metabt.data.dataset import Dataset
    from metabt.runs.baselines.walk_baselines import BaselineWalk
    from metabt.runs.replay import Attributed, Origin

Told = TypeVar("Told")

FLAT_UP_TO = 300
"""Largest number of assets with which a page has the flat baseline unasked: it takes longest."""
UNKNOWN = (
    "It is not known where this result came from, and the run has to be walked again for this; take it from "
    "metabt.backtest or metabt.load."
)


@dataclass(frozen=True)
class Missing:
    """Takes the place of a result that cannot be computed."""

    reason: str
    """The message of the error, for the page."""


@dataclass(frozen=True)
class Replayed:
    """A run that is walked again when its baselines or its attribution are first read."""

    origin: Callable[[], Origin] | None
    """Returns the run's request and cache; None where they are not known."""
    every: bool = False
    """Whether baselines include a flat one of more than FLAT_UP_TO assets."""

    @classmethod
    def wanted(cls, origin: Callable[[], Origin] | None, baselines: bool | None) -> Replayed | None:
        """Return the run to be walked again; None for `baselines` False. With True every baseline is included."""
        return None if baselines is False else cls(origin, baselines is True)

    def ahead(self) -> None:
        """Walk now, before anything else takes memory; what the page tells is kept, and nothing else."""
        _ = self.attributed
        give_back()
        _ = self.beside
        if not isinstance(self._found, Missing):
            self._found.forget()
            give_back()

    @cached_property
    def beside(self) -> BaselineWalk | Missing:
        """The run beside its baselines, or the reason why there are none."""
        _ = self.attributed  # its forest has the leaves of two trees, which share what they read
        return self._told(lambda origin: origin.beside(None if self.every else FLAT_UP_TO))

    @cached_property
    def attributed(self) -> Attributed | Missing:
        """Contributions and Brinson's effects over the whole view, or the reason why there are none."""
        return self._told(lambda origin: origin.attributed())

    @cached_property
    def datasets(self) -> Mapping[str, Dataset]:
        """The datasets that its tree reads, unread; empty where it cannot be walked again."""
        found = self._found
        return {} if isinstance(found, Missing) else found.request.datasets

    @cached_property
    def _found(self) -> Origin | Missing:
        if self.origin is None:
            return Missing(UNKNOWN)
        try:
            return self.origin()
        except (MetabtError, OSError, ImportError) as error:
            return Missing(str(error))

    def _told(self, ask: Callable[[Origin], Told]) -> Told | Missing:
        found = self._found
        if isinstance(found, Missing):
            return found
        try:
            return ask(found)
        except (MetabtError, OSError, ImportError) as error:
            return Missing(str(error))
