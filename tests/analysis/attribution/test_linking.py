"""Linking: amounts that add up in every session add up over all of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metabt.analysis.attribution.linking import active_factors, factors, total_return


def amounts(seed: int, n_sessions: int = 300, n_items: int = 4) -> np.ndarray:
    """Return what items earned, some of it nothing, some of it short."""
    rng = np.random.default_rng(seed)
    return rng.normal(0.0, 0.02, (n_sessions, n_items)) * (rng.random((n_sessions, n_items)) < 0.7)


@pytest.mark.parametrize("seed", range(5))
def test_linked_amounts_make_the_total_return(seed: int) -> None:
    x = amounts(seed)
    net = x.sum(axis=1)
    assert abs((factors(net) @ x).sum() - (np.prod(1 + net) - 1)) < 1e-10


@pytest.mark.parametrize("seed", range(5))
def test_linked_differences_make_the_difference_of_the_totals(seed: int) -> None:
    x, y = amounts(seed), amounts(seed + 100)
    y[:50] = x[:50]  # sessions without a difference
    r, b = x.sum(axis=1), y.sum(axis=1)
    linked = (active_factors(r, b) @ (x - y)).sum()
    assert abs(linked - (total_return(r) - total_return(b))) < 1e-10


def test_two_sessions_by_hand() -> None:
    # 10 % by A, then 20 % by B: the two share 32 % as their logarithms do
    linked = factors(np.array([0.1, 0.2])) @ np.array([[0.1, 0.0], [0.0, 0.2]])
    np.testing.assert_allclose(linked, 0.32 * np.log([1.1, 1.2]) / math.log(1.32), rtol=0, atol=1e-15)


def test_no_session_counts_more_for_being_early() -> None:
    net, x = np.array([0.1, -0.05, 0.1]), np.array([[0.1, 0.0], [0.0, -0.05], [0.1, 0.0]])
    np.testing.assert_allclose(factors(net) @ x, factors(net[::-1]) @ x[::-1], rtol=0, atol=1e-16)
    assert factors(net)[0] == factors(net)[2]


def test_what_comes_to_nothing_keeps_its_parts() -> None:
    net = np.array([0.25, -0.2])  # 1.25 x 0.8 = 1
    linked = factors(net) @ np.array([[0.25, 0.0], [0.0, -0.2]])
    np.testing.assert_allclose(linked, [math.log(1.25), math.log(0.8)], rtol=0, atol=1e-15)


def test_a_stream_that_is_its_benchmark_has_finite_factors() -> None:
    net = np.array([0.02, 0.0, -0.01])
    np.testing.assert_allclose(active_factors(net, net), (1 + total_return(net)) / (1 + net), rtol=1e-14)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("begin", [0, 1, 40, 300])
def test_what_comes_before_the_stream_counts_for_nothing(seed: int, begin: int) -> None:
    x = amounts(seed)
    x[:begin] -= x[:begin].mean(axis=1, keepdims=True)  # before the stream what is held cancels: it nets to nothing
    net = np.where(np.arange(300) < begin, 0.0, x.sum(axis=1))
    found = factors(net, begin)
    assert found[:begin].tolist() == [0.0] * begin and (found[begin:] == factors(net)[begin:]).all()
    after = factors(net[begin:]) @ x[begin:]
    np.testing.assert_allclose(found @ x, after, rtol=0, atol=1e-12)
    assert (found @ x).sum() == pytest.approx(total_return(net), abs=1e-10)
