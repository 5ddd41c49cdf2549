"""The loop: ask for a batch of points, have them evaluated, tell what they were worth, and go on.

1. A batch has `batch` points, the last one what is left of `n`.
2. Its points are evaluated together, and told in the order in which they were asked for.
3. A point without an objective is told as failed.

Nothing of it is stored. Whoever searches again with the same seed and batch asks for the same points, as long as the
same points are worth the same: an interrupted search is gone on with by beginning it again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from metabt.search.sampler import Sampler
from metabt.search.settings import Settings
from metabt.search.space import Point

Evaluate = Callable[[Sequence[Point]], Sequence[float | None]]
"""Points of a batch -> the objective of each; None or NaN where there is none."""


def search(sampler: Sampler, settings: Settings, evaluate: Evaluate) -> list[tuple[Point, float | None]]:
    """Return every point that was asked for, in order, with its objective; None where it has none.

    Parameters
    ----------
    sampler : one at its beginning
    settings : how many points, and how many at once
    evaluate : called once for each batch
    """
    found: list[tuple[Point, float | None]] = []
    for first in range(0, settings.n, settings.batch):
        points = sampler.ask(min(settings.batch, settings.n - first))
        values = [_sound(value) for value in evaluate(points)]
        sampler.tell(values)
        found += zip(points, values, strict=True)
    return found


def _sound(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
