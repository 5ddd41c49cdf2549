"""The section of point-in-time data against loops over the run's tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.report.decisions import told
from metabt.report.lines import percent
from metabt.report.page import run_of
from metabt.report.replayed import Replayed
from metabt.report.run import Run
from metabt.report.section import Facts
from metabt.report.sections.dated import dated

RULES = {"lookback": 20, "schedule": "monthly", "dataset": "d"}
NAMES = ["U0", "U1", "U2", "U3", "E0", "E1"]


@pytest.fixture(scope="module")
def result() -> metabt.Result:
    rng, days = np.random.default_rng(2), pd.bdate_range("2018-01-01", "2020-12-31")
    prices = pd.DataFrame(50 * np.exp(np.cumsum(rng.normal(0, 0.01, (len(days), 6)), axis=0)), days, NAMES)
    prices.loc["2019-05-16":, "U1"] = np.nan
    prices.loc["2020-03-12":, "E1"] = np.nan
    exchange = 1.2 * np.exp(np.cumsum(rng.normal(0, 0.005, len(days))))
    fx = pd.DataFrame({"name": "fx:EURUSD", "date": days, "value": exchange, "day_count": np.nan})
    months = pd.bdate_range("2017-12-01", "2020-12-31", freq="BMS")
    cash = [pd.DataFrame({"name": it, "date": months, "value": 0.02, "day_count": 360.0}) for it in ("usd", "eur")]
    stays = [("idx", it, "2018-01-01", None) for it in NAMES if it != "U3"]
    euros = pd.DataFrame({"asset": ["E0", "E1"], "symbol": ["E0", "E1"], "first_date": "2018-01-01"})
    ends = [("U1", "2019-05-16", -0.7, "performance"), ("E1", "2020-03-12", None, "unknown")]
    tables = {
        "rates": pd.concat([fx, *cash]),
        "assets": euros.assign(currency="EUR"),
        "members": pd.DataFrame(
            [*stays, ("idx", "U3", "2018-01-01", "2019-02-11")],
            columns=["universe", "asset", "first_date", "last_date"],
        ),
        "delistings": pd.DataFrame(ends, columns=["asset", "date", "return", "kind"]),
    }
    tree = {
        "name": "root",
        "lookback": 20,
        "currency": "USD",
        "cash": {"rate": "usd", "reserve": 0.1},
        "sleeves": {
            "index": {**RULES, "universe": {"members": "idx"}},
            "euro": {**RULES, "universe": ["E0", "E1"], "hedged": True},
        },
    }
    return metabt.backtest(tree, {"d": prices}, tables={"d": tables})


def tables_of(run: Run) -> dict[str, Facts]:
    section = dated(run)
    assert section is not None
    return {table.title: table for table in section.tables if isinstance(table, Facts)}


def test_members_are_counted_as_a_loop_counts_them(result: metabt.Result) -> None:
    found = tables_of(run_of(result))["Universes"].rows
    decisions = result.frame("decisions").query("path == 'root/index'")
    before, held = set[str](), set[str]()
    counts, holdings, came, went, sold = [], [], 0, 0, 0
    for place, (_, rows) in enumerate(decisions.groupby("date")):
        inside = set(rows[rows["reason"] != "not a member"]["item"])
        if place:
            came, went, sold = came + len(inside - before), went + len(before - inside), sold + len(held - inside)
        before, held = inside, set(rows[rows["weight"] != 0]["item"])
        counts.append(len(inside))
        holdings.append(len(held))
    assert (went, sold) == (1, 1)  # U3 leaves while it is held
    ((path, ever, inside_mean, held_mean, joined, left, sold_told),) = found
    assert (path, ever, sold_told) == ("root/index", "6", str(sold))
    assert (inside_mean, held_mean) == (f"{np.mean(counts):,.1f}", f"{np.mean(holdings):,.1f}")
    assert (joined.split()[0], left.split()[0]) == (str(came), str(went))


def test_what_a_page_reads_of_a_stored_run_has_all_of_it(result: metabt.Result) -> None:
    whole = run_of(result)
    few = told(result.tables["decisions"], "root", ["root/index"])
    assert tables_of(Run(whole.row, {**result.tables, "decisions": few})) == tables_of(whole)


def test_ends_cash_and_currencies_are_those_of_the_book(result: metabt.Result) -> None:
    found = tables_of(run_of(result, Replayed(result.origin)))
    ends = found["Delistings and mergers"].rows
    assert [(row[0], row[1], row[3], row[4]) for row in ends] == [
        ("2019-05-16", "U1", "performance", "-70.0%"),
        ("2020-03-12", "E1", "unknown", "+0.0%, assumed"),
    ]
    weights = result.frame("weights")
    for day, symbol, weight, *_ in ends:
        row = weights[(weights["date"] == pd.Timestamp(day)) & (weights["symbol"] == symbol)]
        assert weight == percent(row["before"].item())
    invested = weights.groupby("date")["target"].sum()
    idle = (1 - invested).groupby(invested.index.year)
    told = found["Cash after trades, of NAV"]
    for row, (year, each) in zip(told.rows, idle, strict=True):
        assert row == (str(year), *map(percent, (each.mean(), each.min(), each.max())))
    assert "It earns usd, and decisions keep 10.00% of it" in told.note
    euro, hedge = (
        weights[weights["symbol"].isin(names)].groupby("date")["target"].sum().reindex(invested.index, fill_value=0)
        for names in (["E0", "E1"], ["fx:EUR"])
    )
    (row,) = found["Currencies"].rows
    assert row[:4] == ("EUR", *map(percent, (euro.mean(), euro.iloc[-1], hedge.mean()))) and hedge.mean() < 0


def test_a_run_without_any_of_it_has_no_section() -> None:
    rng, days = np.random.default_rng(0), pd.bdate_range("2020-01-01", periods=60)
    prices = pd.DataFrame(50 * np.exp(np.cumsum(rng.normal(0, 0.01, (60, 2)), axis=0)), days, ["A", "B"])
    plain = metabt.backtest({"name": "plain", "lookback": 5, "universe": "all"}, prices)
    assert dated(run_of(plain, Replayed(plain.origin))) is None
