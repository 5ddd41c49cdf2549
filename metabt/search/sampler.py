"""Sampler: asks for points, and is told what those that it asked for last were worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from metabt.search.settings import MODEL_BASED, Settings
from metabt.search.space import Point, Space


class Sampler(Protocol):
    """What the loop asks."""

    library: str | None
    """Name and version of the library on which its points depend; None where no version changes them."""

    def ask(self, n: int) -> list[Point]:
        """Return the next `n` points."""

    def tell(self, values: Sequence[float | None]) -> None:
        """Take the objective of each point of the last batch, in its order; None for one that has none."""


def sampler_of(settings: Settings, space: Space) -> Sampler:
    """Return a sampler at its beginning.

    Raises
    ------
    ConfigError
        If it needs a library that is not installed.
    """
    if settings.sampler in MODEL_BASED:
        from metabt.search.model_based import ModelBased

        return ModelBased(settings, space)
    from metabt.search.unit_cube import UnitCube

    return UnitCube(settings, space)
