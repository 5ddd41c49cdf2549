"""The oracle's tables against arithmetic done by hand, and against the formulae by which vendors adjust closes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.shared import oracle
from tests.shared.oracle_point_in_time import POLICY, PointInTimeMarket
from tests.shared.random_markets import RAW, random_market, random_tree

NAN = np.nan
DAYS = [str(day.date()) for day in pd.date_range("2024-01-01", periods=8)]
"""Eight sessions, a Monday to a Monday."""
OPEN = {"universe": "all", "schedule": {"every": 99}, "start": DAYS[1], "lookback": 1, "lag": 0}
"""A leaf that buys equal parts at the close of the second day, and nothing after it."""


def market(adjusted: bool = False, volumes: dict[str, list[float]] | None = None, **given: object) -> PointInTimeMarket:
    """Return a market of one dataset; names in capitals are prices, others are tables."""
    prices = {name: values for name, values in given.items() if name.isupper()}
    days = pd.DatetimeIndex(DAYS[: len(next(iter(prices.values())))])
    traded = {"d": pd.DataFrame(volumes, days, dtype=float)} if volumes else None
    tables = {name: rows for name, rows in given.items() if name not in prices}
    return PointInTimeMarket({"d": pd.DataFrame(prices, days, dtype=float)}, {"d": tables}, {"d": adjusted}, traded)


def action(asset: str, date: str, kind: str, **values: object) -> dict[str, object]:
    return {"asset": asset, "ex_date": date, "kind": kind, "ratio": None, "cash": None, "into": None, **values}


def delisting(asset: str, date: str, value: float | None, kind: str = "performance", included: bool = False) -> dict:
    return {"asset": asset, "date": date, "return": value, "kind": kind, "included": included}


def member(asset: str, first: str, last: str | None, known: str) -> dict[str, object]:
    return {"universe": "u", "asset": asset, "first_date": first, "last_date": last, "known_at": known}


def leaf(of: PointInTimeMarket, **settings: object) -> oracle.Book:
    return oracle.run({"name": "x", **OPEN, **settings}, of)["x"]


def gross(book: oracle.Book) -> list[float]:
    return [row.gross for row in book.rows.values()]


def held(book: oracle.Book, date: str) -> dict[str, float]:
    return oracle.net(book.after[pd.Timestamp(date)])


DYING = {
    "A": [100, 100, 11, 10, 10, NAN, NAN, NAN],
    "B": [100, 100, 100, 100, 100, 100, 110, 110],
    "actions": [action("A", DAYS[2], "split", ratio=10.0), action("A", DAYS[3], "cash", cash=1.0)],
    "delistings": [delisting("A", DAYS[5], -0.55)],
}


def test_a_stock_splits_pays_and_dies_on_a_stated_path() -> None:
    """Its holder of 0.5 has 0.55 after the split (11 x 10 / 100), the same after it paid 1 of 11, 0.2475 at its end."""
    book = leaf(market(**DYING))
    assert gross(book) == pytest.approx([0.05, 0.0, 0.0, -0.3025 / 1.05, 0.05 / 0.7475, 0.0], abs=1e-15)
    assert held(book, DAYS[4]) == pytest.approx({"A": 0.55 / 1.05, "B": 0.5 / 1.05}, abs=1e-15)
    assert held(book, DAYS[5]) == pytest.approx({"A": 0.0, "B": 0.5 / 0.7475}, abs=1e-15)


def test_what_was_left_of_it_is_cash_that_earns_the_rate_by_calendar_days() -> None:
    """0.2475 of 0.7475 lie idle for a day at 5 % act/360; the rate is that of the session before."""
    rows = [
        {"name": "usd", "date": "2023-12-01", "value": 0.05, "day_count": 360.0},
        {"name": "usd", "date": DAYS[6], "value": 0.9, "day_count": 360.0},
    ]
    book = leaf(market(**DYING, rates=rows), cash="usd")
    assert gross(book)[4] == pytest.approx((0.05 + 0.2475 * 0.05 / 360) / 0.7475, abs=1e-15)
    assert gross(book)[0] == pytest.approx(0.05, abs=1e-15)  # nothing was idle


def test_cash_earns_over_a_weekend_and_from_the_proceeds_of_shorts() -> None:
    days = ["2024-01-04", "2024-01-05", "2024-01-08"]
    frame = pd.DataFrame({"A": [100.0, 100.0, 100.0]}, pd.DatetimeIndex(days))
    tree = {"name": "x", **OPEN, "start": days[1], "cash": {"rate": 0.0365}}
    for direction, idle in (("long", 0.0), ("short", 2.0)):
        book = oracle.run({**tree, "direction": direction}, PointInTimeMarket({"d": frame}, {}))["x"]
        assert gross(book) == pytest.approx([idle * 3e-4], abs=1e-15)  # 3.65 % of 365 days: 1 bp a day


@pytest.mark.parametrize(
    ("row", "settings", "last"),
    [
        (delisting("A", DAYS[3], -0.4), {}, 1.1 * 0.6 - 1),  # compounds with the price return of that session
        (delisting("A", DAYS[3], -0.4, included=True), {}, 0.1),
        (delisting("A", DAYS[3], None), {}, 1.1 * 0.7 - 1),
        (delisting("A", DAYS[3], None, "merger"), {}, 0.1),
        (delisting("A", DAYS[3], None, "unknown"), {"delisting": {"unknown": -1.0}}, -1.0),
        (delisting("A", DAYS[3], -0.4), {"delisting": {"performance": 0.0}}, 1.1 * 0.6 - 1),
    ],
)
def test_a_delisting_compounds_once_and_a_missing_return_is_the_leafs_policy(
    row: dict, settings: dict, last: float
) -> None:
    book = leaf(market(A=[10, 10, 10, 11, NAN], B=[5, 5, 5, 5, 5], delistings=[row]), **settings)
    assert gross(book) == pytest.approx([0, 0.5 * last, 0], abs=1e-15)
    assert held(book, DAYS[3])["A"] == 0.0
    assert held(book, DAYS[3])["B"] == pytest.approx(0.5 / (1 + 0.5 * last), abs=1e-15)


def test_a_delisting_on_a_day_without_a_session_takes_effect_in_the_next_one() -> None:
    days = pd.DatetimeIndex(["2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"])
    frame = pd.DataFrame({"A": [10, 10, NAN, NAN], "B": [5.0, 5.0, 5.0, 5.0]}, days)
    tables = {"d": {"delistings": [delisting("A", "2024-01-06", -0.5)]}}
    book = oracle.run({"name": "x", **OPEN, "start": "2024-01-05"}, PointInTimeMarket({"d": frame}, tables))["x"]
    assert gross(book) == pytest.approx([-0.25, 0.0], abs=1e-15)


def test_no_trade_opens_what_ends_and_what_waits_for_it_is_dropped() -> None:
    of = {"A": [10, 10, 10, 10, NAN], "B": [5, 5, 5, 5, 5]}
    for lag in (2, 3):  # due in the session in which it ends, and the one after
        book = leaf(market(**of, delistings=[delisting("A", DAYS[3], -0.5)]), lag=lag)
        assert held(book, DAYS[4]) == {"A": 0.0, "B": 0.5}
        assert set(gross(book)) <= {0.0}
    waits = {**of, "A": [10, 10, NAN, NAN, 10]}
    book = leaf(market(**waits, delistings=[delisting("A", DAYS[3], -0.5)]), lag=1)
    assert held(book, DAYS[4]) == {"A": 0.0, "B": 0.5}


def test_what_has_ended_is_decided_no_more() -> None:
    of = market(A=[10, 10, 10, 10, NAN], B=[5, 5, 5, 5, 5], delistings=[delisting("A", DAYS[3], -0.5)])
    book = leaf(of, schedule={"every": 1})
    decided = {str(t.date()): decision.weights for t, decision in book.decisions.items()}
    assert decided[DAYS[2]] == {"A": 0.5, "B": 0.5} and decided[DAYS[3]] == {"A": 0.0, "B": 1.0}


def test_a_merger_pays_cash_and_shares_at_their_last_close_and_ends_the_asset() -> None:
    rows = [action("A", DAYS[3], "merger", cash=4.0, ratio=2.0, into="B")]
    book = leaf(market(A=[10, 10, 10, NAN, NAN], B=[3, 3, 3, 3.3, 3.3], actions=rows))
    # (4 + 2 x 3.3) / 10 - 1 = 6 %; B earns 10 %
    assert gross(book) == pytest.approx([0, 0.5 * 0.06 + 0.5 * 0.1, 0], abs=1e-15)
    assert held(book, DAYS[3]) == pytest.approx({"A": 0.0, "B": 0.55 / 1.08}, abs=1e-15)


def test_a_spin_off_is_worth_what_is_received() -> None:
    rows = [action("A", DAYS[3], "spinoff", ratio=0.5, into="B")]
    book = leaf(market(A=[10, 10, 10, 9, 9], B=[NAN, NAN, NAN, 2.4, 2.4], actions=rows))
    assert gross(book) == pytest.approx([0, (9 + 0.5 * 2.4) / 10 - 1, 0], abs=1e-15)


def test_actions_of_days_without_a_price_are_of_the_next_one_in_order() -> None:
    """A dividend of 1 before a split is of one share; after it, or on its day, it is of each of the two."""
    prices = {"A": [10, 10, NAN, NAN, 5], "B": [1, 1, 1, 1, 1]}
    split = action("A", DAYS[3], "split", ratio=2.0)
    for date, paid in ((DAYS[2], 1.0), (DAYS[3], 2.0), (DAYS[4], 2.0), (DAYS[1], 0.0)):
        rows = [action("A", date, "cash", cash=1.0), split]
        assert gross(leaf(market(**prices, actions=rows)))[2] == pytest.approx(0.5 * paid / 10, abs=1e-15)
    rows = [action("A", DAYS[3], "stock", ratio=0.05)]
    assert gross(leaf(market(**prices, actions=rows)))[2] == pytest.approx(0.5 * (5 * 1.05 / 10 - 1), abs=1e-15)


def test_adjusted_prices_know_of_no_actions() -> None:
    assert gross(leaf(market(adjusted=True, **DYING)))[0] == pytest.approx(0.5 * (11 / 100 - 1), abs=1e-15)


def test_a_member_is_decided_from_when_it_is_known_until_its_end_is() -> None:
    rows = [
        member("A", DAYS[0], None, DAYS[0]),
        member("B", DAYS[1], None, DAYS[3]),  # told two days late
        member("C", DAYS[2], None, DAYS[0]),  # told ahead
        member("A", DAYS[0], DAYS[4], DAYS[6]),  # it left on the fifth day, which was told on the seventh
        member("C", DAYS[2], DAYS[4], DAYS[3]),  # the end was told ahead
    ]
    flat = dict.fromkeys("ABCD", [1.0] * 8)
    book = leaf(market(**flat, members=rows), universe={"members": "u"}, schedule={"every": 1})
    found = {str(t.date()): "".join(sorted(s for s in "ABC" if d.weights[s])) for t, d in book.decisions.items()}
    assert found == dict(zip(DAYS[1:], ["A", "AC", "ABC", "ABC", "AB", "B", "B"], strict=True))
    assert "D" not in book.decisions[pd.Timestamp(DAYS[1])].weights
    assert book.decisions[pd.Timestamp(DAYS[7])].reasons == {"A": "not a member", "B": "", "C": "not a member"}


RANKED = {
    "A": [10, 10, 10, 2, 10],
    "B": [20, 20, 20, 20, 20],
    "C": [30, 30, NAN, 30, 30],
    "D": [NAN, 20, 20, 20, 20],
}


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ({"by": "close", "largest": 1, "lookback": 1}, ["C", "B", "C", "C"]),
        ({"by": "close", "largest": 2, "lookback": 1}, ["BC", "BD", "BC", "BC"]),  # ties by symbol
        ({"by": "close", "largest": 1, "lookback": 9, "of": ["A", "D"]}, ["D", "D", "D", "D"]),
        ({"by": "close", "largest": 3, "lookback": 4}, ["BCD", "ABD", "BCD", "BCD"]),
        ({"by": "close", "largest": 9, "min_price": 10}, ["ABCD", "ABD", "BCD", "ABCD"]),
        ({"min_price": 10.0}, ["ABCD", "ABD", "BCD", "ABCD"]),
        ({"min_prices": 3}, ["", "AB", "ABCD", "ABCD"]),
        # of the last two sessions: A trades 1000 a day, then 5 x 2; C trades 60; B 20 or nothing known; D 40
        ({"by": "dollar_volume", "largest": 1, "lookback": 2}, ["A", "A", "A", "C"]),
        ({"by": "dollar_volume", "largest": 3, "lookback": 2}, ["ACD", "ABD", "ACD", "ACD"]),
        ({"by": "dollar_volume", "largest": 9, "lookback": 1}, ["ABCD", "AD", "ACD", "ABCD"]),
    ],
)
def test_a_rule_takes_the_largest_of_what_has_a_price(rule: dict, found: list[str]) -> None:
    volumes = {
        "A": [100, 100, 100, 5, 5],
        "B": [1, 1, NAN, NAN, 1],
        "C": [2, 2, 2, 2, 2],
        "D": [2, 2, 2, 2, 2],
    }
    of = market(**RANKED, volumes=volumes)
    spec = oracle.resolve({**OPEN, "universe": rule}, of, "x", {}, None)
    assert ["".join(sorted(of.members(spec, pd.Timestamp(day)))) for day in DAYS[1:5]] == found


def test_a_reserve_stays_in_cash_and_scales_every_target() -> None:
    of = market(A=[1, 1, 2, 2], B=[1, 1, 1, 1])
    book = leaf(of, cash={"reserve": 0.2})
    assert held(book, DAYS[1]) == pytest.approx({"A": 0.4, "B": 0.4}, abs=1e-15)
    assert gross(book)[0] == pytest.approx(0.4, abs=1e-15)
    leaves = {"a": {**OPEN, "universe": ["A"]}, "b": {**OPEN, "universe": ["B"], "cash": {"reserve": 0.5}}}
    tree = {"name": "x", **OPEN, "lookback": 2, "sleeves": leaves, "cash": {"reserve": 0.2, "rate": 0.365}}
    tree.pop("universe")
    books = oracle.run(tree, of)
    assert held(books["x"], DAYS[1]) == pytest.approx({"A": 0.4, "B": 0.2}, abs=1e-15)
    # a doubles: 0.4; idle are 0.4 at 10 bp a day, of which b has half of its own
    assert gross(books["x"])[0] == pytest.approx(0.4 + 0.4 * 0.001, abs=1e-15)
    assert gross(books["x/b"])[0] == pytest.approx(0.5 * 0.001, abs=1e-15)


def test_costs_are_the_assets_own_then_those_of_all_then_the_sleeves() -> None:
    columns = ("commission_bp", "slippage_bp", "borrow_bp")
    rows = [
        {"asset": asset, "first_date": date, **dict(zip(columns, values, strict=True))}
        for asset, date, values in (
            ("*", DAYS[0], (10.0, 10.0, 365.0)),
            ("A", DAYS[1], (50.0, None, 730.0)),
            ("A", DAYS[4], (900.0, 0.0, 0.0)),
        )
    ]
    of = market(A=[1, 1, 1, 1], B=[1, 1, 1, 1], costs=rows)
    book = leaf(of, direction="short", costs={"slippage_bp": 30.0, "commission_bp": 70.0})
    # A: 50 and the sleeve's 30; B: 20 as all have; each on one half. Shorts: 2 bp and 1 bp a day on a half each.
    assert next(iter(book.rows.values())).cost == pytest.approx((0.5 * 80 + 0.5 * 20 + 0.5 * 2 + 0.5 * 1) * 1e-4)


def test_a_foreign_asset_earns_its_return_and_that_of_its_currency() -> None:
    rows = {
        "assets": [{"asset": "A", "currency": "EUR"}, {"asset": "B", "currency": "USD"}],
        "rates": [
            {"name": "fx:EURUSD", "date": date, "value": value, "day_count": None}
            for date, value in zip(DAYS[:4], [1.1, 1.0, 1.25, 1.0], strict=True)
        ],
    }
    of = market(A=[1, 1, 1.1, 1.1], B=[1, 1, 1, 1], **rows)
    assert gross(leaf(of, universe=["A"], currency="EUR")) == pytest.approx([0.1, 0.0], abs=1e-15)
    assert gross(leaf(of, universe=["A"], currency="USD")) == pytest.approx([1.1 * 1.25 - 1, -0.2], abs=1e-15)
    assert gross(leaf(of, universe=["B"], currency="EUR")) == pytest.approx([1 / 1.25 - 1, 0.25], abs=1e-15)
    assert gross(leaf(of, universe=["A"])) == pytest.approx([0.1, 0.0], abs=1e-15)


# ------------------------------------------------------------------------------------- by another route


def vendors_factor(close: pd.Series, rows: pd.DataFrame, worth: pd.Series) -> pd.Series:
    """Return what closes are multiplied by so that their ratios are total returns, as CRSP cumulates its factors.

    Each distribution is reinvested at the close of the session in which it went ex. What was paid is kept per share of
    that close: with the p of it, and the shares that one share before became, the factor is shares x (1 + paid / p).
    """
    factor = pd.Series(1.0, close.index)
    sessions = close.index.searchsorted(pd.DatetimeIndex(rows["ex_date"]))
    for at in sorted(set(sessions) - {0, len(close)}):
        shares, paid = 1.0, 0.0
        due = rows[sessions == at].assign(split=rows["kind"].isin(["split", "stock"]))
        for _, row in due.sort_values(["ex_date", "split"], ascending=[True, False]).iterrows():
            if row["split"]:
                growth = row["ratio"] + (row["kind"] == "stock")
                shares, paid = shares * growth, paid / growth
            else:
                paid += row["cash"] if row["kind"] == "cash" else row["ratio"] * worth[: close.index[at]].iloc[-1]
        factor.iloc[at] = shares * (1 + paid / close.iloc[at])
    return factor.cumprod()


@pytest.mark.parametrize("seed", range(6))
def test_closes_adjusted_by_a_vendors_chain_of_factors_have_the_same_returns(seed: int) -> None:
    of = random_market(seed)
    chain = PointInTimeMarket(of.prices, of.tables, of.adjusted)
    actions = pd.DataFrame(of.tables[RAW]["actions"])
    (received,) = set(actions["into"].dropna()) or {of.prices[RAW].columns[0]}
    compared, apart = 0, 0.0
    for symbol in of.prices[RAW].columns:
        close = of.prices[RAW][symbol].dropna()
        rows = actions[(actions["asset"] == symbol) & (actions["kind"] != "merger")]
        adjusted = close * vendors_factor(close, rows, of.prices[RAW][received].dropna())
        expected = (adjusted / adjusted.shift() - 1).iloc[1:]
        expected = expected[expected.index < (chain.end(RAW, symbol) or pd.Timestamp.max)]
        found = chain.total_returns(RAW, symbol, POLICY)
        apart = max([apart, *(abs(found[t] - r) for t, r in expected.items())])
        compared += len(expected)
    assert compared > 2000 and apart <= 1e-12


@pytest.mark.parametrize("seed", range(4))
def test_flattened_holdings_and_cash_replay_to_the_stream(seed: int) -> None:
    """R = H'r + (1 - sum H) f at any depth, f being what one unit of cash alone would have earned."""
    of = random_market(seed)
    chain = PointInTimeMarket(of.prices, of.tables, of.adjusted, of.volumes)
    tree = {**random_tree(seed, of), "cash": {"rate": "usd", "reserve": 0.1}}
    books = oracle.run(tree, chain)
    spec = oracle.resolve(tree, chain, "root", {}, None)
    oracle.settle_cash(spec)
    leaves = {leaf.path: leaf for leaf in spec.leaves()}
    usd = [(pd.Timestamp(r["date"]), r["value"]) for r in of.tables[RAW]["rates"] if r["name"] == "usd"]
    rows = 0
    for book in books.values():
        for earlier, t in zip(book.sessions, book.sessions[1:], strict=False):
            if t in book.rows:
                rate = [value for date, value in usd if date <= earlier][-1]
                f = rate * (t - earlier).days / 360
                held_before = book.after[earlier]
                earned = sum(h * chain.returns_of(leaves[p], s).get(t, 0.0) for (p, s), h in held_before.items())
                assert abs(earned + (1 - sum(held_before.values())) * f - book.rows[t].gross) <= 1e-12
                rows += 1
    assert rows > 500
