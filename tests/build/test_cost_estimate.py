"""Work is shared out evenly, and groups of meta sleeves share nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from metabt.build.cost_estimate import components, leaves_beneath, seconds_missing, seconds_of, shared_out
from metabt.portfolio.sleeve import Leaf
from tests.shared.executors import LEAF, NESTED, RULES, STOCKS, WRAPPED, engine


@given(st.dictionaries(st.text("abcdef", min_size=1), st.floats(0.01, 10), min_size=1), st.integers(1, 6))
def test_shares_have_all_names_once_and_are_about_equal(costs: dict[str, float], n_shares: int) -> None:
    shares = shared_out(costs, n_shares)
    assert sorted(name for share in shares for name in share) == sorted(costs)
    assert len(shares) == min(n_shares, len(costs)) and all(shares)
    loads = [sum(costs[name] for name in share) for share in shares]
    least = max(sum(costs.values()) / n_shares, max(costs.values()))
    assert max(loads) <= (4 / 3) * least + max(costs.values()) / 3 + 1e-9
    order = list(costs)
    assert all(list(share) == sorted(share, key=order.index) for share in shares)


def test_shares_do_not_depend_on_chance() -> None:
    costs = {"a": 2.0, "b": 1.0, "c": 1.0, "d": 2.0}
    assert shared_out(costs, 2) == shared_out(dict(costs), 2) == [("a", "b"), ("c", "d")]


def test_meta_sleeves_that_share_a_sleeve_stay_together() -> None:
    other = {**NESTED, "name": "other", "optimizer": "equal"}
    plan = engine([NESTED, other, WRAPPED, LEAF]).plan
    groups = components(plan)
    assert sorted(len(group) for group in groups) == [1, 3]  # two roots over one nested sleeve; the wrapper
    assert len({key for group in groups for key in group}) == 4
    for group in groups:
        assert leaves_beneath(plan, group) <= {k for k, n in plan.nodes.items() if isinstance(n.spec, Leaf)}
    (large,) = (group for group in groups if len(group) == 3)
    assert len(leaves_beneath(plan, large)) == 4


def test_slower_estimators_wider_universes_and_more_decisions_cost_more() -> None:
    def cost(**changes: object) -> float:
        plan = engine([{**LEAF, **changes}]).plan
        return max(seconds_of(node) for node in plan.nodes.values())

    plain = cost(optimizer="min_variance")
    assert cost(optimizer="hrp") > plain > cost(optimizer="min_variance", universe=STOCKS[:2])
    assert cost(optimizer="min_variance", schedule={"every": 1}) > plain
    assert cost(optimizer="min_cvar") > cost(optimizer="hrp")
    assert cost(optimizer="skfolio.RiskBudgeting") > cost(optimizer="hrp")


def test_what_is_known_costs_nothing() -> None:
    plan = engine([{"name": "n", "defaults": RULES, "sleeves": {"a": {"universe": STOCKS}}}]).plan
    whole = seconds_missing(plan, {})
    assert whole > 0 and seconds_missing(plan, plan.sizes) == 0
    (leaf,) = (key for key, node in plan.nodes.items() if isinstance(node.spec, Leaf))
    assert 0 < seconds_missing(plan, {leaf: 1}) < whole
