"""The whole answer: each number where it belongs, and a reason where there is none."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from scipy import stats

from metabt.errors import ConfigError
from metabt.luck.family_test import Draws, family_test
from metabt.luck.luck import luck
from metabt.luck.overfitting import overfitting
from metabt.luck.sharpe_evidence import SharpeEstimate, SharpeRatio, deflated_sharpe, probabilistic_sharpe
from metabt.luck.trial_returns import TrialReturns
from metabt.luck.verdict import Luck
from tests.luck.families import late, noise

FEW = Draws(200)


def family(skill: float = 0.2) -> np.ndarray:
    """Return 12 trials of 1,000 sessions, the seventh with skill, the third late."""
    returns = noise(1, 1000, 12, 0.5)
    returns[:, 7] += skill * 0.01
    return late(returns, 3, 400)


def test_each_trial_has_its_numbers_over_its_own_sessions() -> None:
    returns = family()
    found = luck(returns, 252, draws=FEW)
    for k in (3, 7):
        own = returns[~np.isnan(returns[:, k]), k]
        x = own.mean() / own.std(ddof=1)
        assert found.trials.n_sessions[k] == len(own)
        assert found.trials.sharpe.per_session[k] == pytest.approx(x)
        assert found.trials.t[k] == pytest.approx(x * np.sqrt(len(own)))
        estimate = SharpeEstimate(
            ratio=SharpeRatio(per_session=x),
            n_sessions=len(own),
            skew=stats.skew(own),
            excess_kurtosis=stats.kurtosis(own),
        )
        assert found.trials.psr[k] == pytest.approx(probabilistic_sharpe(estimate))
        assert found.trials.dsr[k] == pytest.approx(deflated_sharpe(estimate, 12))
    assert found.reason is None and not found.trials.reasons
    assert (found.n_trials, found.n_tried, found.n_sessions, found.sessions_per_year) == (12, 12, 1000, 252)


def test_the_family_is_that_of_its_tests() -> None:
    returns = family()
    found, test = luck(returns, 252, draws=FEW), family_test(TrialReturns.of(returns), FEW)
    assert found.trials.p_luck.tolist() == test.p_luck.tolist() and found.maxima.tolist() == test.maxima.tolist()
    assert found.block_length == test.block_length
    assert np.flatnonzero(found.trials.survivor).tolist() == [7] == np.flatnonzero(test.p_step <= 0.05).tolist()
    assert found.overfitting is not None and found.best is not None and found.complexity is not None
    assert found.overfitting.probability == overfitting(TrialReturns.of(returns), np.arange(12)).probability == 0.0
    assert found.best.trial == 7 and 0 < found.best.track_record < 1000 / 252
    assert 0.02 < found.complexity.per_session < 0.1
    assert found.best.bound.per_session < found.trials.sharpe.per_session[7] - 2 * found.complexity.per_session


def test_p_luck_is_larger_than_what_one_trial_alone_would_have() -> None:
    found = luck(family(0.0), 252, draws=FEW)
    assert (found.trials.p_luck > 1 - found.trials.psr).all() and not found.trials.survivor.any()


def test_years_are_sessions_over_sessions_a_year() -> None:
    daily, monthly = (luck(family(), per_year, draws=FEW).best for per_year in (252, 12))
    assert daily is not None and monthly is not None
    assert monthly.track_record == pytest.approx(21 * daily.track_record)
    assert monthly.backtest == pytest.approx(21 * daily.backtest)


def test_what_was_tried_without_a_stream_counts() -> None:
    returns = np.hstack([family(), np.full((1000, 2), np.nan)])
    plain, found = luck(family(), 252, draws=FEW), luck(returns, 252, n_tried=40, draws=FEW)
    assert (found.n_trials, found.n_tried) == (12, 40)
    assert found.trials.dsr[7] < plain.trials.dsr[7] and found.trials.psr[7] == plain.trials.psr[7]
    assert found.best is not None and plain.best is not None and found.best.backtest > plain.best.backtest
    assert found.trials.reasons == {k: "0 sessions; 252 are wanted" for k in (12, 13)}


def test_a_reason_stands_in_place_of_a_number() -> None:
    returns = np.hstack([late(family(), 5, 900), np.full((1000, 1), 0.0)])
    trials = luck(returns, 252, draws=FEW).trials
    assert trials.reasons == {5: "100 sessions; 252 are wanted", 12: "its returns are the same in every session"}
    for k in trials.reasons:
        numbers = (trials.sharpe.per_session, trials.t, trials.p_luck, trials.psr, trials.dsr)
        assert all(np.isnan(each[k]) for each in numbers) and not trials.survivor[k]


@pytest.mark.parametrize(("n_sessions", "n_trials", "left"), [(1000, 1, 1), (251, 12, 0), (20, 12, 0), (0, 3, 0)])
def test_a_family_that_is_too_small_has_a_reason(n_sessions: int, n_trials: int, left: int) -> None:
    found = luck(family()[:n_sessions, :n_trials], 252, draws=FEW)
    assert found.reason is not None and found.reason.startswith(f"{left} of {n_trials} trials with 252 sessions")
    assert found.best is found.overfitting is found.complexity is found.block_length is None and not len(found.maxima)
    assert np.isnan(found.trials.p_luck).all() and not found.trials.survivor.any()
    assert np.isfinite(found.trials.psr).sum() == left


def test_no_trials_are_a_reason() -> None:
    assert luck(np.empty((1000, 0)), 252).reason == (
        "0 of 0 trials with 252 sessions and returns that move; luck needs two to choose from"
    )


def test_few_sessions_may_be_enough_where_that_is_asked_for() -> None:
    found = luck(family()[400:430], 252, draws=Draws(100, min_sessions=20))
    assert found.reason is None and found.overfitting is None and np.isfinite(found.trials.p_luck).all()


def test_single_precision_and_a_reader_are_as_good() -> None:
    returns = family()
    expected = luck(returns, 252, draws=FEW)
    single = luck(returns.astype(np.float32), 252, draws=FEW)
    reader = luck(TrialReturns(1000, 12, lambda start, stop: returns[:, start:stop]), 252, draws=FEW)
    assert single.trials.p_luck == pytest.approx(expected.trials.p_luck, abs=0.006)
    assert reader.trials.p_luck.tolist() == expected.trials.p_luck.tolist()


def test_the_matrix_is_not_written_to() -> None:
    returns = family()
    before = returns.copy()
    luck(returns, 252, draws=FEW)
    np.testing.assert_array_equal(returns, before)


def test_no_effective_number_of_trials_is_offered() -> None:
    assert not [field.name for field in fields(Luck) if "effective" in field.name]


@pytest.mark.parametrize("per_year", [0, -252, float("nan"), float("inf")])
def test_years_have_sessions(per_year: float) -> None:
    with pytest.raises(ConfigError, match="sessions a year; wanted a positive number"):
        luck(family(), per_year)


def test_no_fewer_were_tried_than_there_are() -> None:
    with pytest.raises(ConfigError, match="n_tried is 5, with returns of 12 trials; wanted at least as many"):
        luck(family(), 252, n_tried=5)
