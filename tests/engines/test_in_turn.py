"""Roots that decide in turn, each time from what is held by then: against closed forms and the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from tests.shared import oracle, panels
from tests.shared.agreement import assert_agrees
from tests.shared.solving import IN_TURN, near

LIMIT, AVERSION = 0.05, 30.0
LEAF = {"dataset": "stocks", "schedule": {"every": 5}, "lookback": 12}

RULES = {
    "variance, limit": {"name": "min_variance", "max_turnover": LIMIT},
    "variance, price": {"name": "min_variance", "turnover_penalty": 2e-5},
    "mean, limit": {"name": "mean_variance", "risk_aversion": AVERSION, "max_turnover": LIMIT},
    "mean, price": {"name": "mean_variance", "risk_aversion": AVERSION, "turnover_penalty": 2e-4},
}


def pair(optimizer: dict[str, Any], **rules: Any) -> dict[str, Any]:
    """Return a root over two `equal` leaves, each of which is fully invested."""
    sleeves = {"a": {**LEAF, "universe": ["AA", "BB"]}, "b": {**LEAF, "universe": ["CC", "DD"]}}
    return {
        "name": "root",
        "optimizer": optimizer,
        "schedule": {"every": 1},
        "lookback": 12,
        **rules,
        "sleeves": sleeves,
    }


def decided_in_turn(result: metabt.Result, rule: dict[str, Any], lag: int) -> list[tuple[float, float]]:
    """Return (decided, expected) weight of the first of two children at each decision after the warm-up.

    With two children that sum to one, the variance is a parabola in the first one's weight, so that what is
    best near `held` is a clip: no solver is needed. What is held drifts with the children's gross returns.
    """
    gross, net = (pd.DataFrame({c: result.returns(f"root/{c}")[kind] for c in "ab"}) for kind in ("gross", "net"))
    rows, weights = result.decisions().groupby("date")["status"].first(), result.sleeve_weights()["a"]
    held, queue, found = 0.0, {}, []
    for j, t in enumerate(gross.index):
        growth = 1 + gross.loc[t]
        held = held * growth["a"] / (held * growth["a"] + (1 - held) * growth["b"])
        if t in rows.index:
            leaving = queue[max(queue)] if queue else held
            if rows[t] == "ok":
                X = net.loc[:t].tail(12)
                S, mu = X.cov(), X.mean()
                found.append((weights[t], nearest(rule, S, mu["a"] - mu["b"], leaving)))
            queue[j + lag] = weights[t]
        held = queue.pop(j, held)
    return found


def nearest(rule: dict[str, Any], S: pd.DataFrame, ahead: float, held: float) -> float:
    """Return the first one's best weight; `ahead` is by how much its mean is above the other's."""
    curve = S.loc["a", "a"] + S.loc["b", "b"] - 2 * S.loc["a", "b"]  # variance is curve (w - best)^2 + a constant
    best = (S.loc["b", "b"] - S.loc["a", "b"]) / curve
    if rule["name"] == "mean_variance":
        curve *= AVERSION / 2
        best += ahead / (2 * curve)
    free = rule.get("turnover_penalty", 0.0) / (2 * curve)  # nearer than that, another step is not worth its price
    limit = rule.get("max_turnover", np.inf)
    wanted = np.clip(held, best - free, best + free)
    return float(np.clip(np.clip(wanted, held - limit, held + limit), 0.0, 1.0))


@pytest.mark.parametrize("lag", [0, 1, 2])
@pytest.mark.parametrize("rule", RULES)
def test_two_children_are_decided_as_a_parabola_says(rule: str, lag: int) -> None:
    result = metabt.backtest(pair(RULES[rule], lag=lag), panels.market(0, mixed=False, gaps=False))
    found = decided_in_turn(result, RULES[rule], lag)
    assert len(found) > 70
    np.testing.assert_allclose(*np.array(found).T, rtol=0, atol=1e-9)
    moved = np.abs(np.diff([weight for weight, _ in found]))
    assert (moved > 1e-6).mean() > 0.3


def test_the_first_decision_after_the_warm_up_trades_away_from_what_has_drifted() -> None:
    """And not from the one half that was decided last, which would give 0.45 or 0.55."""
    prices = panels.market(0, mixed=False, gaps=False)
    tree = pair(RULES["variance, limit"], lag=0)
    result = metabt.backtest(tree, prices)
    weights, status = result.sleeve_weights(), result.decisions().groupby("date")["status"].first()
    t = status.index[status == "ok"][0]
    assert (weights[weights.index < t].iloc[-1] == 0.5).all()
    a, b = (1 + result.returns(f"root/{name}").loc[t, "gross"] for name in "ab")
    assert abs(a / (a + b) - 0.5) > 1e-3
    assert abs(weights.loc[t, "a"] - a / (a + b)) == pytest.approx(LIMIT, abs=1e-12)
    book = oracle.run(tree, prices, optimizers={IN_TURN: near})["root"]
    assert book.decisions[t].weights == pytest.approx(weights.loc[t].to_dict(), abs=1e-12)


def mixed(optimizer: dict[str, Any], every: int, lag: int) -> dict[str, Any]:
    """Return a root over weekday stocks, long and short, and coins, which trade on other days."""
    rules = {"schedule": {"every": 4}, "lookback": 10, "min_coverage": 0.7, "stale_after": 4, "lag": lag}
    sleeves = {
        "long": {**rules, "dataset": "stocks", "universe": panels.STOCKS[:3], "optimizer": "inverse_volatility"},
        "short": {**rules, "dataset": "stocks", "universe": panels.STOCKS[2:], "direction": "short"},
        "coins": {**rules, "dataset": "coins", "universe": panels.COINS},
    }
    costs = {"commission_bp": 5.0, "borrow_bp": 100.0}
    own = {"schedule": {"every": every}, "lookback": 10, "lag": lag, "costs": costs}
    return {"name": "root", "optimizer": optimizer, **own, "sleeves": sleeves}


@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "gaps"])
@pytest.mark.parametrize("every", range(1, 8))
@pytest.mark.parametrize("lag", [0, 1, 2])
def test_the_oracle_decides_in_turn_as_the_engine_does(lag: int, every: int, gaps: bool) -> None:
    prices, rules = panels.market(every, gaps=gaps), list(RULES.values())
    for optimizer in (rules[(lag + every) % 4], rules[(lag + every + 1) % 4]):
        tree = mixed(optimizer, every, lag)
        result = metabt.backtest(tree, prices)
        assert_agrees(result, oracle.run(tree, prices, optimizers={IN_TURN: near}))
        assert (result.decisions()["status"] == "ok").sum() > 20
