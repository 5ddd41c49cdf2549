"""Windows: what a decision may see is cut from one matrix, by hand; who is part of it, and when it is, by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.estimators import windows as module
from metabt.estimators.windows import REMEMBERED, WIDE, Windows
from tests.shared.laws import DRAWS, examples

NAMES = ("A", "B", "C")


def drawn(seed: int) -> tuple[Windows, np.random.Generator]:
    rng = np.random.default_rng(seed)
    stops = np.sort(rng.integers(3, 25, 4))
    lengths = np.array([rng.integers(2, stop + 1) for stop in stops])
    returns = rng.normal(0, 0.02, (24, 3))
    returns[int(rng.integers(0, 24)) :, 1] = 0.001
    sessions = np.datetime64("2021-01-04") + stops
    return Windows(returns, stops, lengths, rng.random((24, 3)), NAMES, sessions), rng


@examples(60)
@given(DRAWS, st.booleans())
def test_a_decision_sees_its_own_rows_alone(seed: int, wide: bool) -> None:
    windows, rng = drawn(seed)
    weights = rng.uniform(-0.3, 0.7, (4, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WIDE", 3 if wide else 4)  # the covariance is formed, or not
        shares = windows.risk(weights)
    assert len(windows) == 4
    for d in range(4):
        first, stop = windows.stops[d] - windows.lengths[d], windows.stops[d]
        X = windows.returns[first:stop]
        assert windows.rows(d) == slice(int(first), int(stop)) and windows.window(d).tolist() == X.tolist()
        assert np.shares_memory(windows.window(d), windows.returns)
        assert windows.mean[d] == pytest.approx(X.mean(axis=0), abs=1e-16)
        assert windows.covariance[d] == pytest.approx(np.cov(X.T), abs=1e-17)
        still = [len({*column}) == 1 for column in X.T.tolist()]
        assert windows.constant[d].tolist() == still
        w = np.where(still, 0.0, weights[d])
        S = np.cov(X.T)
        variance = w @ S @ w
        assert shares[d] == pytest.approx(w * (S @ w) / variance, abs=1e-11)
        assert windows.when(d) == str(np.datetime64("2021-01-04") + stop)


@examples(30)
@given(DRAWS)
def test_some_decisions_are_taken_with_all_that_is_known_of_them(seed: int) -> None:
    windows, rng = drawn(seed)
    mask = rng.random(4) < 0.5
    for chosen in (mask, np.flatnonzero(mask), slice(1, 3)):
        found, at = windows.take(chosen), np.arange(4)[chosen]
        assert found.stops.tolist() == windows.stops[at].tolist() and len(found) == len(at)
        assert found.lengths.tolist() == windows.lengths[at].tolist()
        assert found.sessions is not None and [found.when(k) for k in range(len(at))] == [windows.when(d) for d in at]
        assert found.returns is windows.returns and found.names == NAMES
        assert found.dollar_volume is windows.dollar_volume


def test_columns_and_decisions_without_names_go_by_their_position() -> None:
    one = Windows.single([[0.5, 0.25], [0.75, 1.0]])  # type: ignore[arg-type]
    assert one.window(0).tolist() == [[0.5, 0.25], [0.75, 1.0]] and one.names_of(np.array([1, 0])) == ["x1", "x0"]
    assert one.when(0) == "decision 0" and one.take(slice(0, 1)).sessions is None and one.returns.flags.c_contiguous
    assert drawn(1)[0].names_of(np.array([2, 0])) == ["C", "A"]


def test_the_newest_estimates_are_kept_and_made_once() -> None:
    windows, made = drawn(1)[0], list[int]()

    def estimate(key: int) -> np.ndarray:
        return windows.estimated(key, lambda: (made.append(key), np.full(2, key))[1])

    assert REMEMBERED == 2  # a sweep over selectors has one for each of two
    most = range(REMEMBERED)
    for key in (*most, *most, REMEMBERED, *most[1:], REMEMBERED, 0):
        assert estimate(key).tolist() == [key, key]
    assert made == [*most, REMEMBERED, 0]  # the oldest has gone by then


def test_without_variance_there_are_no_shares() -> None:
    still = Windows.single(np.full((9, 2), 0.001))
    assert np.isnan(still.risk(np.array([[0.5, 0.5]]))).all()


@pytest.mark.parametrize("n_assets", [1, 7, WIDE - 1, WIDE, WIDE + 5])
@pytest.mark.parametrize("every", [5, 21])
def test_variance_is_the_diagonal_of_the_covariance(n_assets: int, every: int) -> None:
    returns = np.random.default_rng(n_assets).normal(0.0, 0.01, (300, n_assets))
    returns[:, 0] = 0.001
    stops = np.arange(130, 300, every)
    windows = Windows(returns, stops, np.where(np.arange(len(stops)) % 3, 126, 63))
    diagonal = np.diagonal(windows.covariance, axis1=1, axis2=2)
    assert np.ascontiguousarray(windows.variance).tobytes() == np.ascontiguousarray(diagonal).tobytes()


def test_a_wide_variance_forms_no_covariance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metabt.estimators.windows.mean_and_covariance", lambda *given: pytest.fail("formed"))
    windows = Windows(np.random.default_rng(0).normal(size=(30, WIDE)), np.array([30]), np.array([20]))
    assert windows.variance.shape == (1, WIDE)
