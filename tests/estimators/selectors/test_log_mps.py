"""Log-MPS against a naive implementation, asset by asset, that shares no code with it."""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform
from scipy.stats import rankdata, skew

from metabt.estimators.registry import selector
from metabt.estimators.selectors.log_mps import METRICS, PRESETS, LogMPS
from metabt.estimators.windows import Windows
from tests.shared.returns import factor_returns, market_returns, simple_returns


def naive_metrics(X: np.ndarray, volume: np.ndarray | None) -> dict[str, list[float]]:
    """Return metric -> value per asset, from the definitions."""
    assets = range(X.shape[1])
    found: dict[str, list[float]] = {
        "momentum": [252 * float(np.mean(X[:, i])) for i in assets],
        "stability": [1 / (math.sqrt(252) * float(np.std(X[:, i], ddof=1))) for i in assets],
        "efficiency": [abs(sum(X[-120:, i])) / sum(abs(X[-120:, i])) for i in assets],
    }
    orders = list(itertools.permutations(range(3)))
    predictability = []
    for i in assets:
        seen = [tuple(int(k) for k in np.argsort(X[t : t + 3, i], kind="stable")) for t in range(len(X) - 2)]
        p = [seen.count(order) / len(seen) for order in orders]
        predictability.append(1 - sum(-q * math.log(q) for q in p if q) / math.log(6))
    found["predictability"] = predictability
    high = np.percentile(X, 95, axis=0)
    gains = [statistics.mean([r for r in X[:, i] if r > high[i]]) for i in assets]
    skews = [float(skew(X[:, i])) for i in assets]
    found["antifragility"] = [
        (s - min(skews)) / (max(skews) - min(skews)) + (g - min(gains)) / (max(gains) - min(gains))
        for s, g in zip(skews, gains, strict=True)
    ]
    if volume is not None:
        found["liquidity"] = [statistics.median([v for v in volume[:, i] if v == v]) for i in assets]
    return found


def naive_scores(X: np.ndarray, volume: np.ndarray | None, exponents: dict[str, float]) -> np.ndarray:
    """Return the score of every asset."""
    n = X.shape[1]
    score = np.zeros(n)
    for name, values in naive_metrics(X, volume).items():
        score += exponents[name] * np.log(0.01 + 0.99 * (rankdata(np.round(values, 15)) - 1) / (n - 1))
    low = np.percentile(X, 5, axis=0)
    tail = [max(-statistics.mean([r for r in X[:, i] if r <= low[i]]), 0) for i in range(n)]
    return score + np.log([1 - 0.5 * f / max(tail) for f in tail])


def naive_support(X: np.ndarray, score: np.ndarray, distance: float, most: int, top: int) -> set[int]:
    """Return the best assets of each of SciPy's clusters."""
    D = np.sqrt(np.maximum(1 - np.corrcoef(X.T), 0) / 2)
    np.fill_diagonal(D, 0)
    Z = hierarchy.linkage(squareform((D + D.T) / 2, checks=False), "ward")
    labels = hierarchy.fcluster(Z, distance, "distance")
    if labels.max() > most:
        labels = hierarchy.fcluster(Z, most, "maxclust")
    chosen: set[int] = set()
    for label in set(labels):
        chosen |= set(sorted(np.flatnonzero(labels == label), key=lambda i: (-score[i], i))[:top])
    return chosen


@pytest.mark.parametrize("preset", ["equal", "published"])
@pytest.mark.parametrize("with_volume", [True, False])
def test_a_naive_implementation_agrees(sp500: pd.DataFrame, preset: str, with_volume: bool) -> None:
    returns = simple_returns(sp500)
    volume = np.random.default_rng(0).lognormal(15, 1, returns.shape)
    volume[np.random.default_rng(1).random(returns.shape) < 0.05] = np.nan
    stops, lengths = np.array([100, 400, 3000, 8000]), np.array([60, 252, 252, 504])
    windows = Windows(returns, stops, lengths, volume if with_volume else None)
    rule = LogMPS(cluster_distance=0.55, max_clusters=6, top=2, exponents=preset)
    eligible = np.random.default_rng(2).random((4, 20)) < 0.8
    scores, support = rule.scores(windows, eligible), rule.select(windows, eligible)
    for d in range(4):
        kept = np.flatnonzero(eligible[d])
        X = windows.window(d)[:, kept]
        expected = naive_scores(X, volume[windows.rows(d)][:, kept] if with_volume else None, dict(PRESETS[preset]))
        assert np.allclose(scores[d, kept], expected, rtol=1e-9)
        chosen = naive_support(X, expected, 0.55, 6, 2)
        assert set(np.flatnonzero(support[d])) == {int(kept[i]) for i in chosen}


def test_exponents_choose_the_metrics(sp500: pd.DataFrame) -> None:
    X = simple_returns(sp500)[-252:]
    none = dict.fromkeys(METRICS, 0.0)
    rule = LogMPS(cluster_distance=9.0, exponents={**none, "momentum": 1000.0})
    assert np.flatnonzero(rule.fit(X).get_support()).tolist() == [int(X.mean(0).argmax())]
    rule = LogMPS(cluster_distance=9.0, exponents={**none, "stability": 1000.0})
    assert np.flatnonzero(rule.fit(X).get_support()).tolist() == [int(X.std(0).argmin())]


def test_what_exponents_leave_out_counts_once(sp500: pd.DataFrame) -> None:
    X = np.ascontiguousarray(simple_returns(sp500)[-252:, :8])
    found = LogMPS(exponents={"momentum": 2.5, "efficiency": 0.0}).scores(Windows.single(X), np.ones((1, 8), bool))[0]
    expected = naive_scores(X, None, {**dict.fromkeys(METRICS, 1.0), "momentum": 2.5, "efficiency": 0.0})
    assert np.allclose(found, expected, rtol=1e-9)


def test_vetoes_are_hard(sp500: pd.DataFrame) -> None:
    X = simple_returns(sp500)[-252:]
    wealth = np.vstack([np.ones(20), np.cumprod(1 + X, axis=0)])
    drawdown = (1 - wealth / np.maximum.accumulate(wealth, axis=0)).max(0)
    limit = float(np.median(drawdown))
    support = selector("log_mps", top=20, max_drawdown=limit).fit(X).get_support()
    assert (support == (drawdown <= limit)).all()
    efficiency = abs(X[-120:].sum(0)) / abs(X[-120:]).sum(0)
    support = selector("log_mps", top=20, min_efficiency=0.1).fit(X).get_support()
    assert (support == (efficiency >= 0.1)).all() and 0 < support.sum() < 20
    assert not selector("log_mps", top=20, min_efficiency=1.1).fit(X).get_support().any()
    tail = np.array([-x[x <= np.percentile(x, 5)].mean() for x in X.T])
    support = selector("log_mps", top=20, max_shortfall=0.04).fit(X).get_support()
    assert (support == (tail <= 0.04)).all() and 0 < support.sum() < 20


def test_a_vetoed_asset_takes_no_place_of_any_cluster(sp500: pd.DataFrame) -> None:
    """As `naive_support` among those that are left, whatever the clusters are numbered."""
    names, vetoed = ["BAC", "GE", "RRC"], 0
    returns = np.ascontiguousarray(-simple_returns(sp500[names]))
    stops = np.arange(400, len(returns), 101)
    windows = Windows(returns, stops, np.full(len(stops), 252))
    rule = LogMPS(top=2, max_drawdown=0.2)
    everything = np.ones((len(stops), 3), bool)
    scores, support = rule.scores(windows, everything), rule.select(windows, everything)
    for d in range(len(stops)):
        X = windows.window(d)
        wealth = np.vstack([np.ones(3), np.cumprod(1 + X, axis=0)])
        out = (1 - wealth / np.maximum.accumulate(wealth, axis=0)).max(0) > 0.2
        score = np.where(out, -np.inf, scores[d])  # last in its cluster
        expected = {i for i in naive_support(X, score, 0.5, 10, 2) if not out[i]}
        assert set(np.flatnonzero(support[d])) == expected
        vetoed += 0 < out.sum() < 3
    assert vetoed > 5


def test_assets_that_never_move_and_single_assets(sp500: pd.DataFrame) -> None:
    X = simple_returns(sp500)[-60:, :4].copy()
    X[:, 2] = 0.0
    assert selector("log_mps").fit(X).get_support().any()
    assert selector("log_mps").fit(X[:, :1]).get_support().tolist() == [True]
    assert selector("log_mps").fit(np.zeros((60, 3))).get_support().tolist() == [True, True, True]
    assert selector("log_mps", cluster_distance=0.8).fit(np.zeros((60, 3))).get_support().any()


def test_liquidity_counts_where_volume_is_known(sp500: pd.DataFrame) -> None:
    X = np.ascontiguousarray(simple_returns(sp500)[-252:, :5])
    volume = np.tile([1.0, 2.0, 9.0, 3.0, np.nan], (252, 1))
    size = np.array([252])
    none = dict.fromkeys(METRICS, 0.0)
    rule = LogMPS(cluster_distance=9.0, exponents={**none, "liquidity": 1000.0})
    assert np.flatnonzero(rule.select(Windows(X, size, size, volume), np.ones((1, 5), bool))[0]).tolist() == [2]
    worst = LogMPS(cluster_distance=9.0, top=4, exponents={**none, "liquidity": 1000.0})
    kept = worst.select(Windows(X, size, size, volume), np.ones((1, 5), bool))[0]
    assert kept.tolist() == [True, True, True, True, False]  # unknown counts as nothing


def test_of_equals_in_a_cluster_the_first_are_kept() -> None:
    """Twins have the same score to the last bit; the third column is in a cluster of its own."""
    a, b = market_returns(3, 130, 2).T
    for columns, kept in (([a, a, b], [0, 2]), ([b, a, a], [0, 1]), ([a, b, a], [0, 1]), ([a, a, a], [0])):
        rule = selector("log_mps", cluster_distance=0.01)
        assert np.flatnonzero(rule.fit(np.column_stack(columns)).get_support()).tolist() == kept


def test_an_asset_at_the_limit_of_a_veto_is_admitted() -> None:
    """Returns whose drawdown, efficiency and shortfall are binary fractions: the limit itself, and its neighbours."""
    calm = np.full(20, 2.0**-10)
    falls = np.concatenate([calm, [-0.5]])  # from a peak to one half of it; the worst two of 21 are -1/2 and 2^-10
    even = np.concatenate([np.zeros(17), [0.75, -0.25, 0.75, -0.25]])  # sum 1, of absolute values 2; lowest two -1/4
    X = np.column_stack([falls, even])
    for veto, column, limit, is_most in (
        ("max_drawdown", 0, 0.5, True),
        ("min_efficiency", 1, 0.5, False),
        ("max_shortfall", 1, 0.25, True),
    ):
        for value, admitted in (
            (limit, True),
            (np.nextafter(limit, 0.0), not is_most),
            (np.nextafter(limit, 1.0), is_most),
        ):
            rule = selector("log_mps", top=2, cluster_distance=0.0, **{veto: float(value)})
            assert bool(rule.fit(X).get_support()[column]) is admitted, (veto, value)


def test_exponents_by_name_are_those_that_are_documented() -> None:
    published = {
        "momentum": 1.7469,
        "stability": 0.0458,
        "liquidity": 0.2946,
        "efficiency": 1.5348,
        "predictability": 0.0322,
        "antifragility": 0.6263,
    }
    assert PRESETS == {"equal": dict.fromkeys(published, 1.0), "published": published}
    assert METRICS == tuple(published)  # the order of the sum
    for name, exponents in PRESETS.items():
        assert LogMPS(exponents=name).exponents == exponents
    assert LogMPS(exponents={"momentum": 0.0}).exponents == {**dict.fromkeys(published, 1.0), "momentum": 0.0}


def test_vetoes_hold_where_nothing_is_ranked() -> None:
    """A decision of which everything is constant is vetoed as any other, each veto by itself and all of them."""
    X = factor_returns(3, 130, 6)
    windows, eligible = Windows.single(X), np.array([[True, True, False, True, True, True]])
    wealth = np.cumprod(np.vstack([np.ones(6), 1.0 + X]), axis=0)
    drawdown = (1.0 - wealth / np.maximum.accumulate(wealth, axis=0)).max(axis=0)
    worst = np.sort(X, axis=0)
    shortfall = -np.array([x[x <= np.quantile(x, 0.05)].mean() for x in worst.T])
    efficiency = np.abs(X[-120:].sum(axis=0)) / np.abs(X[-120:]).sum(axis=0)
    limits = {
        "max_drawdown": (float(np.median(drawdown)), lambda limit: drawdown <= limit),
        "max_shortfall": (float(np.median(shortfall)), lambda limit: shortfall <= limit),
        "min_efficiency": (float(np.median(efficiency)), lambda limit: efficiency >= limit),
    }
    together = eligible[0].copy()
    for veto, (limit, admitted) in limits.items():
        expected = eligible[0] & admitted(limit)
        assert 0 < expected.sum() < eligible.sum()
        assert LogMPS(**{veto: limit}).unranked(windows, eligible)[0].tolist() == expected.tolist()
        together &= expected
    every = LogMPS(**{veto: limit for veto, (limit, _) in limits.items()})
    assert every.unranked(windows, eligible)[0].tolist() == together.tolist()
    assert LogMPS().unranked(windows, eligible)[0].tolist() == eligible[0].tolist()


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_assets_that_are_the_same_share_every_rank(n: int) -> None:
    """Half of the others are below each: nothing is to be scaled between the lowest and the highest of equals."""
    x = factor_returns(5, 130, 1)
    windows = replace(Windows.single(np.repeat(x, n, axis=1)), dollar_volume=np.ones((130, n)))
    for exponents in ("equal", "published"):
        rule = LogMPS(exponents=exponents)
        rank = 0.01 + 0.99 * 0.5 if n > 1 else 1.0
        expected = math.fsum(rule.exponents.values()) * math.log(rank) + math.log(0.5)  # the worst shortfall is theirs
        found = rule.scores(windows, np.ones((1, n), bool))
        assert found[0] == pytest.approx(np.full(n, expected), rel=1e-12) and len({*found[0].tolist()}) == 1
