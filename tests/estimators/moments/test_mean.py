"""Means: against skfolio and plain NumPy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from skfolio.moments import ShrunkMu, ShrunkMuMethods

from metabt.estimators.moments.james_stein import james_stein
from metabt.estimators.moments.mean import MEANS
from metabt.estimators.windows import Windows
from tests.shared.returns import factor_returns, market_returns, simple_returns


def test_zero_knows_nothing_and_sample_is_the_mean() -> None:
    windows = Windows(factor_returns(0, 50, 3), np.array([40, 50]), np.array([30, 20]))
    assert (MEANS.build("mean", "zero")(windows, None) == np.zeros((2, 3))).all()
    assert np.allclose(MEANS.build("mean", "sample")(windows, None)[1], windows.window(1).mean(0), rtol=1e-14)


@pytest.mark.parametrize(("rows", "assets"), [(252, 20), (60, 20), (63, 30), (252, 5)])
def test_james_stein_is_that_of_skfolio_where_it_shrinks_by_a_share(
    sp500: pd.DataFrame, rows: int, assets: int
) -> None:
    X = simple_returns(sp500)
    X = np.c_[X, X[::-1]][:, :assets]
    stops = np.arange(500, 8000, 300)
    windows = Windows(X, stops, np.full(len(stops), rows))
    found, shares = james_stein(windows), []
    for d, mean in enumerate(windows.mean):
        theirs = ShrunkMu(method=ShrunkMuMethods.JAMES_STEIN).fit(windows.window(d)).mu_
        grand, i = mean.mean(), int(abs(mean - mean.mean()).argmax())
        share = 1 - (theirs[i] - grand) / (mean[i] - grand)  # theirs is not kept in [0, 1]
        assert np.allclose(found[d], mean + np.clip(share, 0, 1) * (grand - mean), rtol=0, atol=1e-16)
        shares.append(share)
    assert np.ptp(np.clip(shares, 0, 1)) > 0.1 or rows == 252


def test_james_stein_is_closer_to_the_truth_where_errors_are_independent() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(0.0, 0.001, 30)
    stops = np.arange(60, 6001, 60)
    windows = Windows(truth + rng.normal(0.0, 0.02, (6000, 30)), stops, np.full(len(stops), 60))
    missed = [((mean - truth) ** 2).sum(axis=1).mean() for mean in (james_stein(windows), windows.mean)]
    assert missed[0] < 0.4 * missed[1]


def test_james_stein_leaves_two_assets_and_equal_means_alone() -> None:
    X = market_returns(0, 60, 2)
    assert (james_stein(Windows.single(X)) == Windows.single(X).mean).all()
    same = Windows.single(np.repeat(X[:, :1], 4, axis=1))
    assert np.allclose(james_stein(same), same.mean, rtol=1e-15)
