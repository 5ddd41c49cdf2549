"""Searches that need no backtest: spaces, settings, and what a point is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metabt.search.loop import search
from metabt.search.sampler import sampler_of
from metabt.search.settings import Settings, settings_of
from metabt.search.space import Choice, Interval, Point, Space, Steps

MIXED: Space = {
    "lookback": Steps(("21", "42", "63", "84", "105")),
    "weight": Interval(0.1, 0.9),
    "decay": Interval(0.001, 1.0, log=True),
    "days": Interval(2, 250, log=True, integer=True),
    "optimizer": Choice(("erc", "hrp", "equal")),
}
"""Every kind of key."""
ORDERED: Space = {key: it for key, it in MIXED.items() if key != "optimizer"}
"""Those whose values have an order."""


def settings(sampler: str, space: Space = ORDERED, **others: Any) -> Settings:
    """Return settings of a search after the Sharpe ratio."""
    return settings_of({"sampler": sampler, "objective": "sharpe", "seed": 5, **others}, space)


def worth(point: Point) -> float | None:
    """Return what a point of ORDERED or MIXED is worth: best at lookback 63 and weight 0.5; not all have a worth."""
    if float(point[1]) > 0.85:
        return None
    return -abs(int(point[0]) - 63) / 21 - 4 * abs(float(point[1]) - 0.5)


def asked(how: Settings, space: Space, evaluate: Any = None) -> list[tuple[Point, float | None]]:
    """Return all that a search asks for where points are worth what `worth` says."""

    def all_of(points: Sequence[Point]) -> list[float | None]:
        return [worth(point) for point in points]

    return search(sampler_of(how, space), how, evaluate or all_of)
