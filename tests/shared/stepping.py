"""Steps for tests: a package that has some, on the path of this process and of those that it starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from metabt import Sheet
from metabt.data.step import Step

PLUGINS = str(Path(__file__).parent / "plugins")
"""Where the package lies."""


def install() -> None:
    """Put the package on the path."""
    if PLUGINS not in sys.path:
        sys.path.append(PLUGINS)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), PLUGINS]))


install()
import stepping  # noqa: E402  # it is on the path now

capped, averaged, cleaned = stepping.capped, stepping.averaged, stepping.cleaned
relative, peeking = stepping.relative, stepping.peeking


def step(
    function: Callable[[Sheet], Sheet], before: int = 0, *, whole: bool = False, digest: str | None = None
) -> Step:
    """Return a step of a function, without a registry."""
    name = getattr(function, "__name__", "step")
    return Step(name, function, before, whole, digest or f"{name} {before} {whole}", name)


def weighted(seed: int) -> tuple[Callable[[Sheet], Sheet], int]:
    """Return a random causal step, whose bits do not depend on how much it is shown, and its `before`."""
    rng = np.random.default_rng(seed)
    weights, limit = rng.normal(0.3, 0.2, int(rng.integers(1, 40))), float(rng.uniform(0.005, 0.05))

    def function(sheet: Sheet) -> Sheet:
        returns = sheet["returns"]
        total = np.zeros_like(returns)
        for back, weight in enumerate(weights[: len(returns)].tolist()):
            total[back:] += weight * returns[: len(returns) - back]
        kept = np.where(np.abs(total) > 20 * limit, np.nan, np.clip(total, -limit, limit))
        return sheet.derive(returns=np.where(returns == 0, 0.0, kept))

    return function, len(weights) - 1
