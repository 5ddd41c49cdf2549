"""A closed family of estimators of a moment: what a configuration calls one, and what it is built from.

1. A configuration writes a name, `ewma`, or a name with parameters, `{name: ewma, half_life: 63}`.
2. The name must be the family's, the parameters those of its builder (`metabt.estimators.parameters`).
3. What is built takes windows and a support, and returns the moment of every decision, not to be written to.
4. Windows that several sleeves share, in a sweep or beneath one tree, are estimated once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from metabt.errors import ConfigError, nearest
from metabt.estimators.parameters import checked_parameters

if TYPE_CHECKING:
    from metabt.estimators.windows import Windows

Choice = Mapping[str, Any] | str
"""A name, or a mapping with a name and parameters."""


class Moment(Protocol):
    """Estimates a moment of every window."""

    def __call__(self, windows: Windows, support: np.ndarray | None) -> np.ndarray:
        """Return the moment of every window: (n_decisions, n_assets) or (n_decisions, n_assets, n_assets).

        `support` is (n_decisions, n_assets) bool, the columns of each decision, or None for all.
        """


@dataclass(frozen=True)
class Family:
    """The estimators of one moment, by name."""

    kind: str
    """Name of such an estimator in messages."""
    builders: Mapping[str, Callable[..., Moment]]
    """Name -> callable that takes parameters and returns the estimator."""
    kept: frozenset[str]
    """Names whose moment windows keep themselves, or that cost nothing; others are remembered with the windows."""

    def canonical(self, who: str, choice: Choice) -> Choice:
        """Return a choice with its parameters typed: 63 becomes 63.0 where a float is wanted.

        A choice without parameters becomes the name alone. Messages begin with `who`.

        Raises
        ------
        ConfigError
            For an unknown name or parameter, or a parameter of the wrong type or range.
        """
        name, params, _ = self._resolved(who, choice)
        return {"name": name, **params} if params else name

    def build(self, who: str, choice: Choice) -> Moment:
        """Return the estimator that a configuration chooses; errors are those of `canonical`."""
        return self._resolved(who, choice)[2]

    def _resolved(self, who: str, choice: Choice) -> tuple[str, dict[str, Any], Moment]:
        stated = {"name": choice} if isinstance(choice, str) else dict(choice)
        name = stated.pop("name", None)
        if not isinstance(name, str):
            raise ConfigError(f"{who} is {choice!r}; wanted a name or {{name: ..., parameter: ...}}")
        if name not in self.builders:
            raise ConfigError(f"{who}: no {self.kind} is called {name!r}{nearest(name, self.builders)}")
        params = checked_parameters(f"{who} '{name}'", self.builders[name], stated)
        try:
            moment = self.builders[name](**params)
        except ConfigError as error:
            raise ConfigError(f"{who} '{name}': {error}") from error
        key = self.kind, name, repr(sorted(params.items()))
        return name, params, moment if name in self.kept else _once(key, moment)


def _once(key: tuple[str, ...], moment: Moment) -> Moment:
    """Return a moment whose values are remembered with the windows, under `key` and the support."""

    def estimated(windows: Windows, support: np.ndarray | None) -> np.ndarray:
        asked = (*key, None if support is None else support.tobytes())
        return windows.estimated(asked, lambda: moment(windows, support))

    return estimated
