"""Schedules on days of an exchange or of a table, and bands: the engine and the oracle, and what nobody could know."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.data.exchange_days import WEEKDAYS
from tests.engines.test_point_in_time_build import decided
from tests.engines.test_point_in_time_laws import engine
from tests.shared import oracle
from tests.shared.agreement import same
from tests.shared.oracle_point_in_time import PointInTimeMarket
from tests.shared.random_markets import (
    ADJUSTED,
    RAW,
    RandomMarket,
    Rows,
    pick,
    random_market,
    random_tree,
    read,
    swapped,
    text,
    with_signals,
)

EXACT = 1e-12
TREES = 30
EXCHANGE = "XLON"
"""Its holidays are not those of the markets, of which any day may be one."""


@cache
def open_days() -> list[pd.Timestamp]:
    """Return the days on which the exchange is open, with whole years around those of the markets."""
    import exchange_calendars

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(exchange_calendars.get_calendar(EXCHANGE, start="2018-01-01", end="2025-12-31").sessions)


def market_with_days(seed: int) -> RandomMarket:
    """Return a random market with two schedules: one of the raw dataset, one that both have, with rows known late."""
    rng, of = np.random.default_rng([seed, 7]), random_market(seed)
    days = of.prices[RAW].index
    tables = {name: {**own, "schedules": []} for name, own in of.tables.items()}
    for name, datasets in (("own", [RAW]), ("both", [RAW, ADJUSTED])):
        rows: Rows = []
        for at in sorted(rng.choice((days[-1] - days[0]).days + 60, int(rng.integers(8, 60)), replace=False).tolist()):
            date = days[0] + pd.Timedelta(days=at - 20)
            known = date + pd.Timedelta(days=int(rng.integers(-60, 5)))
            rows.append({"name": name, "date": text(date), "known_at": text(known)})
            if rng.random() < 0.2:  # said once more, later
                rows.append({**rows[-1], "known_at": text(known + pd.Timedelta(days=int(rng.integers(1, 30))))})
        for dataset in datasets:
            tables[dataset]["schedules"] += rows
    return RandomMarket(of.prices, of.volumes, tables, of.adjusted)


def tree_on_days(seed: int, of: RandomMarket) -> dict:
    """Return a random tree whose sleeves decide on days, with bands among them."""
    rng = np.random.default_rng([seed, 8])
    tree = random_tree(seed, of)
    names = ["own", "both"] if RAW in read(tree) else ["both"]

    def restated(node: dict) -> dict:
        on = pick(rng, ["month_end", "quarter_end", "year_end", "month_start", *WEEKDAYS[:5]])
        kinds = [{"on": on, "exchange": EXCHANGE}, {"dates": pick(rng, names)}, {"every": 3}, {"period": "weekly"}]
        schedule = kinds[int(rng.choice(4, p=[0.4, 0.3, 0.2, 0.1]))]
        band = {"band": float(rng.uniform(0.005, 0.2))} if rng.random() < 0.5 else {}
        beneath = {"sleeves": {key: restated(it) for key, it in node["sleeves"].items()}} if "sleeves" in node else {}
        return {**node, "schedule": {**schedule, **band}, **beneath}

    return restated(tree)


def run(tree: dict, of: RandomMarket, cache: metabt.MemoryCache | None = None) -> metabt.Result | None:
    """Return the run; None of a tree that is ruined or never trades on this market."""
    try:
        return engine(tree, of.prices, of.dated(), of.adjusted, of.volumes, cache)
    except metabt.MetabtError as error:
        assert "ruined" in str(error) or "nothing was traded" in str(error), error
        return None


def slow_after(count: int) -> list:
    return [seed if seed < count else pytest.param(seed, marks=pytest.mark.slow) for seed in range(TREES)]


@pytest.mark.parametrize("seed", slow_after(6))
def test_streams_and_decisions_are_the_oracles(seed: int) -> None:
    of = market_with_days(seed)
    agree(tree_on_days(seed, of), of)


@pytest.mark.parametrize("seed", slow_after(4))
def test_signals_hedges_and_bands_beside_each_other_are_the_oracles(seed: int) -> None:
    """In every third market assets are in currencies; a run from stored blocks has the bits of one without."""
    of = with_signals(seed, market_with_days(seed))
    tree = swapped(np.random.default_rng([seed, 9]), tree_on_days(seed, of), of)
    result, cache = agree(tree, of), metabt.MemoryCache()
    if result is not None:
        for _ in range(2):
            remembered = run(tree, of, cache)
            assert remembered is not None and same(dict(result.tables), dict(remembered.tables))


def agree(tree: dict, of: RandomMarket) -> metabt.Result | None:
    """Return the run of a tree, None where it is ruined or never trades, once it is that of the oracle."""
    result = run(tree, of)
    chain = PointInTimeMarket(of.prices, of.tables, of.adjusted, of.volumes, {EXCHANGE: open_days()})
    try:
        books = oracle.run(tree, chain)
    except ArithmeticError:
        assert result is None
        return None
    if result is None:
        assert not books["root"].rows
        return None
    for path, book in books.items():
        columns = ["gross", "cost", "net", "turnover"]
        expected, found = book.stream(), result.returns(path)[columns]
        assert list(found.index) == list(expected.index), path
        apart = np.abs(found.to_numpy(float) - expected[columns].to_numpy(float)) if len(expected) else np.zeros(1)
        assert apart.max() <= EXACT, f"{path}: {apart.max():.3g}"
        weights = result.decisions(path).pivot(index="date", columns="item", values="weight").fillna(0.0)
        assert list(weights.index) == list(book.decisions), path
        for t, decision in book.decisions.items():
            row = weights.loc[t]
            assert all(abs(row.get(item, 0.0) - w) <= EXACT for item, w in decision.weights.items()), f"{path}, {t}"
    return result


def test_every_kind_of_schedule_is_among_them() -> None:
    stated = " ".join(repr(tree_on_days(seed, market_with_days(seed))) for seed in range(TREES))
    wanted = ["month_end", "quarter_end", "year_end", "month_start", *WEEKDAYS[:5], "'own'", "'both'", "'band'"]
    assert all(stated.count(each) >= 2 for each in wanted)


@pytest.mark.parametrize("seed", slow_after(4))
def test_days_that_were_not_known_change_nothing_before(seed: int) -> None:
    rng, of = np.random.default_rng([seed, 9]), market_with_days(seed)
    tree, days = tree_on_days(seed, of), of.prices[RAW].index
    at = days[int(rng.integers(len(days) // 3, len(days) - 30))]
    planted = {"date": text(at - pd.Timedelta("20D")), "known_at": text(at + pd.Timedelta("1D"))}
    ahead = {"date": text(at + pd.Timedelta("3D")), "known_at": text(days[0])}

    def changed(rows: Rows) -> Rows:
        kept = [row for row in rows if max(str(row["date"]), str(row["known_at"])) <= text(at)]
        return kept + [{"name": name, **row} for name in {str(row["name"]) for row in rows} for row in (planted, ahead)]

    tables = {name: {**own, "schedules": changed(own["schedules"])} for name, own in of.tables.items()}
    found = [run(tree, it) for it in (of, replace(of, tables=tables))]
    if None in found:
        pytest.skip("a tree that does not trade has no past to compare")
    for path in found[0].paths:
        one, two = (it.returns(path).loc[:at] for it in found)
        pd.testing.assert_frame_equal(one, two, check_exact=True)
        pd.testing.assert_frame_equal(*(decided(it, path, at) for it in found), check_exact=True)


@pytest.mark.parametrize("seed", slow_after(4))
def test_days_and_sessions_that_are_added_give_a_fresh_run_and_compute_what_is_touched(seed: int) -> None:
    rng, of = np.random.default_rng([seed, 10]), market_with_days(seed)
    tree, known = tree_on_days(seed, of), metabt.MemoryCache()
    for part in (0.6, 0.8, 1.0):
        last = of.prices[RAW].index[int(part * len(of.prices[RAW])) - 1]
        prices, volumes = ({name: it.loc[:last] for name, it in of_all.items()} for of_all in (of.prices, of.volumes))
        rows = [row for row in of.tables[RAW]["schedules"] if rng.random() < part]
        both = [row for row in rows if row["name"] == "both"]
        tables = {RAW: {**of.tables[RAW], "schedules": rows}, ADJUSTED: {**of.tables[ADJUSTED], "schedules": both}}
        # what happens after the last session is not there yet
        early = {
            name: {key: own[key] for key in own if key in ("schedules", "rates", "members")}
            for name, own in tables.items()
        }
        then = RandomMarket(prices, volumes, early, dict.fromkeys(of.adjusted, True))
        if not rows or not both:
            continue
        found, fresh = run(tree, then, known), run(tree, then)
        assert (found is None) == (fresh is None)
        assert found is None or same(dict(found.tables), dict(fresh.tables))
        again = run(tree, then, known)
        assert again is None or again.frame("stages")["cache_hit"].all()
