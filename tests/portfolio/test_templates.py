"""Templates: what they make is counted before it is made."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.errors import ConfigError
from metabt.portfolio.resolve import resolve
from metabt.portfolio.templates import count_characters, count_sleeves, fill

LEAF = {"dataset": "px", "universe": ["A", "B"]}


def template(inner: dict[str, Any], **lists: int) -> dict[str, Any]:
    """Return a meta sleeve with one template over lists of these lengths."""
    name = "s" + "_".join(f"{{{variable}}}" for variable in lists)
    return {"sleeves": {name: {**inner, "expand": {variable: list(range(n)) for variable, n in lists.items()}}}}


BROUGHT = [{"n": f"n{n}", "t": template(LEAF, b=300)["sleeves"]} for n in range(300)]


def named(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Return meta sleeves of one to three children."""
    return st.dictionaries(st.sampled_from("pqr"), inner, min_size=1).map(lambda children: {"sleeves": children})


PLAIN = st.recursive(st.just(LEAF), named, max_leaves=5)
TEMPLATES = st.builds(template, PLAIN, a=st.integers(1, 4), b=st.integers(1, 3))
NODES = st.recursive(st.one_of(st.just(LEAF), TEMPLATES), named, max_leaves=5)


@given(tree=NODES)
def test_the_count_is_that_of_the_resolved_tree(tree: dict[str, Any]) -> None:
    assert count_sleeves(tree) == len(list(resolve(tree).walk()))


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        (template(LEAF, a=1000, b=1000), "makes 1,000,001 sleeves, the limit is 50,000; .*METABT_MAX_SLEEVES="),
        (template(template(LEAF, b=1000), a=1000), "the tree makes 1,001,001 sleeves"),
        (template(template(template(LEAF, c=10**4), b=10**4), a=10**4), "the tree makes 1,000,100,010,001 sleeves"),
        # a subtree that a variable brings along is counted as it is made
        (
            {"sleeves": {"{a.n}": {"expand": {"a": BROUGHT}, "sleeves": "{a.t}"}}},
            "the tree makes more than 50,000 sleeves",
        ),
    ],
    ids=["product", "nested", "thrice", "brought along"],
)
def test_a_product_is_refused_with_its_count(tree: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        resolve(tree)


WIDE = {"dataset": "px", "universe": [f"S{i:05}" for i in range(20_000)]}
NAMED = [{"n": f"n{n}", "u": WIDE["universe"][:500]} for n in range(30)]


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        (template(WIDE, a=20_000), r"the tree makes 4,\d{3},\d{3},\d{3} characters of settings, .*METABT_MAX_STATED="),
        (template(template(WIDE, b=100), a=100), r"the tree makes 2,\d{3},\d{3},\d{3} characters"),
    ],
    ids=["product", "nested"],
)
def test_a_list_that_is_repeated_is_refused_with_its_characters(tree: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        resolve(tree)


@pytest.mark.parametrize(
    "tree",
    [
        {"sleeves": {"{a.n}": {"expand": {"a": NAMED}, "dataset": "px", "universe": "{a.u}"}}},
        {"defaults": {"fallback": ["erc"] * 30}, **template(LEAF, a=400)},
    ],
    ids=["brought along", "inherited"],
)
def test_so_is_what_is_only_known_when_it_is_made(tree: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(tree)
    monkeypatch.setenv("METABT_MAX_STATED", "100000")
    assert count_characters(tree) < 100_000
    with pytest.raises(ConfigError, match="the tree makes more than 100,000 characters of settings"):
        resolve(tree)


@given(tree=NODES)
def test_no_tree_states_fewer_characters_than_are_counted(tree: dict[str, Any]) -> None:
    assert count_characters(tree) <= 2 + sum(len(str(sleeve)) for sleeve in resolve(tree).walk())


def test_a_tree_of_ten_thousand_leaves_is_no_bomb() -> None:
    universe = [f"S{i:05}" for i in range(500)]
    assert 5e7 < count_characters(template({"dataset": "px", "universe": universe}, a=10_000)) < 1e8


def test_a_tree_that_contains_itself_is_counted_once() -> None:
    tree: dict[str, Any] = {"sleeves": {}}
    tree["sleeves"].update(a=tree, b=tree, c=tree)
    with pytest.raises(ConfigError, match="contains itself"):
        resolve(tree)


def test_the_limit_is_raised_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METABT_MAX_SLEEVES", "6")
    resolve(template(LEAF, a=5))
    with pytest.raises(ConfigError, match="makes 7 sleeves, the limit is 6"):
        resolve(template(LEAF, a=6))


def test_a_text_is_measured_before_it_is_made() -> None:
    assert fill("x", "{a}-{a}", {"a": "b"}) == "b-b"
    with pytest.raises(ConfigError, match="'x': a template makes a text of 1,000,000 characters, the limit is 10,000"):
        fill("x", "{a}" * 1000, {"a": "b" * 1000})


@pytest.mark.parametrize("key", ["lag", "stale_after", "lookback"])
def test_more_sessions_than_any_data_have_are_refused(key: str) -> None:
    for value in (10**20, 10**7 + 1, 10**5000):
        with pytest.raises(ConfigError, match=f"{key} is .*, wanted a number of sessions, at most 10,000,000"):
            resolve({**LEAF, key: value})
    assert resolve({**LEAF, key: 10**7}) is not None


@pytest.mark.parametrize("tree", [{**LEAF, "name": "\ud800"}, {**LEAF, "universe": ["\udfff"]}])
def test_half_a_character_is_no_name(tree: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="a name is text|is no Unicode text"):
        resolve(tree)


def test_more_fallbacks_than_there_are_optimizers_are_refused() -> None:
    resolve({**LEAF, "fallback": ["erc"] * 100})
    with pytest.raises(ConfigError, match=r"fallback lists 101 optimizers, at most 100 can be tried"):
        resolve({**LEAF, "fallback": ["erc"] * 101})
