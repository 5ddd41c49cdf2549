"""Drawdowns: depth and length by hand, and against a walk through the NAV."""

from __future__ import annotations

import numpy as np
import pytest

from metabt.analysis.metrics.drawdown import drawdown
from tests.analysis.metrics.streams import heavy_tailed, stream


def path(*nav: float) -> np.ndarray:
    """Return the returns that lead from 1 to each NAV."""
    values = np.array([1.0, *nav])
    return values[1:] / values[:-1] - 1


def found(*nav: float, days: list[int] | None = None) -> tuple[float, float, float]:
    return tuple(drawdown(stream(path(*nav), days)).values())  # type: ignore[return-value]  # there are three


def test_a_fall_from_the_first_session_on_counts() -> None:
    assert found(0.75, 0.875, 0.5) == pytest.approx((0.5, 3, 3))


def test_an_open_drawdown_runs_to_the_last_session() -> None:
    assert found(2.0, 1.0, 1.5, 1.75) == pytest.approx((0.5, 3, 3))


def test_the_deepest_is_not_the_longest() -> None:
    assert found(0.5, 1.0, 2.0, 1.75, 1.75, 1.75, 2.0, 4.0) == pytest.approx((0.5, 2, 4))


def test_the_first_of_equally_deep_ones_is_told() -> None:
    assert found(0.5, 1.0, 0.5, 0.5, 1.0) == pytest.approx((0.5, 2, 3))


def test_a_drawdown_begins_at_the_last_session_at_the_peak() -> None:
    assert found(2.0, 2.0, 2.0, 1.0, 2.0) == pytest.approx((0.5, 2, 2))


def test_lengths_are_calendar_days() -> None:
    assert found(2.0, 1.0, 2.0, days=[1, 4, 11]) == pytest.approx((0.5, 10, 10))


def test_what_never_falls_has_none() -> None:
    assert found(1.0, 2.0, 2.0, 4.0) == (0.0, 0.0, 0.0)
    assert tuple(drawdown(stream([])).values()) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("seed", range(20))
def test_a_walk_through_the_nav_agrees(seed: int) -> None:
    n = 50 + seed
    days = np.cumsum(np.random.default_rng(seed).integers(1, 5, n)).tolist()
    whole = stream(heavy_tailed(seed, n), days)
    peak, since, deepest, spans = 1.0, 0, (0.0, 0), {}
    for day, nav in zip(days, np.cumprod(1.0 + whole.net), strict=True):
        if nav >= peak:
            if since in spans:
                spans[since] = day - since
            peak, since = nav, day
        else:
            spans[since] = day - since
            deepest = max(deepest, (1 - nav / peak, since), key=lambda it: it[0])
    expected = (deepest[0], spans[deepest[1]], max(spans.values()))
    assert tuple(drawdown(whole).values()) == pytest.approx(expected)
