"""The section of point-in-time data against loops over the run's tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.report.decisions import told
from metabt.report.lines import percent
from metabt.report.page import render, run_of
from metabt.report.replayed import Replayed
from metabt.report.run import Run
from metabt.report.section import Facts
from metabt.report.sections.book import book
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
    counts, holdings, fit, came, went, sold, largest = [], [], [], 0, 0, 0, ""
    before_weights = pd.Series(dtype=float)
    for place, (_, rows) in enumerate(decisions.groupby("date")):
        inside = set(rows[rows["reason"] != "not a member"]["item"])
        if place:
            came, went, sold = came + len(inside - before), went + len(before - inside), sold + len(held - inside)
            for item in held - inside:
                largest = f"{item}, {percent(before_weights[item])}, {rows['date'].iloc[0].date()}"
        before_weights = rows.set_index("item")["weight"]
        fit.append(sum(rows["reason"].isin(["", "unselected"])))
        before, held = inside, set(rows[rows["weight"] != 0]["item"])
        counts.append(len(inside))
        holdings.append(len(held))
    assert (went, sold) == (1, 1)  # U3 leaves while it is held
    ((path, ever, inside_mean, fit_mean, held_mean, joined, left, sold_told, largest_told),) = found
    assert (fit_mean, largest_told) == (f"{np.mean(fit):,.1f}", largest) and min(fit) < min(counts)
    assert (path, ever, sold_told) == ("root/index", "6", str(sold))
    assert (inside_mean, held_mean) == (f"{np.mean(counts):,.1f}", f"{np.mean(holdings):,.1f}")
    assert (joined.split()[0], left.split()[0]) == (str(came), str(went))


def test_what_a_page_reads_of_a_stored_run_has_all_of_it(result: metabt.Result) -> None:
    whole = run_of(result)
    few = told(result.tables["decisions"], "root", ["root/index"])
    assert tables_of(Run(whole.row, {**result.tables, "decisions": few}, source=whole.source)) == tables_of(whole)


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
    aside = weights[~weights["symbol"].str.startswith("fx:")]  # hedges take no money
    invested = aside.groupby("date")["target"].sum().reindex(weights["date"].unique(), fill_value=0.0)
    assert (invested - weights.groupby("date")["target"].sum()).max() > 0.05
    idle = (1 - invested).groupby(invested.index.year)
    told = found["Cash after trades, of NAV"]
    for row, (year, each) in zip(told.rows, idle, strict=True):
        assert row[:4] == (str(year), *map(percent, (each.mean(), each.min(), each.max())))
    days = result.returns().index
    since = [days[0] - pd.offsets.BDay(), *days[:-1]]
    paid = pd.Series([0.02 / 360 * (day - ago).days for day, ago in zip(days, since, strict=True)], days)
    grown = (1 + paid).groupby(days.year).prod() - 1
    assert [row[4] for row in told.rows] == [percent(grown[int(row[0])]) for row in told.rows]
    assert "It earns usd, and decisions keep 10.00% of it" in told.note
    roots = result.attribution().query("kind != 'child'").groupby(["kind", "item"])["root"].sum()
    assert f"It contributed {percent(roots['cash'].sum())} to the total return, with the interest" in told.note
    euro, hedge = (
        weights[weights["symbol"].isin(names)].groupby("date")["target"].sum().reindex(invested.index, fill_value=0)
        for names in (["E0", "E1"], ["fx:EUR"])
    )
    (row,) = found["Currencies"].rows
    assert row[:4] == ("EUR", *map(percent, (euro.mean(), euro.iloc[-1], hedge.mean()))) and hedge.mean() < 0
    of_assets = roots["asset"]
    assert row[5:] == (percent(of_assets[["E0", "E1"]].sum()), percent(of_assets["fx:EUR"]))


def test_a_page_without_baselines_has_the_ends_and_currencies(result: metabt.Result) -> None:
    found = tables_of(run_of(result, Replayed.wanted(result.origin, False)))
    assert len(found["Delistings and mergers"].rows) == 2 and len(found["Currencies"].rows[0]) == 5
    assert "contributed" not in found["Cash after trades, of NAV"].note


def test_exposure_leaves_hedges_out(result: metabt.Result) -> None:
    weights = result.frame("weights")
    aside = weights[~weights["symbol"].str.startswith("fx:")]
    wanted = aside.groupby("date")["target"].apply(lambda it: (it.sum(), it.abs().sum()))
    gross, net = book(run_of(result)).figures[1].traces[:2]
    assert (gross["name"], net["name"]) == ("gross", "net")
    np.testing.assert_allclose(net["y"][: len(wanted)], [it[0] for it in wanted], atol=1e-4)
    np.testing.assert_allclose(gross["y"][: len(wanted)], [it[1] for it in wanted], atol=1e-4)


def test_a_universe_in_which_nobody_ever_was_has_a_page() -> None:
    days = pd.bdate_range("2020-01-01", periods=60)
    prices = pd.DataFrame(np.random.default_rng(0).uniform(50, 51, (60, 2)), days, ["A", "B"])
    members = pd.DataFrame({"universe": "late", "asset": ["A"], "first_date": ["2031-01-01"]})
    sleeves = {"now": {"universe": "all", "dataset": "d"}, "late": {"universe": {"members": "late"}, "dataset": "d"}}
    tree = {"name": "r", "lookback": 5, "defaults": {"lookback": 5, "schedule": "weekly"}, "sleeves": sleeves}
    run = run_of(metabt.backtest(tree, {"d": prices}, tables={"d": {"members": members}}))
    section = dated(run)
    assert section is not None and not section.figures
    assert tables_of(run)["Universes"].rows == [("r/late", "0", "", "", "", "", "", "", "no decision")]
    assert "no decision" in render(run)


def test_a_run_without_any_of_it_has_no_section() -> None:
    rng, days = np.random.default_rng(0), pd.bdate_range("2020-01-01", periods=60)
    prices = pd.DataFrame(50 * np.exp(np.cumsum(rng.normal(0, 0.01, (60, 2)), axis=0)), days, ["A", "B"])
    plain = metabt.backtest({"name": "plain", "lookback": 5, "universe": "all"}, prices)
    assert dated(run_of(plain, Replayed(plain.origin))) is None
