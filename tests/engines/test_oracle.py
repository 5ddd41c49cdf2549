"""The oracle against arithmetic done by hand: a reference is only worth what can be checked without it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from tests.shared import oracle

NAN = np.nan


def frame(dates: list[str], **prices: list[float]) -> pd.DataFrame:
    return pd.DataFrame(prices, index=pd.DatetimeIndex(dates), dtype=float)


def days(n: int, first: str = "2024-01-01") -> list[str]:
    return [str(day.date()) for day in pd.date_range(first, periods=n)]


def row(book: oracle.Book, date: str) -> list[float]:
    r = book.rows[pd.Timestamp(date)]
    return [r.gross, r.cost, r.net, r.turnover]


def held(book: oracle.Book, date: str, which: str = "after") -> dict[str, float]:
    return oracle.net(getattr(book, which)[pd.Timestamp(date)])


def test_a_leaf_drifts_trades_and_pays_one_session_later() -> None:
    prices = frame(days(6), A=[100, 110, 110, 121, 121, 121], B=[100, 100, 100, 100, 80, 80])
    tree = {
        "name": "leaf",
        "universe": ["A", "B"],
        "schedule": {"every": 2},
        "lookback": 1,
        "costs": {"commission_bp": 60, "slippage_bp": 40},
    }
    book = oracle.run(tree, prices)["leaf"]
    # scheduled sessions: 1st, 3rd, 5th; the 1st has no return behind it. Decisions on the 3rd and 5th: 1/2, 1/2.
    assert [str(t.date()) for t in book.decisions] == ["2024-01-03", "2024-01-05"]
    # lag 1: bought at the close of the 4th, |trades| = 1/2 + 1/2 = 1, cost 1 x 100 bp = 0.01, first row on the 5th.
    assert list(book.rows) == [pd.Timestamp("2024-01-05"), pd.Timestamp("2024-01-06")]
    # 5th: R = 0.5 x 0 + 0.5 x (-20 %) = -0.10; net = 0.99 x 0.90 - 1 = -0.109; nothing traded but what was bought.
    assert row(book, "2024-01-05") == pytest.approx([-0.10, 0.01, -0.109, 0.5], abs=1e-15)
    # A: 0.5 / 0.9 = 5/9, B: 0.5 x 0.8 / 0.9 = 4/9
    assert held(book, "2024-01-05") == pytest.approx({"A": 5 / 9, "B": 4 / 9}, abs=1e-15)
    # 6th: nothing moves, back to 1/2 each: trades of 1/18 each, turnover 1/18; the cost is owed to the 7th.
    assert row(book, "2024-01-06") == pytest.approx([0.0, 0.0, 0.0, 1 / 18], abs=1e-15)
    assert held(book, "2024-01-06") == pytest.approx({"A": 0.5, "B": 0.5}, abs=1e-15)


def test_lag_zero_trades_at_the_close_it_decided_on() -> None:
    prices = frame(days(3), A=[100, 100, 110])
    book = oracle.run({"name": "x", "universe": ["A"], "schedule": {"every": 1}, "lookback": 1, "lag": 0}, prices)["x"]
    assert list(book.decisions)[0] == pd.Timestamp("2024-01-02")
    assert held(book, "2024-01-02") == {"A": 1.0}
    assert row(book, "2024-01-03") == pytest.approx([0.1, 0, 0.1, 0.5], abs=1e-15)


def test_a_short_leaf_loses_when_its_assets_rise_and_pays_borrow_over_the_weekend() -> None:
    # Thursday, Friday, Monday, Tuesday
    dates = ["2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"]
    prices = frame(dates, A=[100, 100, 110, 110], B=[100, 100, 100, 50])
    tree = {
        "name": "short",
        "universe": "all",
        "direction": "short",
        "schedule": {"every": 9},
        "start": "2024-01-05",
        "lookback": 1,
        "lag": 0,
        "costs": {"borrow_bp": 365},
    }
    book = oracle.run(tree, prices)["short"]
    assert book.decisions[pd.Timestamp("2024-01-05")].weights == {"A": -0.5, "B": -0.5}
    # NAV 1, shorts of 1, cash of 2. 365 bp a year = 1 bp a day, three days from Friday to Monday: c = 3e-4 x 1.
    # Monday: R = -0.5 x 10 % = -0.05; net = (1 - 0.0003) x 0.95 - 1; the turnover is that of Friday's shorts
    assert row(book, "2024-01-08") == pytest.approx([-0.05, 3e-4, 0.9997 * 0.95 - 1, 0.5], abs=1e-15)
    # A: -0.5 x 1.1 / 0.95 = -0.55/0.95, B: -0.5 / 0.95; shorts of 1.05/0.95 for one day
    assert held(book, "2024-01-08") == pytest.approx({"A": -0.55 / 0.95, "B": -0.5 / 0.95}, abs=1e-15)
    gain = 0.5 * 0.5 / 0.95  # B halves
    cost = 1e-4 * 1.05 / 0.95
    assert row(book, "2024-01-09") == pytest.approx([gain, cost, (1 - cost) * (1 + gain) - 1, 0], abs=1e-15)


def test_a_trade_waits_for_a_price_and_cash_absorbs_the_difference() -> None:
    prices = frame(days(5), A=[100, 100, 100, 100, 110], B=[100, 100, NAN, 120, 120])
    tree = {"name": "x", "universe": "all", "schedule": {"every": 9}, "start": "2024-01-02", "lookback": 1}
    book = oracle.run(tree, prices)["x"]
    # decided on the 2nd, due on the 3rd, where B has no price: A is bought, one half stays in cash
    assert held(book, "2024-01-03") == {"A": 0.5, "B": 0.0}
    # B is bought on the 4th at 120, after its jump: its 20 % is nobody's. Turnover is 1/2 x 0.5, and
    # as much for A, bought on the 3rd: the first purchase is on the first row.
    assert row(book, "2024-01-04") == pytest.approx([0, 0, 0, 0.25 + 0.25], abs=1e-15)
    assert held(book, "2024-01-04") == {"A": 0.5, "B": 0.5}
    assert row(book, "2024-01-05") == pytest.approx([0.05, 0, 0.05, 0], abs=1e-15)


def test_a_stale_holding_is_closed_at_its_last_price_and_charged() -> None:
    prices = frame(days(6), A=[100, 100, 100, 100, 100, 100], B=[100, 100, 110, NAN, NAN, NAN])
    tree = {
        "name": "x",
        "universe": "all",
        "schedule": {"every": 9},
        "start": "2024-01-02",
        "lookback": 1,
        "lag": 0,
        "stale_after": 2,
        "costs": {"commission_bp": 100},
    }
    book = oracle.run(tree, prices)["x"]
    # 3rd: B earns 10 %: R = 0.05, B = 0.55 / 1.05. 4th: first session without a price; 5th: second, closed.
    assert held(book, "2024-01-04") == pytest.approx({"A": 0.5 / 1.05, "B": 0.55 / 1.05}, abs=1e-15)
    assert held(book, "2024-01-05") == pytest.approx({"A": 0.5 / 1.05, "B": 0.0}, abs=1e-15)
    assert row(book, "2024-01-05")[3] == pytest.approx(0.5 * 0.55 / 1.05, abs=1e-15)
    assert row(book, "2024-01-06")[1] == pytest.approx(0.01 * 0.55 / 1.05, abs=1e-15)


def test_opposite_trades_of_two_sleeves_are_netted_in_the_parents_book() -> None:
    prices = frame(days(4), A=[100, 100, 110, 110])
    leaf = {"universe": ["A"], "schedule": {"every": 9}, "start": "2024-01-02", "lookback": 1, "lag": 0}
    tree = {
        "name": "root",
        "schedule": {"every": 9},
        "start": "2024-01-02",
        "lag": 0,
        "lookback": 2,
        "costs": {"commission_bp": 100},
        "sleeves": {"long": leaf, "short": {**leaf, "direction": "short"}, "more": leaf},
    }
    books = oracle.run(tree, prices)
    root = books["root"]
    first, second, third = map(pd.Timestamp, days(4)[1:])
    # warm-up, a third each: A is 1/3 - 1/3 + 1/3 = 1/3. Apart the trades are 3 x 1/3, netted 1/3: 2/3 x 1 % are saved.
    assert root.decisions[first].status == "warmup"
    assert held(root, "2024-01-02") == pytest.approx({"A": 1 / 3}, abs=1e-15)
    assert root.saved[first] == pytest.approx(0.01 * 2 / 3, abs=1e-15)
    # 3rd: R = 1/3 x 10 %; charged on the netted third, of which the turnover is one half
    gross, cost = 1 / 30, 0.01 / 3
    assert row(root, "2024-01-03") == pytest.approx([gross, cost, (1 - cost) * (1 + gross) - 1, 1 / 6], abs=1e-15)
    # nobody trades any more: the shares drift with the children's streams, (1 + 0.1, 1 - 0.1) / 3 / (1 + 1/30)
    parts = {path.split("/")[1]: w for (path, _), w in root.after[second].items()}
    # short: share 0.9/3.1, its own holding -1.1/0.9 of its NAV, together -1.1/3.1
    assert parts == pytest.approx({"long": 1.1 / 3.1, "short": -1.1 / 3.1, "more": 1.1 / 3.1}, abs=1e-15)
    assert row(root, str(third.date())) == pytest.approx([0, 0, 0, 0], abs=1e-15)


def test_a_weekend_of_the_24x7_sleeve_accrues_to_monday() -> None:
    week = pd.date_range("2024-01-01", periods=9)  # Monday to Tuesday week
    coin = pd.DataFrame({"C": [100, 100, 100, 100, 100, 110, 121, 121, 133.1]}, index=week)
    stock = pd.DataFrame({"S": [100.0] * 4 + [102.0, 102.0, 51.0]}, index=week[week.day_of_week < 5])
    leaf = {"schedule": {"every": 9}, "start": "2024-01-02", "lookback": 1, "lag": 0}
    tree = {
        "name": "root",
        "schedule": {"every": 1},
        "lookback": 3,
        "min_history": 4,
        "lag": 0,
        "optimizer": "inverse_volatility",
        "sleeves": {
            "coin": {**leaf, "dataset": "coins", "universe": "all"},
            "stock": {**leaf, "dataset": "stocks", "universe": "all"},
        },
    }
    books = oracle.run(tree, {"coins": coin, "stocks": stock})
    root = books["root"]
    # streams start on Wednesday the 3rd; common sessions with a row: 3rd, 4th, 5th, then Monday the 8th and Tuesday.
    # the third of them is Friday the 5th: warm-up goes on until the fourth.
    assert root.decisions[pd.Timestamp("2024-01-05")].status == "warmup"
    # Monday: window 4th, 5th, 8th: coins 0, 0, 1.1 x 1.1 x 1 - 1 = 0.21; stocks 0, 0.02, 0.
    monday = root.decisions[pd.Timestamp("2024-01-08")]
    assert monday.window == pytest.approx(np.array([[0, 0], [0, 0.02], [0.21, 0]]), abs=1e-15)
    # volatilities are in the ratio 0.21 : 0.02, so the weights are 2/23 and 21/23
    assert monday.weights == pytest.approx({"coin": 2 / 23, "stock": 21 / 23}, abs=1e-15)
    # the root has rows on the weekend; on Friday it traded to 1/2, so Saturday the 6th is 1/2 x 10 %
    assert row(root, "2024-01-06") == pytest.approx([0.05, 0, 0.05, 0], abs=1e-15)
    # Tuesday: coins +10 %, stocks -50 % on Monday's weights
    assert row(root, "2024-01-09")[0] == pytest.approx(2 / 23 * 0.1 - 21 / 23 * 0.5, abs=1e-14)


def test_a_child_that_stands_still_is_left_out_and_its_youth_no_longer_counts() -> None:
    prices = frame(days(9), A=[100, 100, 110, 110, 99, 99, 99, 99, 99], B=[100, 100, 100, 101, 99, 101, 90, 99, 90])
    prices["C"] = [100, 100, 100, 100, 100, 100, 100, 102, 102]
    leaf = {"schedule": {"every": 99}, "start": "2024-01-02", "lookback": 1, "lag": 0}
    tree = {
        "name": "root",
        "schedule": {"every": 1},
        "lookback": 5,
        "min_history": 2,
        "lag": 0,
        "optimizer": "inverse_volatility",
        "sleeves": {
            "a": {**leaf, "universe": ["A"]},
            "b": {**leaf, "universe": ["B"]},
            "c": {**leaf, "universe": ["C"], "start": "2024-01-06"},
        },
    }
    root = oracle.run(tree, prices)["root"]
    # 4th: two rows of a and b, so that warm-up is over; a 0.1, 0 and b 0, 0.01: 1/11 and 10/11
    assert root.decisions[pd.Timestamp("2024-01-04")].weights == pytest.approx({"a": 1 / 11, "b": 10 / 11, "c": 0})
    # 8th: c has two rows, 0 and 0.02, and makes the window two rows short: a stands still in it, on five it does not
    eighth = root.decisions[pd.Timestamp("2024-01-08")]
    assert eighth.reasons == {"a": "constant", "b": "", "c": ""} and eighth.status == "ok" and eighth.shortened
    assert eighth.window == pytest.approx(np.array([[90 / 101 - 1, 0], [0.1, 0.02]]), abs=1e-15)
    spread = 0.1 - (90 / 101 - 1)  # volatilities of two rows are as their spreads are: that of c is 0.02
    assert eighth.weights == pytest.approx({"a": 0, "b": 0.02 / (spread + 0.02), "c": spread / (spread + 0.02)})


def test_given_weights_leave_cash_and_ask_for_no_history() -> None:
    prices = frame(days(4), A=[100, 100, 110, 110], B=[NAN, NAN, 100, 120])
    leaf = {"schedule": {"every": 1}, "lookback": 1, "lag": 0}
    sleeves = {"a": {**leaf, "universe": ["A"]}, "b": {**leaf, "universe": ["B"]}}
    optimizer = {"name": "fixed", "weights": {"a": 0.5, "b": 0.3}}
    tree = {"name": "root", **leaf, "lookback": 99, "optimizer": optimizer, "sleeves": sleeves}
    root = oracle.run(tree, prices)["root"]
    assert held(root, "2024-01-02") == {"A": 0.5, "B": 0.0} and held(root, "2024-01-04") == {"A": 0.5, "B": 0.3}
    assert row(root, "2024-01-03")[0] == pytest.approx(0.05, abs=1e-15)
    assert {decision.status for decision in root.decisions.values()} == {"ok"}


def test_a_share_that_jumps_where_an_asset_has_no_price_waits_for_it() -> None:
    prices = frame(days(5), A=[100, 100, 100, 100, 100], B=[100, 100, 100, NAN, 100])
    leaf = {"schedule": {"every": 9}, "start": "2024-01-02", "lookback": 1, "lag": 0}
    tree = {
        "name": "root",
        "schedule": {"every": 2},
        "start": "2024-01-02",
        "lag": 0,
        "lookback": 99,
        "optimizer": {"name": "equal", "max_weight": 0.9},
        "sleeves": {"b": {**leaf, "universe": ["B"]}, "a": {**leaf, "universe": ["A"], "start": "2024-01-04"}},
    }
    root = oracle.run(tree, prices)["root"]
    # on the 2nd only b is live: 1/1 capped at 0.9. On the 4th both are: 1/2 each, but B has no price until the 5th.
    assert held(root, "2024-01-02") == {"A": 0.0, "B": 0.9}
    assert held(root, "2024-01-04") == {"A": 0.5, "B": 0.9}
    assert held(root, "2024-01-05") == {"A": 0.5, "B": 0.5}
    assert row(root, "2024-01-05")[3] == pytest.approx(0.2, abs=1e-15)


def test_period_schedules_take_the_first_session_of_a_new_period() -> None:
    dates = pd.bdate_range("2024-01-29", "2024-04-05")
    for rule, expected in {
        "weekly": pd.date_range("2024-02-05", "2024-04-01", freq="W-MON"),
        "monthly": pd.DatetimeIndex(["2024-02-01", "2024-03-01", "2024-04-01"]),
        "quarterly": pd.DatetimeIndex(["2024-04-01"]),
        "yearly": pd.DatetimeIndex([]),
    }.items():
        spec = oracle.Spec("x", {**oracle.DEFAULTS, "schedule": rule}, [])
        assert [dates[i] for i in sorted(spec.scheduled(list(dates)))] == list(expected), rule


def test_min_variance_of_two_assets_is_the_textbook_formula() -> None:
    X = np.random.default_rng(3).normal(size=(60, 2)) @ np.array([[0.01, 0.002], [0.0, 0.02]])
    S = np.cov(X, rowvar=False)
    first = (S[1, 1] - S[0, 1]) / (S[0, 0] + S[1, 1] - 2 * S[0, 1])
    assert oracle.min_variance(X) == pytest.approx([first, 1 - first], abs=1e-13)


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (0.05, 0.4)])
def test_min_variance_agrees_with_a_general_solver(bounds: tuple[float, float]) -> None:
    rng = np.random.default_rng(11)
    X = rng.normal(size=(80, 5)) @ rng.normal(size=(5, 5)) * 0.01
    S = np.cov(X, rowvar=False) * 1e4
    found = minimize(
        lambda w: w @ S @ w,
        np.full(5, 0.2),
        jac=lambda w: 2 * S @ w,
        bounds=[bounds] * 5,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(5)},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
    )
    weights = oracle.min_variance(X, *bounds)
    assert weights == pytest.approx(found.x, abs=1e-6)
    assert weights @ S @ weights <= found.fun + 1e-12


def test_top_k_and_inverse_volatility_on_one_window() -> None:
    X = np.array([[0.01, -0.02, 0.03], [-0.01, 0.02, 0.00]])
    # means 0, 0, 0.015; volatilities proportional to 2, 4, 3
    assert oracle.select({"name": "top_k", "k": 1}, X, ["a", "b", "c"]) == ["c"]
    assert oracle.select({"name": "top_k", "k": 2}, X, ["a", "b", "c"]) == ["a", "c"]  # a tie is broken by symbol
    assert oracle.select({"name": "top_k", "k": 1, "by": "low_volatility"}, X, ["a", "b", "c"]) == ["a"]
    # 1/2 : 1/4 : 1/3 = 6 : 3 : 4
    assert oracle.inverse_volatility(X) == pytest.approx([6 / 13, 3 / 13, 4 / 13], abs=1e-15)


@pytest.mark.parametrize(("lag", "weights"), [(0, [0.5, 0.55, 0.6]), (1, [0.5, 0.5, 0.5])])
def test_a_root_decides_in_turn_from_what_is_held_and_not_from_what_it_decided(lag: int, weights: list[float]) -> None:
    """A child's share is decided to be what is left of it; only a decision that is not traded yet comes first."""
    prices = frame(days(6), A=[100, 100, 110, 100, 1100 / 9, 150], B=[100, 100, 110, 100, 100, 100])
    leaf = {"schedule": {"every": 9}, "start": "2024-01-02", "lookback": 1, "lag": 0}
    tree = {
        "name": "root",
        "schedule": {"every": 1},
        "start": "2024-01-02",
        "lookback": 2,
        "lag": lag,
        "min_history": 1,
        "optimizer": {"name": "equal", "max_turnover": 9.0},
        "sleeves": {"a": {**leaf, "universe": ["A"]}, "b": {**leaf, "universe": ["B"]}},
    }
    seen = []

    def keep(name: str, X: np.ndarray, settings: dict, held: np.ndarray, sold: np.ndarray) -> np.ndarray:
        seen.append(float(held[0]))
        return held.copy()

    oracle.run(tree, prices, optimizers={oracle.IN_TURN: keep})
    # 1/2 each until the 4th; on the 5th 0.5 x (11/9) / (10/9) = 0.55; on the 6th 0.55 x (27/22) / (9/8) = 0.6
    assert seen[-3:] == pytest.approx(weights, abs=1e-12)
