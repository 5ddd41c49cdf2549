"""How a universe is drawn: what configuration says of it, what it becomes, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from metabt.errors import ConfigError
from metabt.portfolio.drawn import Drawn
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Delisting, Leaf, Sleeve

SYMBOLS = {"us": ("A", "B", "C", "D")}
MEMBERS = {"us": {"index": ("A", "C")}}


def leaf(universe: object, **settings: Any) -> Leaf:
    tree = {"dataset": "us", "universe": universe, **settings}
    found = resolve({"name": "root", **tree}, symbols=SYMBOLS, members=MEMBERS).spec
    assert isinstance(found, Leaf)
    return found


@pytest.mark.parametrize(
    ("universe", "symbols", "rule"),
    [
        ({"members": "index"}, ("A", "C"), Drawn(members="index")),
        ({"largest": 2}, ("A", "B", "C", "D"), Drawn(largest=2)),
        ({"largest": 1, "by": "close", "members": "index"}, ("A", "C"), Drawn("index", 1, "close")),
        ({"min_price": 5, "of": ["D", "B"]}, ("B", "D"), Drawn(min_price=5.0, stated=True)),
        (
            {"min_prices": 3, "largest": 2, "lookback": 21},
            ("A", "B", "C", "D"),
            Drawn(None, 2, lookback=21, min_prices=3),
        ),
    ],
)
def test_a_rule_draws_from_all_that_it_may_ever_draw(universe: dict, symbols: tuple, rule: Drawn) -> None:
    found = leaf(universe)
    assert (found.universe, found.drawn) == (symbols, rule)


def test_what_a_rule_reads_decides_how_far_back_a_leaf_reaches() -> None:
    assert leaf({"largest": 2, "lookback": 63}, lookback=20).reach == 62
    assert leaf({"largest": 2, "lookback": 63}, lookback=100).reach == 100
    assert leaf({"members": "index"}, lookback=20).reach == 20
    assert leaf({"largest": 2}).drawn.reads_volume and not leaf({"largest": 2, "by": "close"}).drawn.reads_volume  # type: ignore[union-attr]


def test_a_leaf_without_a_rule_is_what_it_was() -> None:
    plain = leaf(["A", "B"]).plain()
    assert "drawn" not in plain and "delisting" not in plain
    ruled = leaf({"members": "index"})
    assert ruled.digest not in (leaf(["A", "C"]).digest, leaf({"members": "index", "min_price": 1}).digest)
    stated = leaf(["A"], delisting={"performance": -0.5})
    assert stated.delisting == Delisting(-0.5, 0.0, 0.0) and stated.plain()["delisting"]["performance"] == -0.5  # type: ignore[index]
    assert leaf(["A"], delisting={"performance": -0.3}).digest == leaf(["A"]).digest


def test_who_joins_later_is_no_setting_of_a_sleeve() -> None:
    tree = {"name": "root", "dataset": "us", "universe": {"members": "index"}}
    now = resolve(tree, symbols=SYMBOLS, members=MEMBERS).spec
    later = resolve(tree, symbols=SYMBOLS, members={"us": {"index": ("A", "B", "C")}}).spec
    assert now != later and now.digest == later.digest
    stated = [leaf({"min_price": 1, "of": of}).digest for of in (["A"], ["A", "B"])]
    assert len({*stated, leaf({"min_price": 1}).digest}) == 3


def test_a_resolved_tree_is_read_as_it_was_stored() -> None:
    from metabt.runs.request import stored_tree

    tree = {"name": "root", "sleeves": {"a": {"dataset": "us", "universe": {"largest": 1, "by": "close"}}}}
    one = resolve(tree, symbols=SYMBOLS, members=MEMBERS)
    assert isinstance(one, Sleeve)
    other = resolve({"name": "r", "dataset": "us", "universe": {"min_price": 1, "of": ["A"]}}, symbols=SYMBOLS)
    for each in (one, other):
        assert stored_tree({"portfolio": each.plain()}).spec == each.spec


@pytest.mark.parametrize(
    ("universe", "words"),
    [
        ({}, "draws nothing: wanted a list of symbols"),
        ({"of": ["A"]}, "draws nothing"),
        ({"member": "index"}, "unknown key 'universe.member'; did you mean 'members'"),
        ({"members": "indx"}, "no membership is called 'indx'; did you mean 'index'"),
        ({"members": 5}, "universe.members is 5, wanted the name of a membership"),
        ({"by": "close", "members": "index"}, "universe.by says how the largest are found"),
        ({"largest": 0}, "universe.largest is 0, wanted a whole number from 1"),
        ({"largest": 2.5}, "universe.largest is 2.5, wanted a whole number"),
        ({"largest": 2, "by": "size"}, "universe.by is 'size', wanted one of dollar_volume, close"),
        ({"min_price": 0}, "universe.min_price is 0, wanted a price above 0"),
        ({"min_price": float("nan")}, "universe.min_price is nan, wanted a price above 0"),
        ({"min_prices": True}, "universe.min_prices is True, wanted a whole number"),
        ({"largest": 2, "of": []}, "universe is \\[\\], wanted a list of symbols"),
    ],
)
def test_what_cannot_be_meant_is_refused(universe: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=f"sleeve 'root'.*{words}"):
        leaf(universe)


def test_a_dataset_without_memberships_says_how_to_get_them() -> None:
    tree = {"name": "root", "dataset": "us", "universe": {"members": "index"}}
    with pytest.raises(ConfigError, match="metabt ingest FILE --dataset us --table members"):
        resolve(tree, symbols=SYMBOLS, members={})
    assert resolve(tree).spec.universe == ()  # type: ignore[union-attr]  # nothing is known yet


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        (-0.3, "delisting is -0.3, wanted {performance, merger, unknown}"),
        ({"bankruptcy": -1}, "unknown key 'delisting.bankruptcy'"),
        ({"unknown": -1.5}, "delisting.unknown is -1.5, wanted a number from -1"),
    ],
)
def test_returns_of_delistings_are_checked(stated: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        leaf(["A"], delisting=stated)
