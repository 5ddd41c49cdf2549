"""What cash earned is a row of its own at every sleeve, and all sums still close, over calendars, levels and cuts."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from metabt.analysis.attribution.accrual import accrued
from metabt.analysis.attribution.brinson import brinson
from metabt.analysis.attribution.contributions import contributions
from metabt.analysis.attribution.linking import total_return
from metabt.analysis.metrics_table import measure
from metabt.analysis.realised_risk import realised_by_asset, realised_by_child
from metabt.analysis.sleeve_history import SleeveHistory
from metabt.values.tables import Table, texts
from tests.analysis.books import histories, tree
from tests.shared import panels

RATE = 0.073
"""What cash earns in a year, actual/365: 2 bp a day, over the days since each sleeve's own session before."""
VIEWS = [None, "2021-05-12"]


@pytest.fixture(scope="module", params=VIEWS)
def sides(request: pytest.FixtureRequest) -> list[list[SleeveHistory]]:
    """Return the sleeves of a tree that keeps a reserve at its root and in a leaf, and those of an equal one."""
    equal: dict[str, Any] = {"optimizer": "equal", "defaults": {**tree()["defaults"], "optimizer": "equal"}}
    settings = [tree(cash={"rate": RATE, "reserve": 0.1}), tree(cash={"rate": RATE, "reserve": 0.3}, **equal)]
    settings[0]["sleeves"]["coins"]["cash"] = {"reserve": 0.25}
    return [histories(it, panels.market(1, gaps=True), request.param) for it in settings]


def sums(table: Table, column: str) -> dict[tuple[str, str], float]:
    """Return (path, item) -> the sum of a column over periods and effects."""
    found: dict[tuple[str, str], float] = defaultdict(float)
    values = np.asarray(table[column]).tolist()
    for path, item, value in zip(texts(table["path"]), texts(table["item"]), values, strict=True):
        found[path, item] += value
    return found


def beneath(found: dict[tuple[str, str], float], path: str) -> float:
    return sum(value for (of, _), value in found.items() if of == path)


@pytest.mark.parametrize("every", [None, "month"])
def test_contributions_add_up_at_every_level(sides: list[list[SleeveHistory]], every: str | None) -> None:
    table = contributions(sides[0], every)
    own, root = sums(table, "own"), sums(table, "root")
    assert {path for path, item in own if item == "cash"} == {it.path for it in sides[0]}
    for it in sides[0]:
        net = it.rows("net")[it.begin :]
        assert beneath(own, it.path) == pytest.approx(total_return(net), abs=1e-12)
        parent, _, name = it.path.rpartition("/")
        expected = root[parent, name] if parent else total_return(net)
        assert beneath(root, it.path) == pytest.approx(expected, abs=1e-12)
    assert own["root", "cash"] > 0 and own["root/coins", "cash"] > 0 and own["root/mix/short", "cash"] > 0
    assert abs(own["root/late", "cash"]) < 1e-12  # fully invested


def test_what_cash_earned_is_what_was_not_invested_times_its_rate(sides: list[list[SleeveHistory]]) -> None:
    for it in sides[0]:
        assert it.cash is not None
        if it.sleeve.sleeves:
            shares = it.shares.sum(axis=1)
            carried = it.block.held.carried  # type: ignore[union-attr]
            if carried is not None:
                np.add.at(shares, carried.rows[carried.rows < it.size], carried.after[carried.rows < it.size])
        else:
            shares = it.book.around(np.arange(it.size))[1].sum(axis=1)
        idle = RATE / 365 * np.diff(it.dates).astype(float)
        assert it.cash[1:] == pytest.approx((1 - shares[:-1]) * idle, abs=1e-14)


def test_effects_make_the_difference(sides: list[list[SleeveHistory]]) -> None:
    """A sleeve's rows make what it did better than its like; at the root, what the portfolio did."""
    portfolio, benchmark = sides
    table = brinson(portfolio, benchmark)
    own, root = sums(table, "own"), sums(table, "root")
    other = {it.path: it for it in benchmark}
    for it in portfolio:
        active = total_return(it.rows("net")) - total_return(other[it.path].rows("net"))
        assert beneath(own, it.path) == pytest.approx(active, abs=1e-12)
    assert beneath(root, "root") == pytest.approx(beneath(own, "root"), abs=1e-15)
    assert root["root", "cash"] != 0.0
    chosen = np.array([effect == "selection" for effect in texts(table["effect"])])
    selected = sums(
        {key: it.take(np.flatnonzero(chosen)) if hasattr(it, "take") else it for key, it in table.items()}, "root"
    )
    for it in portfolio[1:]:
        parent, _, name = it.path.rpartition("/")
        costs = root[it.path, "costs"]
        assert costs == 0.0 and beneath(root, it.path) == pytest.approx(selected[parent, name], abs=1e-12)


def test_what_accrued_ends_with_the_total_return_and_names_cash(sides: list[list[SleeveHistory]]) -> None:
    for it in sides[0]:
        if it.begin == it.size:  # it begins after the view
            continue
        found = accrued(it)
        assert found.items[-2:] == ("cash", "costs")
        assert found.values[-1].sum() == pytest.approx(total_return(it.rows("net")[it.begin :]), abs=1e-12)


def test_shares_of_realised_risk_add_up_and_metrics_are_beyond_cash(sides: list[list[SleeveHistory]]) -> None:
    root = sides[0][0]
    for shares in (realised_by_child(root), realised_by_asset(root)):
        assert shares.sum() == pytest.approx(1.0, abs=1e-10)
    table = measure(sides[0], root.walked, None)
    found = dict(zip(zip(texts(table["path"]), texts(table["metric"]), strict=True), table["value"], strict=True))
    stream = root.stream
    days = np.diff(np.concatenate([[stream.inception], stream.dates])).astype(float)
    excess = stream.net - RATE / 365 * days
    assert found["root", "sharpe"] == pytest.approx(excess.mean() / excess.std(ddof=1) * stream.per_year**0.5)
    assert found["root", "ended_closed"] == 0.0
