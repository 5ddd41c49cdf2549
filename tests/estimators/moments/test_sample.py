"""Sample moments: against NumPy, and the laws of their bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.estimators.moments.rolling_scatter import BLOCK, GROUP
from metabt.estimators.moments.sample import mean_and_covariance, sample_covariance, sample_mean, sample_variance
from metabt.estimators.windows import Windows
from metabt.numerics.vectors import LANES
from tests.shared.returns import factor_returns, stacks

STOPS, LENGTHS = np.array([60, 61, 90, 120]), np.array([60, 20, 2, 100])


def one(X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a single window that is all of X."""
    return X, np.array([len(X)]), np.array([len(X)])


def by_blocks(X: np.ndarray) -> np.ndarray:
    """Return the scatter matrix of X as `metabt.estimators.moments.rolling_scatter` defines it, in plain NumPy."""
    ends = range(len(X), 0, -BLOCK)
    blocks = [X[max(end - BLOCK, 0) : end] for end in ends][::-1]
    mean = sum(len(block) * block.mean(0) for block in blocks) / len(X)
    within = sum(np.einsum("ti,tj", block - block.mean(0), block - block.mean(0)) for block in blocks)
    return within + sum(len(block) * np.outer(block.mean(0) - mean, block.mean(0) - mean) for block in blocks)


@st.composite
def schedules(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw returns and windows that share blocks, all of them, some of them or none."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    step = draw(st.sampled_from([1, 7, BLOCK - 1, BLOCK, 2 * BLOCK, 5 * BLOCK]))
    lookback = draw(st.sampled_from([1, 2, 20, 21, 22, 42, 63, 100, 126]))
    decisions, assets = draw(st.integers(1, 12)), draw(st.integers(1, 2 * LANES + 1))
    stops = lookback + step * np.arange(decisions)
    lengths = np.full(decisions, lookback)
    if draw(st.booleans()):
        lengths = rng.integers(0, stops + 1)
    if draw(st.booleans()):
        order = rng.permutation(decisions)
        stops, lengths = stops[order], lengths[order]
    return rng.normal(0.001, 0.01, (int(stops.max()), assets)), stops, lengths


@pytest.mark.parametrize("seed", range(3))
def test_moments_are_those_of_numpy(seed: int) -> None:
    X = factor_returns(seed, 120, 7)
    mean, S = mean_and_covariance(X, STOPS, LENGTHS)
    for d, (stop, length) in enumerate(zip(STOPS, LENGTHS, strict=True)):
        window = X[stop - length : stop]
        scale = np.sqrt(np.outer(window.var(0), window.var(0)))
        assert (abs(S[d] - np.cov(window.T)) <= 1e-13 * scale).all()
        assert np.allclose(mean[d], window.mean(0), rtol=0, atol=1e-16)


@pytest.mark.parametrize("assets", [1, LANES - 1, LANES, LANES + 1, 3 * LANES])
@pytest.mark.parametrize("rows", [2, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 100, 252])
def test_the_scatter_matrix_is_the_sum_over_blocks(rows: int, assets: int) -> None:
    X = np.random.default_rng(rows).normal(0.01, 1.0, (rows, assets))
    scatter = sample_covariance(*one(X))[0] * (rows - 1)
    scale = np.sqrt(np.outer(X.var(0), X.var(0))) * rows
    assert (abs(scatter - by_blocks(X)) <= 4e-15 * scale).all()


def test_what_moves_little_around_a_large_mean_keeps_its_digits() -> None:
    X = np.random.default_rng(0).normal(1e3, 1e-3, (252, 5))
    exact = (X - X.astype(np.longdouble).mean(0)).astype(float)
    expected = exact.T @ exact / 251
    rounding = 1e6 * np.finfo(float).eps  # of a block's mean, relative to the deviations from it
    assert abs(sample_covariance(*one(X))[0] - expected).max() < rounding * expected.max()


@given(schedules())
def test_bits_are_those_of_each_window_alone(schedule: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    X, stops, lengths = schedule
    mean, S = mean_and_covariance(X, stops, lengths)
    variance = sample_variance(X, stops, lengths)
    assert np.array_equal(sample_mean(X, stops, lengths), mean, equal_nan=True)
    assert np.array_equal(variance, np.diagonal(S, axis1=1, axis2=2), equal_nan=True)
    assert np.array_equal(S, S.transpose(0, 2, 1), equal_nan=True)
    for d, (stop, length) in enumerate(zip(stops, lengths, strict=True)):
        alone, its = mean_and_covariance(*one(X[stop - length : stop]))
        assert np.array_equal(alone[0], mean[d], equal_nan=True) and np.array_equal(its[0], S[d], equal_nan=True)
        assert np.isnan(S[d]).all() == (length < 2) and np.isnan(mean[d]).all() == (length < 1)


def test_a_group_of_windows_may_be_full() -> None:
    n = 2 * GROUP + 5
    X = factor_returns(0, n * BLOCK, 3)
    for step in (1, 2, 3):
        stops = np.arange(2, n, step) * BLOCK
        lengths = np.full(len(stops), 2 * BLOCK)
        S = sample_covariance(X, stops, lengths)
        for d, stop in enumerate(stops):
            assert np.array_equal(sample_covariance(*one(X[stop - 2 * BLOCK : stop]))[0], S[d])


@given(schedules(), st.integers(0, 10**6))
def test_entries_depend_on_their_own_columns_alone(
    schedule: tuple[np.ndarray, np.ndarray, np.ndarray], seed: int
) -> None:
    X, stops, lengths = schedule
    rng = np.random.default_rng(seed)
    mean, S = mean_and_covariance(X, stops, lengths)
    some = rng.permutation(X.shape[1])[: rng.integers(1, X.shape[1] + 1)]
    part = mean_and_covariance(X[:, some], stops, lengths)
    assert np.array_equal(part[0], mean[:, some], equal_nan=True)
    assert np.array_equal(part[1], S[:, some[:, None], some], equal_nan=True)


@given(stacks())
def test_what_comes_later_and_what_came_before_changes_nothing(stack: tuple[Windows, np.ndarray]) -> None:
    windows, _ = stack
    S, other = windows.covariance, windows.returns.copy()
    other[windows.stops[0] :] *= -3.0
    other[: windows.stops[0] - windows.lengths[0]] += 1.0
    again = sample_covariance(other, windows.stops, windows.lengths)
    assert np.array_equal(again[0], S[0])


@pytest.mark.parametrize("step", [1, 10, BLOCK])
def test_a_bad_tick_leaves_no_trace_once_it_has_left_the_window(step: int) -> None:
    X = factor_returns(7, 400, 6)
    stops = np.arange(100, 401, step)
    lengths = np.full(len(stops), 100)
    clean = sample_covariance(X, stops, lengths)
    X[120, 2] = 1e6
    S = sample_covariance(X, stops, lengths)
    seen = (stops > 120) & (stops - lengths <= 120)
    assert (S[~seen] == clean[~seen]).all() and (~seen).sum() > 5
    assert (S[seen, 2, 2] > 1e9).all() and (np.delete(S, 2, 1) == np.delete(clean, 2, 1))[:, :, [0, 1, 3, 4, 5]].all()


@pytest.mark.parametrize("rows", [2, 20, 21, 50, 252])
def test_an_asset_that_never_moves_has_no_variance_at_all(rows: int) -> None:
    X = factor_returns(1, rows, 3)
    X[:, 1] = 0.1  # no binary fraction: the mean of so many rows is not exactly itself
    S = sample_covariance(*one(X))[0]
    assert S[1, 1] == 0.0 and (S[1] == 0.0).all()
    assert sample_mean(*one(X))[0, 1] == 0.1 and sample_variance(*one(X))[0, 1] == 0.0


def test_equal_columns_have_equal_bits() -> None:
    X = factor_returns(2, 77, 12)
    X[:, 11] = X[:, 1]
    S = sample_covariance(X, np.array([77]), np.array([70]))
    assert (S[0, 1] == S[0, 11]).all() and S[0, 1, 11] == S[0, 1, 1] == S[0, 11, 11]


def test_a_single_row_has_a_mean_and_no_covariance() -> None:
    X = factor_returns(2, 5, 2)
    last = np.array([5]), np.array([1])
    assert (sample_mean(X, *last)[0] == X[4]).all()
    assert np.isnan(sample_covariance(X, *last)).all() and np.isnan(sample_variance(X, *last)).all()


def test_what_is_not_finite_stays_in_its_columns_and_windows() -> None:
    X = factor_returns(4, 80, 3)
    X[30, 1] = np.nan
    stops = np.array([29, 50, 71, 80])
    S = sample_covariance(X, stops, np.full(4, 25))
    assert np.isfinite(S[0]).all() and np.isfinite(S[2:]).all()
    assert np.isnan(S[1]).tolist() == [[False, True, False], [True, True, True], [False, True, False]]


def test_nothing_to_estimate_is_no_error() -> None:
    assert sample_covariance(np.empty((30, 0)), np.array([30]), np.array([20])).shape == (1, 0, 0)
    assert sample_covariance(np.empty((30, 2)), np.empty(0, int), np.empty(0, int)).shape == (0, 2, 2)
