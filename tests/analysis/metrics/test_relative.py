"""A stream against a benchmark: the formulas of NumPy and SciPy, and the laws of the market portfolio."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from metabt.analysis.common_sessions import Series
from metabt.analysis.metrics.relative import relative
from metabt.numerics.dispersion import ROUNDING
from tests.analysis.metrics.streams import beside, heavy_tailed, stream


@pytest.mark.parametrize("seed", range(5))
def test_formulas(seed: int) -> None:
    r, b = heavy_tailed(seed), heavy_tailed(seed + 100)
    r = r + 0.7 * b
    active, fit = r - b, stats.linregress(b, r)
    expected = {
        "beta": fit.slope,
        "alpha": fit.intercept * 365.25,
        "tracking_error": active.std(ddof=1) * 365.25**0.5,
        "information_ratio": active.mean() / active.std(ddof=1) * 365.25**0.5,
        "up_capture": (stats.gmean(1 + r[b > 0]) - 1) / (stats.gmean(1 + b[b > 0]) - 1),
        "down_capture": (stats.gmean(1 + r[b < 0]) - 1) / (stats.gmean(1 + b[b < 0]) - 1),
        "benchmark_sessions": len(r),
    }
    assert relative(stream(r), beside(b)) == pytest.approx(expected)


def test_sessions_without_a_benchmark_do_not_count() -> None:
    r, b = heavy_tailed(1), heavy_tailed(2)
    whole, part = beside(b), relative(stream(r[100:800]), beside(b[100:800]))
    known = Series(whole.dates[100:800], b[100:800], whole.dates[99])
    assert relative(stream(r), known) == pytest.approx(part) and part["benchmark_sessions"] == 700
    first = Series(known.dates, known.returns)  # without a price before its first, that is where both are measured from
    expected = relative(stream(r[101:800]), beside(b[101:800]))
    assert relative(stream(r), first) == pytest.approx({**expected, "benchmark_sessions": 700})


def test_the_benchmark_itself() -> None:
    found = relative(stream(heavy_tailed(3)), beside(heavy_tailed(3)))
    assert found["beta"] == pytest.approx(1.0) and found["tracking_error"] == 0.0
    assert np.isnan(found["information_ratio"]) and found["alpha"] == pytest.approx(0.0, abs=1e-14)
    assert found["up_capture"] == found["down_capture"] == pytest.approx(1.0)


def test_a_levered_benchmark() -> None:
    b = heavy_tailed(4)
    one, two = (relative(stream(leverage * b), beside(b)) for leverage in (1.5, 2.0))
    assert (one["beta"], two["beta"]) == pytest.approx((1.5, 2.0))
    assert two["tracking_error"] == pytest.approx(2 * one["tracking_error"])
    assert two["information_ratio"] == pytest.approx(one["information_ratio"])


def test_a_benchmark_that_stands_still() -> None:
    r = heavy_tailed(5)
    found = relative(stream(r), beside(np.zeros(len(r))))
    assert np.isnan([found[name] for name in ("beta", "alpha", "up_capture", "down_capture")]).all()
    assert found["tracking_error"] == pytest.approx(r.std(ddof=1) * 365.25**0.5)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_sessions(n: int) -> None:
    found = relative(stream(np.full(n, 0.01)), beside(np.full(n, 0.02)))
    captured = found.pop("up_capture")
    assert captured == pytest.approx(0.5) if n else np.isnan(captured)
    assert found.pop("benchmark_sessions") == n and all(np.isnan(value) for value in found.values())


def test_a_benchmark_that_moves_by_no_more_than_rounding_has_neither_risen_nor_fallen() -> None:
    b = np.array([ROUNDING, 0.01, -ROUNDING, -0.02, 0.03, -0.01])
    r = np.array([0.5, 0.02, -0.4, -0.01, 0.01, -0.03])
    found = relative(stream(r), beside(b))
    rose, fell = b > 0.001, b < -0.001
    assert found["up_capture"] == pytest.approx((stats.gmean(1 + r[rose]) - 1) / (stats.gmean(1 + b[rose]) - 1))
    assert found["down_capture"] == pytest.approx((stats.gmean(1 + r[fell]) - 1) / (stats.gmean(1 + b[fell]) - 1))


@pytest.mark.parametrize("lost", [-1.0, -1.5])
def test_what_was_lost_whole_has_no_capture(lost: float) -> None:
    found = relative(stream([0.1, lost, 0.2]), beside(np.array([0.05, -0.1, 0.1])))
    assert np.isnan(found["down_capture"]) and found["up_capture"] == pytest.approx(
        ((1.1 * 1.2) ** 0.5 - 1) / ((1.05 * 1.1) ** 0.5 - 1)
    )
