"""What is earned beyond cash: which metrics are of it, and which are of what was earned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from metabt.analysis.metrics.performance import performance
from metabt.analysis.metrics.relative import relative
from tests.analysis.metrics.streams import beside, heavy_tailed, stream

BEYOND = ("sharpe", "probabilistic_sharpe", "sortino", "omega", "hit_rate")


@pytest.mark.parametrize("seed", range(3))
def test_ratios_are_of_what_was_earned_beyond_cash_and_nothing_else_is(seed: int) -> None:
    net, cash = heavy_tailed(seed), np.random.default_rng(seed).uniform(0, 4e-4, 900)
    paid = {"turnover": np.full(900, 0.01)}
    all_of_it = stream(net, idle=cash, **paid), stream(net, **paid), stream(net - cash, **paid)
    with_cash, without, beyond = map(performance, all_of_it)
    for name, value in with_cash.items():
        assert value == (beyond if name in BEYOND else without)[name], name
        assert name not in BEYOND or value != without[name]
    excess = net - cash
    assert with_cash["sharpe"] == pytest.approx(excess.mean() / excess.std(ddof=1) * 365.25**0.5)
    assert with_cash["omega"] == pytest.approx(excess[excess > 0].sum() / -excess[excess < 0].sum())


def test_a_stream_that_earned_what_cash_did_has_no_ratio() -> None:
    cash = np.full(40, 1e-4)
    found = performance(stream(cash, idle=cash))
    assert all(np.isnan(found[name]) for name in ("sharpe", "sortino", "omega", "hit_rate"))
    assert found["total_return"] == pytest.approx((1 + 1e-4) ** 40 - 1)


def test_without_a_rate_a_stream_is_its_own_excess() -> None:
    it = stream(heavy_tailed(1))
    assert it.excess is it
    nothing = replace(it, idle=np.zeros(900)).excess
    assert nothing.net.tobytes() == (it.net - 0.0).tobytes() and nothing.idle is None


@pytest.mark.parametrize("every", [1, 3])
def test_alpha_and_beta_are_of_both_beyond_cash(every: int) -> None:
    """With a benchmark that has a price in every third session, cash compounds in between as the stream does."""
    r, b = heavy_tailed(4), heavy_tailed(5)
    r, cash = r + 0.7 * b, np.random.default_rng(3).uniform(0, 2e-3, 900)

    def grown(returns: np.ndarray) -> np.ndarray:
        return np.prod(1 + returns.reshape(-1, every), axis=1) - 1

    whole = beside(b)
    known = replace(whole, dates=whole.dates[every - 1 :: every], returns=grown(b))
    found, without = (relative(it, known) for it in (stream(r, idle=cash), stream(r)))
    fit = stats.linregress(grown(b) - grown(cash), grown(r) - grown(cash))
    assert found["beta"] == pytest.approx(fit.slope) and found["beta"] != without["beta"]
    assert found["alpha"] == pytest.approx(fit.intercept * 365.25 / every)
    for name in found.keys() - {"alpha", "beta"}:
        assert found[name] == without[name]
