"""Replayed: what a page says that a run's tables do not hold, from walking the run again; or why it cannot.

A page is written of whatever run there is: prices may be gone, a plug-in may be missing, the code may be another one.
Then the sections that need the walk give the reason, and all others stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from metabt.errors import MetabtError

if TYPE_CHECKING:
    from metabt.runs.baselines.walk_baselines import BaselineWalk
    from metabt.runs.replay import Attributed, Origin

Told = TypeVar("Told")

FLAT_UP_TO = 300
"""Assets up to which a page has the flat baseline without being asked for it: it takes longest."""
UNKNOWN = (
    "It is not known where this result came from, and the run has to be walked again for this; take it from "
    "metabt.backtest or metabt.load."
)


@dataclass(frozen=True)
class Missing:
    """Stands for what cannot be told."""

    reason: str
    """Why."""


@dataclass(frozen=True)
class Replayed:
    """A run that can be walked again, perhaps."""

    origin: Callable[[], Origin] | None
    """Finds where it came from."""
    every: bool = False
    """With baselines that take long."""

    @classmethod
    def wanted(cls, origin: Callable[[], Origin] | None, baselines: bool | None) -> Replayed | None:
        """Return what is wanted: None is all that is quick, True is all, False is nothing."""
        return None if baselines is False else cls(origin, baselines is True)

    @cached_property
    def beside(self) -> BaselineWalk | Missing:
        """Return the run beside its baselines."""
        return self._told(lambda origin: origin.beside(None if self.every else FLAT_UP_TO))

    @cached_property
    def attributed(self) -> Attributed | Missing:
        """Return where its return came from."""
        return self._told(lambda origin: origin.attributed())

    @cached_property
    def _found(self) -> Origin | Missing:
        if self.origin is None:
            return Missing(UNKNOWN)
        try:
            return self.origin().recalling()
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
