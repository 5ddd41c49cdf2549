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
from tests.shared.random_markets import RandomMarket, random_market, random_tree

DATES = {
    "assets": "first_date",  # long before the first session: these are never changed
    "actions": "ex_date",
    "delistings": "date",
    "members": "known_at",
    "rates": "date",
    "costs": "first_date",
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
        table = str(rng.choice([name for name, rows in of.tables[dataset].items() if rows]))
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
    return {**row, "commission_bp": float(rng.uniform(0, 40))}


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
        dataset: {name: [row for row in rows if str(row[DATES[name]]) <= str(at.date())] for name, rows in own.items()}
        for dataset, own in of.tables.items()
    }
    now, found = run(tree, of), run(tree, RandomMarket(of.prices, of.volumes, then, of.adjusted))
    if now is None or found is None:
        pytest.skip("a ruined tree has no past to compare")
    for path in now.paths:
        pd.testing.assert_frame_equal(now.returns(path).loc[:at], found.returns(path).loc[:at], check_exact=True)
        pd.testing.assert_frame_equal(decided(now, path, at), decided(found, path, at), check_exact=True)


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
                "members": isinstance(leaf["universe"], dict) and leaf["universe"].get("members") == first,
            }.get(table, True)
            if not reads or (leaf["dataset"] != dataset and table != "rates"):
                assert not touched, (path, table, first)
            # a session that earns from the last of the year before is of this year; nothing earlier is computed again
            assert all(partition >= str(int(year) - (table == "members")) for partition in touched), (path, table, year)
