"""Laws of every tree: look-through, no look-ahead, tree laws, conservation, and the oracle on random trees."""

from __future__ import annotations

import copy
import os
import secrets
from bisect import bisect_right
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given, note, seed, settings
from hypothesis import strategies as st

import metabt
from metabt import MemoryCache
from metabt.data.prices import Prices
from metabt.lakehouse.price_source import to_prices
from tests.shared import oracle, panels, trees
from tests.shared.agreement import assert_agrees
from tests.shared.laws import SEEDS, WEEKDAY, examples, run
from tests.shared.leak_detector import KEYS, decoded, differs, first_difference
from tests.shared.months import in_turn, monthly
from tests.shared.oracle_point_in_time import PointInTimeMarket
from tests.shared.replay import asset_returns, replay
from tests.shared.solving import near

COIN = {"dataset": "coins", "universe": panels.COINS, "schedule": {"every": 6}, "lookback": 10}


def rate(tree: dict) -> float:
    costs = tree.get("costs", {})
    return 1e-4 * (costs.get("commission_bp", 0.0) + costs.get("slippage_bp", 0.0))


def same_bits(left: metabt.Result, right: metabt.Result) -> None:
    for table, keys in KEYS.items():
        a, b = (decoded(result.tables[table]).set_index(keys).sort_index() for result in (left, right))
        assert differs(a, b, keys) is None, table


# --------------------------------------------------------------------------- the engine and the oracle


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[str, pd.DataFrame], frozenset[str]]:
    """Return prices whose datasets begin, end and trade on different days, and those of them that are closed."""
    seed, gaps = draw(SEEDS), draw(st.sampled_from([True, True, False]))
    frames = {
        "stocks": panels.stocks(seed, gaps=gaps),
        "coins": panels.coins(seed, gaps=gaps, first=draw(st.sampled_from(["2020-12-20", "2021-02-06"]))),
        "funds": panels.funds(seed, gaps=gaps, first=draw(st.sampled_from(["2020-11-02", "2021-02-01"]))),
    }
    ends = {
        "coins": draw(st.sampled_from(["2021-05-12", "2021-07-30"])),
        "funds": draw(st.sampled_from(["2021-05-21", None])),
    }
    frames |= {name: frames[name].loc[:end] for name, end in ends.items()}
    if (first := draw(st.sampled_from([None, 0, 45]))) is not None:
        frames["stocks"] = panels.stand(frames["stocks"], trees.STILL, first)
    if (first := draw(st.sampled_from([None, 30, 55]))) is not None:
        frames["stocks"] = panels.stand(frames["stocks"], ["AA"], first, first + 35)
        frames["coins"] = panels.stand(frames["coins"], ["XBT"], first)
    closed = draw(
        st.sampled_from([frozenset(), frozenset({"coins"}), frozenset({"funds"}), frozenset({"coins", "funds"})])
    )
    return frames, closed


def agree(tree: dict, frames: dict[str, pd.DataFrame], closed: frozenset[str], cut: bool) -> set[str]:
    """Assert that engine and oracle agree, in partitions of a month if they are `cut`; return what was reached."""
    prices = {name: replace(to_prices(name, it), closed=name in closed) for name, it in frames.items()}
    market = PointInTimeMarket(frames, {}) if "cash" in tree else frames
    reference = partial(oracle.run, tree, market, closed=closed, optimizers={oracle.IN_TURN: near})
    try:
        with monthly() if cut else nullcontext(), in_turn():
            result = metabt.backtest(tree, prices, cache=MemoryCache() if cut else None)
    except metabt.MetabtError as error:
        if "ruined" in str(error):
            with pytest.raises(ArithmeticError, match="ruined"):
                reference()
        elif "nothing was traded" in str(error):
            assert not reference()["root"].rows
        else:
            raise
        return set()
    books = reference()
    assume(not any(mirrored(book) for book in books.values()))
    assert_agrees(result, books)
    return reached(tree, frames, closed, cut, books)


REACHED = (
    "both sides of one universe, chosen by sign",
    "a fallback whose weights depend on the window",
    "the same at a meta sleeve",
    "a closed dataset at depth three",
    "a root in turn, with gaps",
    "datasets of other dates",
    "carried over the head of a partition in which a child has no session",
    "an asset that stands still, and the others optimized",
    "an asset that stands still, left out by a selector",
    "a leaf in which nothing moves, decided by the last fallback",
    "a child that stands still, and the others optimized",
    "a child that stands still on a window that another shortens",
    "given weights of children before all of them live",
)
"""What random trees must reach for their agreement to mean something; `agree` says which of it one did."""


def reached(
    tree: dict, frames: dict[str, pd.DataFrame], closed: frozenset[str], cut: bool, books: dict[str, oracle.Book]
) -> set[str]:
    """Return those of REACHED that one example reaches, by what the oracle has seen."""
    sleeves = dict(trees.walk(tree, "root"))
    leaves = {path: it for path, it in sleeves.items() if "universe" in it}
    used, end = {leaf["dataset"] for leaf in leaves.values()}, books["root"].sessions[-1]
    found = set()
    for path, leaf in leaves.items():
        signed = str(leaf.get("selector", "")).find("by': 'low") < 0 and "top_k" in str(leaf.get("selector", ""))
        if trees.opposite(leaf) in leaves.values() and (signed or "mean_variance" in str(leaf["optimizer"])):
            found.add(REACHED[0])
        if leaf["dataset"] in closed and path.count("/") >= 2 and frames[leaf["dataset"]].index[-1] < end:
            found |= {REACHED[3]} if books[path].rows else set()
    for path, book in books.items():
        fell = [d for d in book.decisions.values() if d.status.startswith("fallback") and d.status != "fallback:equal"]
        if len({tuple(decision.weights.values()) for decision in fell}) > 1:
            found.add(REACHED[1] if path in leaves else REACHED[2])
    statuses = [decision.status for decision in books["root"].decisions.values()]
    if sleeves["root"]["optimizer"] in trees.IN_TURN and "sleeves" in tree and statuses.count("ok") > 3:
        found |= {REACHED[4]} if any(frames[name].isna().any(axis=None) for name in used) else set()
    if len({(frames[name].index[0], frames[name].index[-1]) for name in used}) > 1:
        found.add(REACHED[5])
    if cut and any(carried_over_a_head(path, books) for path in books):
        found.add(REACHED[6])
    return found | {what for path, book in books.items() for what in stood_still(sleeves[path], book)}


def stood_still(sleeve: dict, book: oracle.Book) -> set[str]:
    """Return those of REACHED that are of what does not move, or has no history, at one sleeve."""
    found, leaf = set(), "universe" in sleeve
    for decision in book.decisions.values():
        still = [item for item, reason in decision.reasons.items() if reason == "constant"]
        optimized = decision.status == "ok" and len(decision.columns) > 1
        if still and optimized:
            found.add(REACHED[7] if leaf else REACHED[10])
        if leaf and still and optimized and oracle.ranks_risk(sleeve.get("selector", "all")):
            found.add(REACHED[8])
        measured = leaf and decision.window is not None and len(decision.columns)
        if measured and decision.status == "fallback:equal" and not np.ptp(decision.window, axis=0).any():
            found.add(REACHED[9])
        if decision.shortened and optimized:
            found.add(REACHED[11])
        if not leaf and "fixed" in str(sleeve["optimizer"]) and decision.weights.keys() > decision.reasons.keys():
            found.add(REACHED[12])
    return found


def carried_over_a_head(path: str, books: dict[str, oracle.Book]) -> bool:
    """Return whether a sleeve above has a session at the head of a month in which the meta sleeve `path` has none."""
    above, own = books.get(path.rpartition("/")[0]), books[path]
    if above is None or not own.carried:
        return False
    for before, t in zip(above.sessions, above.sessions[1:], strict=False):
        if t.month != before.month and t not in own.carried:
            last = own.sessions[max(bisect_right(own.sessions, t) - 1, 0)]
            if own.carried[last] and any(own.after[last][key] for key in own.carried[last]):
                return True
    return False


def over_a_head() -> tuple[dict, tuple[dict[str, pd.DataFrame], frozenset[str]], bool]:
    """Return a tree that carries what has no price over the weekend with which May 2021 begins, cut by month."""
    prices = panels.market(0, gaps=False)
    prices["stocks"].loc["2021-04-29":"2021-05-04", "AA"] = np.nan
    rules = {"schedule": {"every": 1}, "lookback": 8, "lag": 0, "costs": {"commission_bp": 5.0}}
    leaf = {**rules, "dataset": "stocks", "min_coverage": 0.5, "optimizer": "inverse_volatility", "stale_after": 9}
    pair = {"one": {**leaf, "universe": ["AA", "BB"]}, "two": {**leaf, "universe": ["CC", "DD"]}}
    inner = {**rules, "optimizer": "inverse_volatility", "sleeves": pair}
    coins = {**rules, "dataset": "coins", "universe": panels.COINS, "optimizer": "equal"}
    tree = {**rules, "optimizer": "inverse_volatility", "sleeves": {"stocks": inner, "coins": coins}}
    return {"name": "root", **tree}, (prices, frozenset()), True


def shortened() -> tuple[dict, tuple[dict[str, pd.DataFrame], frozenset[str]], bool]:
    """Return a tree with a child that stands still while another, which starts late, makes the window short."""
    prices = {"stocks": panels.stand(panels.stocks(1), trees.STILL, 60)}
    rules = {"schedule": {"every": 2}, "lookback": 8, "lag": 1, "costs": {"commission_bp": 5.0}}
    leaf = {**rules, "costs": {}, "dataset": "stocks", "optimizer": "min_variance"}
    sleeves = {
        "dead": {**leaf, "universe": trees.STILL},
        "two": {**leaf, "universe": ["AA", "BB"]},
        "late": {**leaf, "universe": ["BB", "CC"], "start": str(prices["stocks"].index[62].date())},
    }
    tree = {**rules, "lookback": 40, "min_history": 6, "optimizer": "min_variance", "sleeves": sleeves}
    return {"name": "root", **tree}, (prices, frozenset()), False


WORLDS = trees.portfolios(datasets=("stocks", "coins", "funds")), worlds(), st.booleans()


def test_the_engine_agrees_with_the_oracle_on_random_trees() -> None:
    seen: Counter[str] = Counter()

    @examples(90)
    @example(*over_a_head())
    @example(*shortened())
    @given(*WORLDS)
    def law(tree: dict, world: tuple[dict[str, pd.DataFrame], frozenset[str]], cut: bool) -> None:
        seen.update(agree(tree, *world, cut))

    law()
    assert all(seen[what] for what in REACHED), seen


@st.composite
def banked(draw: st.DrawFn, depth: int | None = None) -> dict:
    """Return a tree over several calendars whose cash earns, with reserves at some of its sleeves."""
    tree = copy.deepcopy(draw(trees.portfolios(depth, ("stocks", "coins", "funds"))))
    reserves = st.sampled_from([None, None, 0.2])
    for _, sleeve in trees.walk(tree, "root"):
        if (reserve := draw(reserves)) is not None:
            sleeve["cash"] = {"reserve": reserve}
    tree["cash"] = {**tree.get("cash", {}), "rate": draw(st.sampled_from([0.05, -0.02, 0.8]))}
    return tree


@examples(60)
@given(banked(), worlds(), st.booleans())
def test_the_engine_agrees_with_the_oracle_where_cash_earns(
    tree: dict, world: tuple[dict[str, pd.DataFrame], frozenset[str]], cut: bool
) -> None:
    agree(tree, *world, cut)


@examples(25)
@given(banked(), worlds())
def test_cash_has_the_same_bits_wherever_partitions_end(
    tree: dict, world: tuple[dict[str, pd.DataFrame], frozenset[str]]
) -> None:
    frames, closed = world
    prices = {name: replace(to_prices(name, it), closed=name in closed) for name, it in frames.items()}
    try:
        whole = metabt.backtest(tree, prices)
    except metabt.MetabtError:
        return
    with monthly():
        same_bits(whole, metabt.backtest(tree, prices, cache=MemoryCache()))


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(3))
def test_the_engine_agrees_with_the_oracle_on_trees_of_a_fresh_seed(turn: int) -> None:
    """METABT_SEED runs the trees of a seed that was printed again."""
    number = int(os.environ.get("METABT_SEED", secrets.randbits(32)))
    print(f"METABT_SEED={number}")

    @seed(number)
    @settings(examples(120), derandomize=False, database=None)
    @given(*WORLDS)
    def law(tree: dict, world: tuple[dict[str, pd.DataFrame], frozenset[str]], cut: bool) -> None:
        note(f"METABT_SEED={number}")
        agree(tree, *world, cut)

    law()


def mirrored(book: oracle.Book) -> bool:
    """Return whether a decision saw one item fall as much as another rose, always: a solver may add a ridge to that."""
    windows = {id(d.window): d.window for d in book.decisions.values() if d.window is not None and len(d.columns) > 1}
    spread = [window - window.mean(axis=0) for window in windows.values()]
    unit = [X / np.maximum(np.linalg.norm(X, axis=0), 1e-300) for X in spread]
    return any(((np.abs(U.T @ U) > 1 - 1e-9) & ~np.eye(U.shape[1], dtype=bool)).any() for U in unit)


# ------------------------------------------------------------------------------------------ look-through


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
@examples(8)
@given(data=st.data(), seed=SEEDS, gaps=st.booleans())
def test_replaying_the_flattened_weights_gives_the_roots_stream(
    depth: int, data: st.DataObject, seed: int, gaps: bool
) -> None:
    tree = data.draw(trees.portfolios(depth))
    prices = panels.market(seed, gaps=gaps)
    result = run(tree, prices)
    stream = result.returns()
    used = {leaf["dataset"] for _, leaf in trees.walk(tree, "root") if "dataset" in leaf}
    returns = asset_returns({name: prices[name] for name in used})
    if len(stream):
        returns = returns.loc[: stream.index[-1]]
    table = decoded(result.tables["weights"])
    replayed = replay(table, returns, rate(tree), tree.get("costs", {}).get("borrow_bp", 0.0))
    assert replayed["distance"].max() <= 1e-12
    for column in ("gross", "net"):
        np.testing.assert_allclose(replayed[column].loc[stream.index], stream[column], rtol=0, atol=1e-12)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@examples(12)
@given(data=st.data(), seed=SEEDS, gaps=st.booleans())
def test_replaying_the_flattened_weights_beside_cash_gives_the_roots_stream(
    depth: int, data: st.DataObject, seed: int, gaps: bool
) -> None:
    """Over calendars of their own, with shorts and reserves: `R = H' r + (1 - sum H) f`, f by the root's sessions."""
    tree = data.draw(banked(depth))
    prices = {**panels.market(seed, gaps=gaps), "funds": panels.funds(seed, gaps=gaps)}
    try:
        result = run(tree, prices)
    except metabt.MetabtError as error:
        assert "nothing was traded" in str(error) or "ruined" in str(error)
        return
    stream = result.returns()
    used = {leaf["dataset"] for _, leaf in trees.walk(tree, "root") if "dataset" in leaf}
    returns = asset_returns({name: prices[name] for name in used})
    returns = returns.loc[: stream.index[-1]] if len(stream) else returns
    days = returns.index.to_series().diff().dt.days.fillna(0.0)
    costs = rate(tree), tree.get("costs", {}).get("borrow_bp", 0.0)
    replayed = replay(decoded(result.tables["weights"]), returns, *costs, idle=days * tree["cash"]["rate"] / 365)
    assert replayed["distance"].max() <= 1e-12
    for column in ("gross", "net"):
        np.testing.assert_allclose(replayed[column].loc[stream.index], stream[column], rtol=0, atol=1e-12)


# ----------------------------------------------------------------------------------------- no look-ahead


@examples(20)
@given(trees.portfolios(), SEEDS, st.booleans(), st.integers(55, 120))
def test_another_future_leaves_the_past_bit_identical(tree: dict, seed: int, gaps: bool, row: int) -> None:
    prices = panels.market(seed, gaps=gaps)
    weekdays = prices["stocks"].dropna(how="all").index.intersection(prices["coins"].dropna(how="all").index)
    cut = str(weekdays[weekdays >= prices["stocks"].index[row]][0].date())
    assert first_difference(lambda data: run(tree, data), prices, cut) is None


# --------------------------------------------------------------------------------------------- tree laws


@examples(20)
@given(trees.portfolios(), SEEDS, st.booleans())
def test_a_meta_sleeve_of_one_child_is_that_child(child: dict, seed: int, gaps: bool) -> None:
    prices = panels.market(seed, gaps=gaps)
    # decides on every session, trades at once and stays in warm-up, so that the share is 1 whenever the child holds
    tree = {"name": "wrapped", "schedule": {"every": 1}, "lookback": 1000, "lag": 0, "costs": child.get("costs", {})}
    tree["sleeves"] = {"only": {key: value for key, value in child.items() if key != "name"}}
    result = run(tree, prices)
    outer, inner = result.returns(), result.returns("wrapped/only")
    assert list(outer.index) == list(inner.index)
    for column in ("gross", "cost", "net", "turnover"):
        np.testing.assert_allclose(outer[column], inner[column], rtol=0, atol=1e-12)


@examples(25)
@given(trees.portfolios(), SEEDS, st.booleans())
def test_each_sleeve_of_a_tree_is_that_sleeve_alone_to_the_bit(tree: dict, seed: int, gaps: bool) -> None:
    prices = panels.market(seed, gaps=gaps)
    each_is_itself_alone(run(tree, prices), tree, prices)


def each_is_itself_alone(result: metabt.Result, tree: dict, prices: dict[str, pd.DataFrame]) -> None:
    """Assert that decisions and stream of every sleeve are those of its own run, up to the last session of the tree."""
    end = result.returns().index[-1]
    for path, sleeve in trees.walk(tree, "root"):
        try:
            alone = metabt.backtest({**sleeve, "name": "alone"}, prices)
        except metabt.MetabtError as error:
            assert "nothing was traded" in str(error)
            assert result.returns(path).empty
            continue
        decisions, returns = alone.decisions(), alone.returns()
        pd.testing.assert_frame_equal(result.decisions(path), decisions[decisions["date"] <= end], check_exact=True)
        pd.testing.assert_frame_equal(result.returns(path), returns[returns.index <= end], check_exact=True)


@pytest.mark.parametrize("rule", ["selector", "optimizer"])
def test_a_long_and_a_short_leaf_over_one_universe_choose_by_their_own_returns(rule: str) -> None:
    """What they read is the same, and is read once."""
    own = {"selector": {"name": "top_k", "k": 2}, "optimizer": {"name": "mean_variance", "risk_aversion": 20.0}}
    leaf = {**WEEKDAY, "universe": panels.STOCKS, rule: own[rule]}
    sleeves = {"long": leaf, "short": {**leaf, "direction": "short"}}
    tree = {"name": "root", "schedule": {"every": 5}, "lookback": 12, "sleeves": sleeves}
    prices = panels.market(1, mixed=False, gaps=False)
    result = metabt.backtest(tree, prices)
    each_is_itself_alone(result, tree, prices)
    returns = prices["stocks"].pct_change()
    for T, weights in result.sleeve_weights("root/short").iterrows():
        window = -returns.loc[:T].tail(12)
        if rule == "selector":
            assert set(weights.index[weights < 0]) == set(window.mean().nlargest(2).index)
    long, short = (result.sleeve_weights(f"root/{side}") for side in sleeves)
    assert (long.abs() - short.abs()).abs().max(axis=None) > 0.1


def reordered(tree: dict) -> dict:
    """Return the tree with siblings, universes and keys the other way round."""
    turned = {key: value for key, value in reversed(tree.items())}
    if "sleeves" in tree:
        turned["sleeves"] = {name: reordered(sleeve) for name, sleeve in reversed(tree["sleeves"].items())}
    else:
        turned["universe"] = tree["universe"][::-1]
    return turned


@examples(10)
@given(trees.portfolios(), SEEDS)
def test_order_of_siblings_and_of_asset_columns_changes_no_bit(tree: dict, seed: int) -> None:
    prices = panels.market(seed)
    turned = {name: frame.iloc[:, ::-1] for name, frame in reversed(prices.items())}
    same_bits(run(tree, prices), run(reordered(tree), turned))


def renamed(tree: dict) -> dict:
    """Return the tree with other names for its sleeves, in another alphabetical order."""
    if "sleeves" not in tree:
        return tree
    new = {name: f"z{i}" for i, name in enumerate(sorted(tree["sleeves"], reverse=True))}
    found = {**tree, "sleeves": {new[name]: renamed(tree["sleeves"][name]) for name in new}}
    if "weights" in tree["optimizer"]:
        given = tree["optimizer"]["weights"]
        found["optimizer"] = {"name": "fixed", "weights": {new[name]: weight for name, weight in given.items()}}
    return found


@examples(6)
@given(trees.portfolios(3), SEEDS)
def test_names_of_sleeves_change_no_bit(tree: dict, seed: int) -> None:
    prices = panels.market(seed)
    left, right = run(tree, prices), run(renamed(tree), prices)
    pd.testing.assert_frame_equal(left.weights, right.weights, check_exact=True)
    pd.testing.assert_frame_equal(left.returns(), right.returns(), check_exact=True)


@pytest.mark.parametrize("optimizer", ["equal", "inverse_volatility", "min_variance", "erc", "max_sharpe"])
def test_equal_children_get_equal_weights(optimizer: str) -> None:
    twin = {**WEEKDAY, "universe": ["AA", "BB"]}
    sleeves = {"one": twin, "other": {**WEEKDAY, "universe": ["CC", "DD"]}, "two": copy.deepcopy(twin)}
    tree = {"name": "root", "optimizer": optimizer, "lookback": 15, "schedule": {"every": 5}, "sleeves": sleeves}
    result = metabt.backtest(tree, panels.market(1, mixed=False, gaps=False))
    weights = result.sleeve_weights()
    np.testing.assert_allclose(weights["one"], weights["two"], rtol=0, atol=1e-9)
    if optimizer != "equal":
        assert (weights["one"] - weights["other"]).abs().max() > 0.01


# ------------------------------------------------------------------------------------------ conservation


@examples(15)
@given(trees.portfolios(), SEEDS, st.booleans())
def test_weights_and_shares_of_risk_add_up(tree: dict, seed: int, gaps: bool) -> None:
    result = run(tree, panels.market(seed, gaps=gaps))
    for path, sleeve in trees.walk(tree, "root"):
        decisions_add_up(result.decisions(path), sleeve)
    weights, contributions = decoded(result.tables["weights"]), decoded(result.tables["contributions"])
    assert np.isfinite(weights[["before", "target", "trade"]]).all(axis=None)
    both = pd.concat(
        [
            contributions.groupby(["date", "symbol"])["weight"].sum(),
            weights.set_index(["date", "symbol"])["target"],
        ],
        axis=1,
    ).fillna(0.0)
    assert both.empty or (both["weight"] - both["target"]).abs().max() <= 1e-12
    risk = decoded(result.tables["risk"])
    total = risk.groupby(["path", "measure", "date"], dropna=False)["contribution"].sum(min_count=1).dropna()
    assert (total - 1.0).abs().max() <= 1e-10 if len(total) else True


def decisions_add_up(decisions: pd.DataFrame, sleeve: dict) -> None:
    """Assert bounds, sums and signs of every decision of one sleeve."""
    optimizer = sleeve["optimizer"] if isinstance(sleeve["optimizer"], dict) else {}
    low, high = optimizer.get("min_weight", 0.0), optimizer.get("max_weight", 1.0)
    own = {f"fallback:{it['name']}": it["max_weight"] for it in sleeve.get("fallback", ()) if isinstance(it, dict)}
    sign = -1.0 if sleeve.get("direction") == "short" else 1.0
    rows = decisions.assign(weight=sign * decisions["weight"], high=decisions["status"].map(own).fillna(high))
    assert np.isfinite(rows["weight"]).all()
    out = (rows["reason"] != "") | (rows["status"] == "cash")
    assert (rows.loc[out, "weight"] == 0).all()
    held = rows[~out]
    assert (held["weight"] <= held["high"] + 1e-12).all()
    assert (held["weight"] >= np.where(held["status"] == "ok", low, 0.0) - 1e-12).all()
    total = held.groupby("date").agg({"weight": "sum", "high": "sum"})
    if "weights" in optimizer:
        assert (held["weight"] == held["item"].map(optimizer["weights"]).fillna(0.0)).all()
    else:
        assert (total["weight"] - np.minimum(1.0, total["high"])).abs().max() <= 1e-12 or total.empty
    shares = rows.groupby("date")["risk_contribution"].sum(min_count=1).dropna()
    assert (shares - 1.0).abs().max() <= 1e-10 or shares.empty


# ------------------------------------------------------------------------------- costs, shorts, stale prices


def stocks(**prices: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        prices, index=pd.date_range("2024-01-01", periods=len(next(iter(prices.values())))), dtype=float
    )


NOW = {"schedule": {"every": 9}, "start": "2024-01-03", "lookback": 2, "lag": 0}
"""Decides once, on the third session, and trades at its close."""


def test_costs_are_charged_once_on_netted_trades_at_every_level() -> None:
    prices = stocks(A=[100, 101, 100, 110, 110, 110], B=[100, 102, 100, 100, 100, 100])
    leaf = {**NOW, "costs": {"commission_bp": 100}}
    sleeves = {"buys": {**leaf, "universe": ["A", "B"]}, "sells": {**leaf, "universe": ["A"], "direction": "short"}}
    tree = {"name": "root", **NOW, "costs": {"commission_bp": 60, "slippage_bp": 40}, "sleeves": sleeves}
    result = metabt.backtest(tree, prices)
    # each leaf trades 1 of its own NAV: 1 %, charged on its own first row
    for name, gross in (("buys", 0.05), ("sells", -0.1)):
        first = result.returns(f"root/{name}").iloc[0]
        assert first[["gross", "cost", "net"]].tolist() == pytest.approx(
            [gross, 0.01, 0.99 * (1 + gross) - 1], abs=1e-14
        )
    # the root holds A: 1/2 x 1/2 - 1/2 x 1 = -1/4 and B: 1/4, and trades 1/2, not 1
    assert result.weights.iloc[0].to_dict() == pytest.approx({"A": -0.25, "B": 0.25}, abs=1e-15)
    root = result.returns()
    assert root["cost"].tolist() == pytest.approx([0.005, 0, 0], abs=1e-15)
    # gross of the root is that of its book: the children's costs are theirs
    assert root["gross"].iloc[0] == pytest.approx(-0.025, abs=1e-15)
    assert root["net"].iloc[0] == pytest.approx(0.995 * 0.975 - 1, abs=1e-15)
    assert root["nav"].tolist() == pytest.approx(np.cumprod(1 + root["net"]).tolist(), abs=1e-15)
    saved = result.metrics().loc["root", "netting_benefit"]
    assert saved > 0


def test_shorts_are_kept_in_nav_accounting() -> None:
    prices = stocks(A=[100, 101, 100, 120, 60, 60], B=[100, 102, 100, 100, 100, 100])
    tree = {"name": "root", **NOW, "universe": ["A", "B"], "direction": "short", "costs": {"borrow_bp": 365}}
    found = metabt.backtest(tree, prices).returns()
    # NAV 1, short 1/2 of each. A +20 %: R = -0.1, NAV 0.9, A owes 0.6, B 0.5. Then A halves: +0.3 on 0.9.
    assert found["gross"].tolist() == pytest.approx([-0.1, 0.3 / 0.9, 0.0], abs=1e-15)
    # one day's borrow of 1 bp on the shorts held: 1, then 1.1/0.9, then 0.8/1.2 of NAV
    assert found["cost"].tolist() == pytest.approx([1e-4, 1e-4 * 1.1 / 0.9, 1e-4 * 0.8 / 1.2], abs=1e-15)


def test_a_short_that_takes_the_whole_nav_fails_the_run() -> None:
    prices = stocks(A=[100, 101, 100, 210, 210])
    with pytest.raises(metabt.errors.RunError, match="ruined"):
        metabt.backtest({"name": "root", **NOW, "universe": ["A"], "direction": "short"}, prices)


def test_a_stale_holding_is_closed_and_counted() -> None:
    nan = np.nan
    prices = stocks(A=[100, 101, 100, 100, 100, 100, 100], B=[100, 102, 100, 110, nan, nan, 55])
    tree = {"name": "root", **NOW, "universe": ["A", "B"], "stale_after": 2, "costs": {"commission_bp": 100}}
    result = metabt.backtest(tree, prices)
    # B is worth 0.55 of 1.05 after its rise, and is sold after two sessions without a price; its fall to 55 is nobody's
    found = result.returns()
    assert found["turnover"].tolist() == pytest.approx([0.5, 0, 0.5 * 0.55 / 1.05, 0], abs=1e-15)
    assert found["cost"].tolist() == pytest.approx([0.01, 0, 0, 0.01 * 0.55 / 1.05], abs=1e-15)
    assert found["gross"].tolist() == pytest.approx([0.05, 0, 0, 0], abs=1e-15)
    assert result.weights["B"].iloc[-1] == 0.0


def test_a_trade_without_a_price_waits_and_cash_absorbs_it() -> None:
    prices = stocks(A=[100, 101, 100, 100, 100, 100], B=[100, 102, 100, np.nan, 120, 132])
    result = metabt.backtest({"name": "root", **NOW, "lag": 1, "universe": ["A", "B"]}, prices)
    assert result.weights.loc["2024-01-04"].fillna(0.0).to_dict() == pytest.approx({"A": 0.5, "B": 0.0})
    assert result.weights.loc["2024-01-05"].to_dict() == pytest.approx({"A": 0.5, "B": 0.5})
    assert result.returns()["gross"].tolist() == pytest.approx([0.0, 0.05], abs=1e-15)


# --------------------------------------------------------------- warm-up, late starters, start, calendars


def late_tree(**root: object) -> dict:
    """Return a root whose second child starts late."""
    late = {**WEEKDAY, "universe": ["CC", "DD"], "start": "2021-04-05"}
    sleeves = {"early": {**WEEKDAY, "universe": ["AA", "BB"]}, "late": late}
    return {"name": "root", **WEEKDAY, "optimizer": "min_variance", "sleeves": sleeves, **root}


def without_dataset(tree: dict) -> dict:
    return {key: value for key, value in tree.items() if key != "dataset"}


def test_a_root_starts_with_its_first_leaf_and_late_starters_wait_until_they_are_eligible() -> None:
    tree = without_dataset(late_tree())
    result = metabt.backtest(tree, panels.market(2, mixed=False, gaps=False))
    weights, rows = result.sleeve_weights(), result.decisions()
    status = rows.groupby("date")["status"].first()
    early = result.decisions("root/early")["date"].min()
    assert rows["date"].min() == early
    assert status.iloc[0] == "warmup" and weights.iloc[0].to_dict() == {"early": 1.0, "late": 0.0}
    live, first = result.decisions("root/late")["date"].min(), result.returns("root/late").index[0]
    eligible = result.returns("root/late").index[WEEKDAY["lookback"] - 1]
    waiting = rows[(rows["item"] == "late") & (rows["date"] >= live) & (rows["date"] < eligible)]
    assert first > live and len(waiting) >= 2
    assert (waiting["weight"] == 0).all() and (waiting["reason"] == "waiting").all()
    assert (weights.loc[eligible:, "late"] > 0).any()


def test_children_that_start_together_share_equally_until_all_are_eligible() -> None:
    tree = without_dataset(late_tree(optimizer={"name": "min_variance", "max_weight": 0.45}))
    tree["sleeves"]["late"].pop("start")
    tree["sleeves"]["third"] = {**WEEKDAY, "universe": ["AA", "EE"]}
    result = metabt.backtest(tree, panels.market(2, mixed=False, gaps=False))
    warm = result.decisions()[lambda rows: rows["status"] == "warmup"]
    assert len(warm) >= 6
    np.testing.assert_allclose(warm["weight"], 1 / 3, rtol=0, atol=1e-15)
    assert warm["risk_contribution"].isna().all()
    two = {name: tree["sleeves"][name] for name in ("early", "late")}
    capped = metabt.backtest(
        {**tree, "sleeves": {**two, "third": {**two["late"], "start": "2021-06-01"}}}, {"stocks": panels.stocks(2)}
    )
    assert (capped.sleeve_weights().iloc[0][["early", "late"]] == 0.45).all()  # what the bound leaves over is cash


def test_warmup_wait_decides_nothing_until_every_live_child_is_eligible() -> None:
    tree = without_dataset(late_tree(warmup="wait"))
    result = metabt.backtest(tree, panels.market(2, mixed=False, gaps=False))
    first = result.decisions()["date"].min()
    assert first >= result.returns("root/early").index[WEEKDAY["lookback"] - 1]
    assert "warmup" not in set(result.decisions()["status"])


def test_start_sets_the_first_scheduled_session_and_keeps_earlier_prices_as_lookback() -> None:
    prices = {"stocks": panels.stocks(4)}
    tree = {"name": "root", **WEEKDAY, "universe": panels.STOCKS, "optimizer": "min_variance", "start": "2021-03-10"}
    dates = metabt.backtest(tree, prices).sleeve_weights().index
    days = prices["stocks"].index
    assert list(dates) == list(days[days >= "2021-03-10"][::5])
    argument = metabt.backtest({key: tree[key] for key in tree if key != "start"}, prices, start="2021-03-10")
    assert list(argument.sleeve_weights().index) == list(dates)


def test_end_is_a_view() -> None:
    prices = {"stocks": panels.stocks(4)}
    tree = {"name": "root", **WEEKDAY, "universe": panels.STOCKS, "optimizer": "min_variance"}
    whole, cut = metabt.backtest(tree, prices), metabt.backtest(tree, prices, end="2021-05-07")
    pd.testing.assert_frame_equal(cut.returns(), whole.returns().loc[:"2021-05-07"], check_exact=True)
    assert cut.decisions()["date"].max() <= pd.Timestamp("2021-05-07")


def test_a_weekend_of_a_24x7_sleeve_accrues_to_the_next_common_session() -> None:
    prices = panels.market(3, gaps=False)
    sleeves = {"coins": COIN, "stocks": {**WEEKDAY, "universe": panels.STOCKS}}
    tree = {
        "name": "root",
        "optimizer": "inverse_volatility",
        "schedule": {"every": 4},
        "lookback": 15,
        "sleeves": sleeves,
    }
    result = metabt.backtest(tree, prices)
    decided = result.sleeve_weights().loc[lambda weights: weights["coins"] > 0]  # the coins begin later, and wait
    assert len(decided) > 5
    weekdays = prices["stocks"].index
    coin = result.returns("root/coins")["net"]
    accrued = (1 + coin).cumprod().reindex(weekdays).ffill().pct_change(fill_method=None)
    stock = result.returns("root/stocks")["net"]
    for T, weights in decided.iterrows():
        assert T in weekdays
        inverse = 1 / pd.Series({"coins": accrued.loc[:T].tail(15).std(), "stocks": stock.loc[:T].tail(15).std()})
        np.testing.assert_allclose(
            weights[["coins", "stocks"]], (inverse / inverse.sum())[["coins", "stocks"]], atol=1e-12
        )
    stream = result.returns()
    assert {5, 6} <= set(stream.index.day_of_week)  # the root's own stream has its weekends
    assert stream.index[-1] == min(frame.index[-1] for frame in prices.values())


def test_a_closed_dataset_does_not_hold_the_tree_and_its_sleeve_leaves_it() -> None:
    prices = panels.market(2, gaps=False)
    prices["coins"] = prices["coins"].loc[:"2021-05-12"]
    sleeves = {"coins": COIN, "stocks": {**WEEKDAY, "universe": panels.STOCKS}}
    rules = {
        "optimizer": "inverse_volatility",
        "schedule": {"every": 4},
        "lookback": 12,
        "costs": {"commission_bp": 10},
    }
    tree = {"name": "root", **rules, "sleeves": sleeves}
    dates = prices["coins"].index.to_numpy().astype("datetime64[D]")
    closed = Prices("coins", dates, tuple(panels.COINS), prices["coins"].to_numpy().copy(), closed=True)
    result = metabt.backtest(tree, {**prices, "coins": closed})
    assert_agrees(result, oracle.run(tree, prices, closed=frozenset({"coins"})))
    assert result.returns().index[-1] == prices["stocks"].index[-1]
    assert (result.weights[panels.COINS].loc["2021-05-25":] == 0).all(axis=None)
    assert metabt.backtest(tree, prices).returns().index[-1] == pd.Timestamp("2021-05-12")


def test_deeper_chains_are_walked_by_their_own_optimizers() -> None:
    inner = {"optimizer": "min_variance", "lookback": 12, "schedule": {"every": 5}}
    pair = {"a": {**WEEKDAY, "universe": ["AA", "BB"]}, "b": {**WEEKDAY, "universe": ["CC", "DD", "EE"]}}
    tree = {
        "name": "root",
        **inner,
        "optimizer": "inverse_volatility",
        "sleeves": {"pair": {**inner, "sleeves": pair}, "c": COIN},
    }
    prices = panels.market(1, gaps=False)
    result = metabt.backtest(tree, prices)
    alone = metabt.backtest({"name": "pair", **inner, "sleeves": pair}, {"stocks": prices["stocks"]})
    inside = result.returns("root/pair")
    pd.testing.assert_frame_equal(inside, alone.returns().loc[: inside.index[-1]], check_exact=True)
