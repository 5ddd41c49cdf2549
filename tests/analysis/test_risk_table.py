"""Risk table: which sleeves have rows, and that the shares of each measure add up to one."""

from __future__ import annotations

import numpy as np
import pandas as pd

import metabt
from metabt.analysis.risk_table import risk_table
from metabt.build.cache import NoCache
from tests.analysis.books import histories, tree
from tests.shared import oracle, panels
from tests.shared.leak_detector import decoded
from tests.shared.panels import stocks

LEAF = {"lookback": 20, "schedule": {"every": 10}}
TREE = {
    "name": "m",
    "lookback": 30,
    "optimizer": "erc",
    "defaults": LEAF,
    "sleeves": {
        "inner": {
            "lookback": 25,
            "schedule": {"every": 5},
            "optimizer": "inverse_volatility",
            "sleeves": {"a": {"universe": ["AA", "BB"]}, "b": {"universe": ["BB", "CC"], "optimizer": "erc"}},
        },
        "late": {
            "lookback": 25,
            "schedule": {"every": 5},
            "start": "2035-01-01",
            "sleeves": {"c": {"universe": ["DD", "EE"]}, "d": {"universe": ["AA"]}},
        },
        "leaf": {"universe": ["EE"]},
    },
}


def test_sleeves_over_others_that_have_begun_have_rows_that_add_up_to_one() -> None:
    result = metabt.backtest(TREE, stocks(3, 400))
    rows = pd.DataFrame(decoded(result.tables["risk"]))
    keys = rows.groupby(["path", "measure"])
    assert set(keys.groups) == {
        ("m", "realised"),
        ("m", "realised_asset"),
        ("m", "ex_ante_asset"),
        ("m/inner", "realised"),
    }
    totals = rows.groupby(["path", "measure", "date"])["contribution"].sum()
    assert np.allclose(totals, 1.0, rtol=0, atol=1e-12)
    realised = rows[rows["measure"].str.startswith("realised")]
    assert (realised["date"].astype("M8[ns]") == result.returns().index[-1]).all()
    assert set(rows.loc[(rows["path"] == "m/inner"), "item"]) == {"a", "b", "cash"}
    decided = result.decisions("m").query("status not in ('warmup', 'cash')")["date"].unique()
    asset = rows[rows["measure"] == "ex_ante_asset"]
    assert set(asset["date"].astype("M8[ns]")) == set(decided) and len(decided) > 20


def rows_of(prices: dict[str, pd.DataFrame], end: str | None = None) -> pd.DataFrame:
    whole = histories(tree(), prices, end)
    return pd.DataFrame(decoded(risk_table(whole[0], whole, whole[0].walked.plan, NoCache())))


def test_every_realised_share_is_the_oracles_under_its_name_and_on_the_last_session() -> None:
    """On one calendar it is the covariance of what an item earned with the stream; cash is last."""
    prices = {"stocks": stocks(1, 130)}
    leaves = tree()["sleeves"]["mix"]["sleeves"]
    book = tree(sleeves={"mix": tree()["sleeves"]["mix"], "long": leaves["long"] | {"universe": ["AA", "EE"]}})
    result, books = metabt.backtest(book, prices), oracle.run(book, prices)
    rows = result.risk[result.risk["measure"] == "realised"]
    assert rows["path"].drop_duplicates().tolist() == ["root", "root/mix"]
    for path, own in rows.groupby("path"):
        expected = oracle.realised_risk(books[path])
        names = [*result.decisions(path)["item"].unique(), "cash"]
        assert own["item"].tolist() == names and (own["date"] == books[path].sessions[-1]).all()
        for name, value in zip(own["item"], own["contribution"], strict=True):
            assert abs(value - expected.get(name, 0.0)) < 1e-9, (path, name)
    by_asset = result.risk[result.risk["measure"] == "realised_asset"].set_index("item")["contribution"]
    root, market = books["root"], oracle.Market(prices)
    gross = np.array([row.gross for row in root.rows.values()])
    pairs = [(since, t) for since, t in zip(root.sessions, root.sessions[1:], strict=False) if t in root.rows]
    for symbol in by_asset.index[:-1]:
        keys, moves = [key for key in root.keys if key[1] == symbol], market.returns["stocks", symbol]
        earned = [sum(root.after[since][key] for key in keys) * moves.get(t, 0.0) for since, t in pairs]
        assert abs(by_asset[symbol] - np.cov(earned, gross)[0, 1] / gross.var(ddof=1)) < 1e-10, symbol
    assert list(by_asset.index) == ["AA", "BB", "CC", "DD", "EE", "cash"] and abs(by_asset["cash"]) < 1e-10


def test_of_every_decision_the_assets_that_it_weights_have_a_row_and_no_others() -> None:
    for seed, end in ((0, None), (1, "2021-05-12")):
        prices = panels.market(seed, gaps=False)
        rows, books = rows_of(prices, end), oracle.run(tree(), prices)
        own = rows[rows["measure"] == "ex_ante_asset"]
        expected = {}
        for t, decision in books["root"].decisions.items():
            if decision.status == "warmup" or (end is not None and t > pd.Timestamp(end)):
                continue
            weights = newest(books, "root", t, 1.0)
            expected[t] = sorted(symbol for symbol, weight in weights.items() if abs(weight) > 1e-12)
        found = {pd.Timestamp(date): each["item"].tolist() for date, each in own.groupby("date", sort=False)}
        assert found == expected and list(found) == sorted(found) and set(own["path"]) == {"root"}
        assert {len(items) for items in expected.values()} >= {4, 6}  # `mix` alone, and with two coins
        assert list(rows) == ["path", "date", "measure", "item", "contribution"]


def newest(books: dict[str, oracle.Book], path: str, t: pd.Timestamp, part: float) -> dict[str, float]:
    """Return the newest decisions of a sleeve and of all beneath it, multiplied down to symbols."""
    made = [it for date, it in books[path].decisions.items() if date <= t]
    found: dict[str, float] = {}
    for item, weight in (made[-1].weights if made else {}).items():
        below = f"{path}/{item}"
        for symbol, share in (
            newest(books, below, t, part * weight) if below in books else {item: part * weight}
        ).items():
            found[symbol] = found.get(symbol, 0.0) + share
    return found


def test_the_risk_of_a_leaf_alone_is_what_it_measured_when_it_decided() -> None:
    leaf = {**tree()["sleeves"]["coins"], "name": "coins", "lookback": 10, "schedule": {"every": 5}}
    result = metabt.backtest(leaf, panels.market(2, gaps=False))
    decided = result.decisions().query("weight != 0 and status == 'ok'")
    rows = result.risk[result.risk["measure"] == "ex_ante_asset"]
    keys = ["date", "item"]
    expected = decided[[*keys, "risk_contribution"]].rename(columns={"risk_contribution": "contribution"})
    pd.testing.assert_frame_equal(rows[[*keys, "contribution"]].reset_index(drop=True), expected.reset_index(drop=True))
    assert not len(result.risk[result.risk["measure"] == "realised"])
