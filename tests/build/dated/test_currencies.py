"""Currencies of a tree: identities, what is refused, what is in a run's identity, and who sees converted returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.analysis.note_lines import note_lines
from metabt.errors import ConfigError
from tests.shared.random_markets import Rows, dated_table

DAYS = pd.bdate_range("2019-11-01", periods=90)
ALONE = {"optimizer": "equal", "lookback": 2, "lag": 0, "schedule": {"every": 1}, "costs": {}}
LIFE = {"first_date": "2000-01-01", "last_date": None, "known_at": "2000-01-01"}


def walk(seed: int, size: float = 0.01) -> np.ndarray:
    return np.exp(np.cumsum(np.random.default_rng(seed).normal(0, size, len(DAYS))))


def frame() -> pd.DataFrame:
    return pd.DataFrame({"A": 50 * walk(1), "B": 20 * walk(2), "C": 10 * walk(3)}, DAYS)


def lives(**currency: str | None) -> Rows:
    return [{**LIFE, "asset": it, "symbol": it, "currency": code} for it, code in currency.items()]


def rate(
    name: str, values: np.ndarray | list[float] | float, days: pd.DatetimeIndex = DAYS, count: float | None = None
) -> Rows:
    found = np.broadcast_to(np.asarray(values), len(days)).tolist()
    return [
        {"name": name, "date": str(t.date()), "value": value, "day_count": count}
        for t, value in zip(days, found, strict=True)
    ]


EURO = rate("fx:EURUSD", 1.1 * walk(9, 0.005))


def run(tree: Mapping[str, Any], assets: Rows, rates: Rows, prices: Any = None, **more: Any) -> metabt.Result:
    tables = {"assets": assets, "rates": rates}
    made = {name: dated_table(name, rows) for name, rows in tables.items() if rows}
    return metabt.backtest({"name": "t", **ALONE, **tree}, frame() if prices is None else prices, tables=made, **more)


def gross(result: metabt.Result, path: str = "t") -> pd.Series:
    return result.returns(path)["gross"]


def test_an_asset_in_the_currency_of_the_tree_has_no_exchange() -> None:
    plain, home = run({"universe": ["A"]}, [], []), run({"universe": ["A"], "currency": "EUR"}, lives(A="EUR"), EURO)
    assert gross(home).tolist() == gross(plain).tolist()


def test_a_tree_without_a_currency_is_what_it_was_and_says_that_nothing_is_converted() -> None:
    plain, mixed = run({"universe": ["A", "B"]}, [], []), run({"universe": ["A", "B"]}, lives(A="EUR", B="USD"), EURO)
    assert gross(mixed).tolist() == gross(plain).tolist()
    assert any("assets are in EUR, USD and their returns are not converted" in line for line in note_lines(mixed.notes))
    assert not any("converted" in line for line in note_lines(plain.notes))


def test_a_foreign_asset_earns_what_its_value_in_the_currency_of_the_tree_changed_by() -> None:
    worth = np.array([row["value"] for row in EURO])
    for base, factor in (("USD", worth), ("EUR", 1 / worth)):
        asset = "A" if base == "USD" else "B"
        got = gross(run({"universe": [asset], "currency": base}, lives(A="EUR", B="USD"), EURO))
        value = frame()[asset] * factor
        assert got.to_numpy() == pytest.approx(value.pct_change()[got.index].to_numpy(), abs=1e-12)


def test_the_other_way_round_is_the_reciprocal() -> None:
    tree, back = {"universe": ["A", "B"], "currency": "USD"}, [dict(row) for row in EURO]
    for row in back:
        row.update(name="fx:USDEUR", value=1 / float(str(row["value"])))
    one, other = (run(tree, lives(A="EUR"), it) for it in (EURO, back))
    assert gross(one).to_numpy() == pytest.approx(gross(other).to_numpy(), abs=1e-13)


@pytest.mark.parametrize("name", ["fx:EURUSD", "fx:USDEUR"])
def test_a_leaf_earns_by_the_rates_of_its_own_dataset_whatever_its_siblings_have(name: str) -> None:
    """Its own rate counts the other way round too, before one that is called as it should be, of another dataset."""
    worth = np.array([row["value"] for row in EURO])
    own = rate(name, worth if name == "fx:EURUSD" else 1 / worth)
    leaf = {**ALONE, "currency": "USD", "dataset": "home", "universe": ["A", "B"]}
    away = {**leaf, "dataset": "away", "universe": ["C"]}
    frames = {"home": frame()[["A", "B"]], "away": frame()[["C"]]}

    def beside(others: Rows | None) -> metabt.Result:
        beside_prices = {
            "home": {"assets": dated_table("assets", lives(A="EUR")), "rates": dated_table("rates", own)},
            "away": {"rates": dated_table("rates", others or [])} if others else {},
        }
        tree = {"name": "t", **ALONE, "currency": "USD", "sleeves": {"one": leaf, "two": away}}
        return metabt.backtest(tree, frames, tables={it: of for it, of in beside_prices.items() if of})

    alone = gross(beside(None), "t/one")
    for others in (rate("fx:EURUSD", 2 * walk(10)), rate("fx:USDEUR", walk(11))):
        assert gross(beside(others), "t/one").tolist() == alone.tolist()


def test_rates_of_two_other_datasets_that_say_unlike_things_are_refused() -> None:
    frames = {name: frame()[[asset]] for name, asset in (("home", "A"), ("one", "B"), ("two", "C"))}
    tables = {
        "home": {"assets": dated_table("assets", lives(A="EUR"))},
        "one": {"rates": dated_table("rates", EURO)},
        "two": {"rates": dated_table("rates", rate("fx:USDEUR", walk(11)))},
    }
    sleeves = {name: {**ALONE, "dataset": name, "universe": "all"} for name in frames}
    tree = {"name": "t", **ALONE, "currency": "USD", "sleeves": sleeves}
    with pytest.raises(ConfigError, match="'fx:EURUSD' or 'fx:USDEUR', which datasets 'one' and 'two' have"):
        metabt.backtest(tree, frames, tables=tables)


HEDGED = {"universe": ["A"], "currency": "USD", "cash": 0.05, "hedged": {"EUR": 0.02}}


def test_at_parity_a_hedged_holding_with_zero_local_return_earns_the_difference_of_rates() -> None:
    """It is so in the session after the hedge was set; by then what is held and what is hedged drift apart."""
    still = pd.DataFrame({"A": 50.0, "B": 20.0}, DAYS)
    got = gross(run(HEDGED, lives(A="EUR"), EURO, still))
    sessions = list(DAYS)
    firsts = [i for i in range(1, len(sessions)) if sessions[i].month != sessions[i - 1].month]
    assert len(firsts) == 4
    for i in firsts:
        days = (sessions[i + 1] - sessions[i]).days
        carry = (1 + 0.05 / 365 * days) / (1 + 0.02 / 365 * days) - 1
        assert got[sessions[i + 1]] == pytest.approx(carry, abs=1e-15)
    bare = gross(run({**HEDGED, "hedged": False}, lives(A="EUR"), EURO, still))
    after = got.index > sessions[firsts[0]]
    assert got[after].std() < bare[after].std() / 5


def test_hedges_of_other_currencies_than_are_held_are_refused() -> None:
    """A tree that asks for hedges and would have none: {GBP: ...} over euros, or the tree's own currency."""
    for named in ({"GBP": 0.02}, {"USD": 0.02}):
        with pytest.raises(
            ConfigError, match=r"sleeve 't' is hedged, and none .* such as EUR; name it, as in hedged: {"
        ):
            run({**HEDGED, "hedged": named}, lives(A="EUR"), EURO)
    both = run({**HEDGED, "hedged": {"EUR": 0.02, "GBP": 0.02}}, lives(A="EUR"), EURO)
    assert gross(both).tolist() == gross(run(HEDGED, lives(A="EUR"), EURO)).tolist()
    assert len(
        run({**HEDGED, "hedged": {"GBP": 0.02}}, [], []).returns("t")
    )  # where nothing is abroad, nothing is asked


def test_a_hedge_is_in_the_flattened_book_and_costs_what_its_rows_say() -> None:
    free, dear = (run({**HEDGED, "costs": costs}, lives(A="EUR"), EURO) for costs in ({}, {"borrow_bp": 5000}))
    weights = free.tables["weights"]["symbol"]
    assert "fx:EUR" in weights.values
    assert gross(free).tolist() == gross(dear).tolist()
    assert dear.returns("t")["cost"].sum() == 0  # nobody lends a forward
    row = {"first_date": "2019-01-01", "commission_bp": None, "slippage_bp": None, "borrow_bp": 3650.0}
    lent = {"assets": lives(A="EUR"), "rates": EURO, "costs": [{**row, "asset": "fx:EUR"}]}
    tables = {name: dated_table(name, rows) for name, rows in lent.items()}
    paying = metabt.backtest({"name": "t", **ALONE, **HEDGED}, frame(), tables=tables).returns("t")
    assert paying["cost"]["2019-12-03"] == pytest.approx(1e-3, rel=1e-6)  # a row of its own says that somebody does
    charged = run({**HEDGED, "costs": {"commission_bp": 10}}, lives(A="EUR"), EURO)
    book = charged.frame("weights")
    traded = book[book["date"] == pd.Timestamp("2019-12-02")].set_index("symbol")["trade"]
    assert traded["fx:EUR"] == pytest.approx(-1.0, abs=1e-12)
    assert charged.returns("t")["cost"]["2019-12-03"] == pytest.approx(1e-3 * traded.abs().sum(), abs=1e-15)


def test_contributions_and_risk_by_asset_know_hedges_and_add_up() -> None:
    tree = {"currency": "USD", "cash": 0.05, "hedged": True, "min_history": 2}
    leaves = {"one": {**ALONE, "universe": ["A", "B"]}, "two": {**ALONE, "universe": ["A", "C"]}}
    found = run({**tree, "sleeves": leaves}, lives(A="EUR", C="EUR"), EURO + rate("eur", 0.02, count=360.0))
    rows = found.attribution()
    own = rows[rows["path"] == "t/one"]
    assert set(own["item"]) >= {"A", "B", "fx:EUR", "cash", "costs"}
    assert own["own"].sum() == pytest.approx((1 + found.returns("t/one")["net"]).prod() - 1, abs=1e-12)
    top = rows[rows["path"] == "t"]
    assert top["root"].sum() == pytest.approx((1 + found.returns("t")["net"]).prod() - 1, abs=1e-12)


def test_a_rate_dated_later_changes_nothing_before_it() -> None:
    tree = {**HEDGED, "universe": ["A", "B"], "optimizer": "inverse_volatility", "lookback": 10}
    moved = [dict(row) for row in EURO]
    for row in moved[60:]:
        row["value"] = 2 * float(str(row["value"]))
    one, other = (run(tree, lives(A="EUR"), it) for it in (EURO, moved))
    until = DAYS[59]
    assert gross(one)[:until].tolist() == gross(other)[:until].tolist()
    assert gross(one)[DAYS[60] :].tolist() != gross(other)[DAYS[60] :].tolist()


def test_a_rate_of_another_pair_is_in_no_identity_and_those_that_are_read_are() -> None:
    other = rate("fx:GBPUSD", 1.3)
    one, same = (run(HEDGED, lives(A="EUR"), rates) for rates in (EURO, EURO + other))
    assert one.run_id == same.run_id
    moved = [*EURO[:-1], {**EURO[-1], "value": 9.0}]
    assert run(HEDGED, lives(A="EUR"), moved).run_id != one.run_id
    named = {**HEDGED, "hedged": {"EUR": "estr"}}
    dearer = [{**row, "value": 1.1 * float(str(row["value"]))} for row in EURO[-20:]]
    still = frame()
    still.loc[DAYS[30] :, "A"] = np.nan  # held on at its last price, and hedged, in sessions without one
    kept = {
        **HEDGED,
        "universe": ["A", "B"],
        "schedule": {"every": 1000},
        "stale_after": 500,
        "start": str(DAYS[5].date()),
    }
    runs = [run(kept, lives(A="EUR"), it, still) for it in (EURO, EURO[:-20] + dearer)]
    assert runs[0].run_id != runs[1].run_id and gross(runs[0]).tolist() != gross(runs[1]).tolist()
    paid = [run(named, lives(A="EUR"), EURO + rate("estr", it, count=360.0)).run_id for it in (0.01, 0.02)]
    assert paid[0] != paid[1]


def test_the_flat_baseline_holds_converted_returns() -> None:
    tree = {"currency": "USD", "sleeves": {"a": {**ALONE, "universe": ["A"]}, "b": {**ALONE, "universe": ["B"]}}}
    flat = run(tree, lives(A="EUR"), EURO, is_meta_backtest=False)
    leaf = run({"universe": ["A", "B"], "currency": "USD"}, lives(A="EUR"), EURO)
    assert gross(flat).to_numpy() == pytest.approx(gross(leaf).to_numpy(), abs=1e-14)


def test_a_benchmark_is_in_the_currency_of_the_tree() -> None:
    found = run({"universe": ["A"], "currency": "USD"}, lives(A="EUR"), EURO, benchmark="A")
    assert gross(found, "benchmark:A").to_numpy() == pytest.approx(gross(found).to_numpy(), abs=1e-14)


def test_old_and_missing_rates_are_counted() -> None:
    found = run({"universe": ["A"], "currency": "USD", "stale_after": 5}, lives(A="EUR"), EURO[20:40])
    (old,) = found.notes.exchanges
    assert (old.path, old.currency, old.base) == ("t", "EUR", "USD")
    first, last = found.notes.first, found.notes.last
    seen = [i for i, t in enumerate(DAYS) if first <= np.datetime64(t.date()) <= last]
    assert old.unknown == sum(i < 20 for i in seen)
    assert old.old == sum(i - 39 > 5 for i in seen)
    assert (gross(found)[: DAYS[20]] == 0).all()
    assert any("rates of exchange: EUR in USD of t, old in" in line for line in note_lines(found.notes))


BAD = {
    "no rate of exchange": ({"currency": "USD"}, [], "asset 'A' of dataset 'prices' is in EUR.*fx:EURUSD.*ingest"),
    "crosses": (
        {"currency": "USD"},
        rate("fx:EURCHF", 1.0) + rate("fx:CHFUSD", 1.0),
        "there are fx:CHFUSD, fx:EURCHF: crosses over a third currency are not made",
    ),
    "no code": ({"currency": "usd"}, EURO, "currency is 'usd', wanted a code of three capital letters"),
    "a number": ({"currency": 5}, EURO, "currency is 5, wanted a code"),
    "hedged without a currency": ({"hedged": True, "cash": 0.05}, EURO, "'t' is hedged, which needs.*currency"),
    "hedged without cash": ({"hedged": True, "currency": "USD"}, EURO, "'t' is hedged, which needs.*cash: NAME"),
    "no rate abroad": (
        {"hedged": True, "currency": "USD", "cash": 0.05},
        EURO,
        "'t' hedges EUR at the rate 'eur', which no dataset of the tree has.*ingest it",
    ),
    "an empty hedge": ({"hedged": {}, "currency": "USD", "cash": 0.05}, EURO, "hedged is {}, wanted true, false"),
    "a hedge of no currency": ({"hedged": {"euro": "eur"}}, EURO, "hedged: a currency is 'euro', wanted a code"),
    "a hedge at 5": ({"hedged": {"EUR": 5}}, EURO, "hedged.EUR is 5, wanted the name of a rate"),
    "a flat baseline": ({**HEDGED, "is_meta_backtest": False}, EURO, "hedges its currencies.*take hedged out"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_meant_is_refused_with_a_cure(case: str) -> None:
    stated, rates, told = BAD[case]
    tree = {"universe": ["A", "B"], **{key: it for key, it in stated.items() if key != "is_meta_backtest"}}
    more: dict[str, Any] = {}
    if "is_meta_backtest" in stated:
        rules = {key: tree.pop(key) for key in ("universe", "hedged")}
        tree, more = {**tree, "sleeves": {"a": {**ALONE, **rules}}}, {"is_meta_backtest": False}
    with pytest.raises(ConfigError, match=told):
        run(tree, lives(A="EUR"), rates, **more)


def test_unlike_currencies_in_a_tree_and_unlike_rates_in_two_datasets_are_refused() -> None:
    leaf = {**ALONE, "universe": ["A"], "currency": "EUR"}
    with pytest.raises(ConfigError, match="'t/a': it is in EUR, 't' in USD; a tree has one currency"):
        run({"currency": "USD", "sleeves": {"a": leaf}}, lives(A="EUR"), EURO)
    other = {"rates": dated_table("rates", rate("fx:EURUSD", 2.0))}
    tables = {"own": {"assets": dated_table("assets", lives(A="EUR"))}, "x": other}
    tables["y"] = {"rates": dated_table("rates", EURO)}
    prices = {"own": frame()[["A"]], "x": frame()[["B"]], "y": frame()[["C"]]}
    leaves = {name: {**ALONE, "dataset": name, "universe": "all"} for name in prices}
    tree = {"name": "t", **ALONE, "currency": "USD", "sleeves": leaves}
    with pytest.raises(ConfigError, match="fx:EURUSD', which datasets 'x' and 'y' have with unlike rows"):
        metabt.backtest(tree, prices, tables=tables)


def test_hedged_of_a_meta_sleeve_holds_for_the_leaves_beneath_that_state_nothing() -> None:
    from metabt.portfolio.resolve import resolve
    from metabt.portfolio.sleeve import Hedged

    leaf = {"universe": ["A"], "dataset": "d"}
    tree = resolve({"name": "t", "hedged": True, "sleeves": {"a": leaf, "b": {**leaf, "hedged": {"EUR": "estr"}}}})
    assert [it.hedged for _, it in tree.leaves()] == [Hedged(), Hedged((("EUR", "estr"),))]
    assert "hedged" not in resolve({"name": "t", **leaf}).spec.plain()
    assert [it["hedged"] for it in tree.plain()["children"]] == [True, {"EUR": "estr"}]  # type: ignore[attr-defined]


def test_what_a_hedge_earned_is_in_the_keys_of_its_leaf() -> None:
    tree, cache = {**HEDGED, "hedged": {"EUR": "estr"}}, metabt.MemoryCache()
    run(tree, lives(A="EUR"), EURO + rate("estr", 0.01, count=360.0), cache=cache)
    moved = EURO + rate("estr", [0.01] * 60 + [0.09] * 30, count=360.0)
    again, fresh = (run(tree, lives(A="EUR"), moved, cache=it) for it in (cache, None))
    assert gross(again).tolist() == gross(fresh).tolist()
    hits = dict(zip(*(again.frame("stages")[name].tolist() for name in ("partition", "cache_hit")), strict=True))
    assert hits == {"2019": True, "2020": False}
