"""Tables that change: what nobody could know changes nothing before it, and what is known is not computed again."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.errors import RunError
from tests.engines.test_point_in_time_laws import engine
from tests.shared.agreement import same
from tests.shared.executors import STOCKS
from tests.shared.random_markets import RandomMarket, random_market, random_tree
from tests.shared.renamed import renamed

DATES = {
    "actions": "ex_date",
    "delistings": "date",
    "members": "known_at",
    "rates": "date",
    "costs": "first_date",
    "signals": "known_at",
    "schedules": "known_at",
}
"""Table -> the column of the date from which a row can change anything."""
SEQUENCES = 30


def run(tree: dict[str, object], of: RandomMarket, cache: metabt.MemoryCache | None = None) -> metabt.Result | None:
    """Return the run; None of a tree that is ruined or never trades on this market."""
    try:
        return engine(tree, of.prices, of.dated(), of.adjusted, of.volumes, cache)
    except RunError:
        return None


def changed(rng: np.random.Generator, of: RandomMarket, since: str) -> tuple[RandomMarket, str, str, str, str]:
    """Return a market with one row more, less or another, none of which counts before a date; and which it was.

    Dataset, table, the row's first column and the year from which it counts.
    """
    while True:
        dataset = str(rng.choice(list(of.tables)))
        table = str(rng.choice([name for name, rows in of.tables[dataset].items() if rows and name in DATES]))
        tables = deepcopy(of.tables)
        rows = tables[dataset][table]
        places = [place for place, row in enumerate(rows) if str(row[DATES[table]]) > since]
        if not places:
            continue
        place = int(rng.choice(places))
        row = rows[place]
        other = altered(rng, table, row)
        if other is None or rng.random() < 0.3:
            # an asset that ends is not to have prices after it: an end is taken away, and never put elsewhere
            del rows[place]
        else:
            rows[place] = other
        first = next(column for column in ("universe", "asset", "name") if column in row)
        year = str(row[DATES[table]])[:4]
        return RandomMarket(of.prices, of.volumes, tables, of.adjusted), dataset, table, str(row[first]), year


def altered(rng: np.random.Generator, table: str, row: dict[str, Any]) -> dict[str, Any] | None:
    """Return a row that says something else from the same day on; None where it is better taken away."""
    if table == "actions":
        return {**row, "cash": row["cash"] * 1.5} if row["cash"] else None
    if table == "delistings":
        return {**row, "return": -0.25, "included": False}
    if table == "members":
        return {**row, "last_date": str((pd.Timestamp(row["known_at"]) + pd.Timedelta("9D")).date())}
    if table == "rates":
        return {**row, "value": row["value"] + 0.01}
    if table == "signals":
        return {**row, "weight": row["weight"] * 0.5}
    if table == "schedules":
        return None
    return {**row, "commission_bp": float(rng.uniform(0, 40))}


def known(table: str, row: dict[str, Any]) -> str:
    """Return the day from which on a row can change anything; what an asset is, it always is."""
    return str(row[DATES[table]]) if table in DATES else ""


def leaves(tree: dict[str, Any], path: str = "root") -> Iterator[tuple[str, dict[str, Any]]]:
    if "sleeves" not in tree:
        yield path, tree
    for name, child in tree.get("sleeves", {}).items():
        yield from leaves(child, f"{path}/{name}")


def rates_of(tree: dict[str, Any], leaf: dict[str, Any], of: RandomMarket) -> set[object]:
    """Return the rates that a leaf reads: what cash earns and, where it may hold foreign assets, what those are by."""
    found = {tree["cash"].get("rate")} if isinstance(tree.get("cash"), dict) else set()
    own = {row["asset"]: row["currency"] for row in of.tables[leaf["dataset"]].get("assets", [])}
    listed = leaf["universe"] if isinstance(leaf["universe"], list) else list(own)
    base, hedged = tree.get("currency"), tree.get("hedged")
    foreign = {own.get(asset) for asset in listed} - {None, base} if base else set()
    for currency in foreign:
        found |= {f"fx:{currency}{base}", f"fx:{base}{currency}"}
        found |= {str(currency).lower()} if hedged is True else {hedged[currency]} if hedged else set()
    return found


def decided(result: metabt.Result, path: str, at: pd.Timestamp) -> pd.DataFrame:
    """Return what a sleeve decided to hold up to a session."""
    found = result.decisions(path)
    return found[(found["date"] <= at) & (found["weight"] != 0)].reset_index(drop=True)


def slow_after(count: int, total: int) -> list[Any]:
    return [seed if seed < count else pytest.param(seed, marks=pytest.mark.slow) for seed in range(total)]


@pytest.mark.parametrize("seed", slow_after(4, SEQUENCES))
def test_what_counts_only_later_changes_nothing_before(seed: int) -> None:
    rng = np.random.default_rng([seed, 2])
    of = random_market(seed)
    tree = random_tree(seed, of)
    whole = run(tree, of)
    days = of.prices["listed"].index
    at = days[int(rng.integers(len(days) // 3, len(days) - 30))]
    other, *_ = changed(rng, of, str(at.date()))
    found = run(tree, other)
    if whole is None or found is None:
        pytest.skip("a ruined tree has no past to compare")
    for path in whole.paths:
        one, two = (it.returns(path).loc[:at] for it in (whole, found))
        pd.testing.assert_frame_equal(one, two, check_exact=True)
        held = [decided(it, path, at) for it in (whole, found)]
        pd.testing.assert_frame_equal(*held, check_exact=True)


@pytest.mark.parametrize("seed", slow_after(4, SEQUENCES))
def test_a_run_of_then_knew_all_that_a_run_of_now_knows_of_then(seed: int) -> None:
    """Without anything that was known later, members of whom nobody had heard among it, the past has the same bits."""
    of = random_market(seed)
    tree = random_tree(seed, of)
    days = of.prices["listed"].index
    at = days[len(days) * 2 // 3]
    then = {
        dataset: {name: [row for row in rows if known(name, row) <= str(at.date())] for name, rows in own.items()}
        for dataset, own in of.tables.items()
    }
    cache = metabt.MemoryCache()
    found, now = run(tree, RandomMarket(of.prices, of.volumes, then, of.adjusted), cache), run(tree, of, cache)
    if now is None or found is None:
        pytest.skip("a ruined tree has no past to compare")
    # nothing of before is computed again, members who joined since or not; who counts closes reads those of before
    universes = [it["universe"] for _, it in leaves(tree) if isinstance(it.get("universe"), dict)]
    if not any(it.get("members") and it.get("min_prices") for it in universes):
        assert all(it >= str(at.year) for it in now.frame("stages").query("not cache_hit")["partition"])
    for path in now.paths:
        pd.testing.assert_frame_equal(now.returns(path).loc[:at], found.returns(path).loc[:at], check_exact=True)
        pd.testing.assert_frame_equal(decided(now, path, at), decided(found, path, at), check_exact=True)


def test_who_is_listed_or_joins_later_is_computed_from_then_on_only() -> None:
    """A listing of 2021 under a rule that draws from all, and one that joins a membership in that year."""
    days = pd.bdate_range("2018-01-01", "2022-06-30")
    rng = np.random.default_rng(5)
    closes = pd.DataFrame(100 * np.exp(np.cumsum(rng.normal(0, 0.01, (len(days), 6)), axis=0)), days, list("ABCDEF"))
    closes.loc[:"2021-03-31", "C"] = np.nan
    rules = {"schedule": "monthly", "lookback": 20, "optimizer": "inverse_volatility"}
    tree = {
        "name": "root",
        **rules,
        "sleeves": {
            "ruled": {
                **rules,
                "dataset": "d",
                "universe": {"largest": 3, "by": "close", "lookback": 5, "min_price": 5},
            },
            "named": {**rules, "dataset": "d", "universe": {"members": "index"}},
            "inner": {**rules, "sleeves": {"listed": {**rules, "dataset": "d", "universe": ["A", "D", "E"]}}},
        },
    }
    rows = [("A", "2018-01-01"), ("E", "2018-01-01"), ("F", "2019-02-01")]
    cache = metabt.MemoryCache()

    def walked(frame: pd.DataFrame, joined: list[tuple[str, str]], cache: metabt.MemoryCache | None) -> metabt.Result:
        members = pd.DataFrame(joined, columns=["asset", "first_date"]).assign(universe="index")
        return metabt.backtest(tree, {"d": frame}, tables={"d": {"members": members}}, cache=cache)

    walked(closes.drop(columns="C"), rows, cache)
    joined = [*rows, ("C", "2021-04-01"), ("B", "2021-05-03")]
    warm, fresh = walked(closes, joined, cache), walked(closes, joined, None)
    assert same(dict(warm.tables), dict(fresh.tables))
    again = warm.frame("stages").query("not cache_hit")
    found = {path: sorted(set(rows["partition"])) for path, rows in again.groupby("path")}
    assert found == {path: ["2021", "2022"] for path in ("root", "root/named", "root/ruled")}
    assert {*warm.frame("weights")["symbol"]} >= {"B", "C"}


@pytest.mark.parametrize("seed", slow_after(4, SEQUENCES))
def test_after_any_changes_of_tables_a_run_is_a_fresh_one(seed: int) -> None:
    rng = np.random.default_rng([seed, 3])
    of, cache = random_market(seed), metabt.MemoryCache()
    tree = random_tree(seed, of)
    run(tree, of, cache)
    for _ in range(4):
        before = of
        of, dataset, table, first, year = changed(rng, of, "2019-01-01")
        found, fresh = run(tree, of, cache), run(tree, of)
        assert (found is None) == (fresh is None)
        if found is None or fresh is None:
            continue
        assert same(dict(found.tables), dict(fresh.tables))
        if run(tree, before) is None:
            continue  # what was computed before it was ruined is known, what comes after is not
        stages = found.frame("stages").query("not cache_hit")
        again = set(zip(stages["path"], stages["partition"], strict=True))
        for path, leaf in leaves(tree):
            touched = {partition for at, partition in again if at == path}
            reads = {
                "rates": first in rates_of(tree, leaf, of),
                "members": isinstance(leaf.get("universe"), dict) and leaf["universe"].get("members") == first,
                "signals": leaf.get("signal") == first,
            }.get(table, True)
            if not reads or (leaf["dataset"] != dataset and table != "rates"):
                assert not touched, (path, table, first)
            # a session that earns from the last of the year before is of this year; nothing earlier is computed again
            assert all(partition >= str(int(year) - (table == "members")) for partition in touched), (path, table, year)


def known_later(rng: np.random.Generator, of: RandomMarket, at: pd.Timestamp) -> RandomMarket:
    """Return a market with many more rows of members, known after a session and saying anything of any time."""
    tables = deepcopy(of.tables)
    for dataset, frame in of.prices.items():
        rows, days = tables[dataset]["members"], frame.index
        for _ in range(int(rng.integers(1, 12))):
            known = str((at + pd.Timedelta(days=int(rng.integers(1, 90)))).date())
            if rows and rng.random() < 0.6:  # an end of long ago, or one taken back, of what was known before
                row = dict(rows[int(rng.integers(len(rows)))])
            else:  # a membership of long ago that nobody had heard of
                first = str(days[int(rng.integers(len(days)))].date())
                universe, asset = str(rng.choice(["core", "wide"])), str(rng.choice(frame.columns))
                row = {"universe": universe, "asset": asset, "first_date": first}
            later = pd.Timestamp(row["first_date"]) + pd.Timedelta(days=int(rng.integers(0, 400)))
            row |= {"last_date": None if rng.random() < 0.4 else str(later.date()), "known_at": known}
            keys = [(it["universe"], it["asset"], str(it["first_date"]), str(it["known_at"])) for it in rows]
            if (row["universe"], row["asset"], str(row["first_date"]), known) not in keys:
                rows.append(row)
    return RandomMarket(of.prices, of.volumes, tables, of.adjusted)


@pytest.mark.parametrize("seed", slow_after(4, SEQUENCES))
def test_members_that_are_known_later_change_nothing_before(seed: int) -> None:
    rng = np.random.default_rng([seed, 4])
    of = random_market(seed)
    tree = random_tree(seed, of)
    days = of.prices["listed"].index
    at = days[int(rng.integers(len(days) // 3, len(days) - 30))]
    one, two = run(tree, of), run(tree, known_later(rng, of, at))
    if one is None or two is None:
        pytest.skip("a ruined tree has no past to compare")
    for path in one.paths:
        pd.testing.assert_frame_equal(one.returns(path).loc[:at], two.returns(path).loc[:at], check_exact=True)
        pd.testing.assert_frame_equal(decided(one, path, at), decided(two, path, at), check_exact=True)


@pytest.mark.parametrize("seed", slow_after(3, 10))
def test_renames_of_later_change_nothing_before(seed: int) -> None:
    """Rows of `assets` whose lives begin after a session may say anything: what is dated up to it has the same bits."""
    rng = np.random.default_rng([seed, 5])
    prices, rows = renamed(seed)
    days = prices.index
    at = days[int(rng.integers(200, len(days) - 30))]
    later = pd.to_datetime(rows["first_date"]) > at
    other = rows[~later].copy()
    # who lives on then gives up its ticker some day later, and takes one that is new
    fresh = []
    for place in other.index[pd.to_datetime(other["last_date"]).isna()]:
        if rng.random() < 0.7:
            until = at + pd.Timedelta(days=int(rng.integers(1, 30)))
            other.loc[place, "last_date"] = until
            row = {"asset": other.loc[place, "asset"], "symbol": f"N{place}", "last_date": pd.NaT}
            fresh.append({**row, "first_date": until + pd.Timedelta(days=1)})
    changed_rows = pd.concat([other, pd.DataFrame(fresh, columns=rows.columns)], ignore_index=True)
    leaf = {"name": "leaf", "lookback": 20, "schedule": "weekly", "optimizer": "inverse_volatility"}
    tree = {**leaf, "dataset": "prices", "universe": STOCKS[1:4]}
    runs = [metabt.backtest(tree, prices, tables={"assets": table}) for table in (rows, changed_rows)]
    one, two = (it.returns("leaf").loc[:at] for it in runs)
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    pd.testing.assert_frame_equal(*(decided(it, "leaf", at) for it in runs), check_exact=True)
    assert len(one) > 100
