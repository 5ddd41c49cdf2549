"""Templates: what they make is counted before it is made."""

from __future__ import annotations

from itertools import product
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


def nested(depth: int, inner: dict[str, Any], n: int, m: int) -> dict[str, Any]:
    """Return templates within each other, `depth` of them, over lists of n and m values in turn."""
    for level in range(depth):
        inner = template(inner, **{f"v{level}": n if level % 2 else m})
    return inner


PLAIN = st.recursive(st.just(LEAF), named, max_leaves=5)
TEMPLATES = st.builds(template, PLAIN, a=st.integers(1, 4), b=st.integers(1, 3))
NESTED = st.builds(nested, st.integers(2, 4), PLAIN, st.integers(1, 3), st.integers(1, 3))
NODES = st.recursive(st.one_of(st.just(LEAF), TEMPLATES, NESTED), named, max_leaves=5)


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


def written(tree: dict[str, Any]) -> dict[str, str]:
    """Return the digest of every sleeve of a tree, by its path."""
    return {path: sleeve.spec.digest for path, sleeve in resolve({"name": "p", **tree}).walk()}


POOLS = [
    {"name": "tech", "symbols": ["A", "B"], "lookbacks": [20, 40]},
    {"name": "oil", "symbols": ["C"], "lookbacks": [60]},
]
TWICE = {
    "sleeves": {
        "{pool.name}": {
            "expand": {"pool": POOLS},
            "optimizer": {"name": "fixed", "weights": {"{pool.name}_fast": 0.5}},
            "sleeves": {
                "{pool.name}_{speed.name}": {
                    "expand": {"speed": [{"name": "fast", "lag": 1}, {"name": "slow_{pool.name}", "lag": 5}]},
                    "sleeves": {
                        "{lookback}": {
                            "expand": {"lookback": "{pool.lookbacks}"},
                            "dataset": "px",
                            "universe": "{pool.symbols}",
                            "lookback": "{lookback}",
                            "lag": "{speed.lag}",
                        }
                    },
                },
            },
        }
    }
}


def by_hand() -> dict[str, Any]:
    """Return the same tree without a template."""
    sleeves: dict[str, Any] = {}
    for name, symbols, lookbacks in (("tech", ["A", "B"], (20, 40)), ("oil", ["C"], (60,))):
        speeds = {
            f"{name}_{speed}": {
                "sleeves": {
                    str(lookback): {"dataset": "px", "universe": symbols, "lookback": lookback, "lag": lag}
                    for lookback in lookbacks
                }
            }
            for speed, lag in (("fast", 1), (f"slow_{name}", 5))
        }
        sleeves[name] = {"optimizer": {"name": "fixed", "weights": {f"{name}_fast": 0.5}}, "sleeves": speeds}
    return {"sleeves": sleeves}


def test_templates_within_each_other_are_the_tree_that_is_written_by_hand() -> None:
    assert list(written(TWICE).items()) == list(written(by_hand()).items())
    assert len(written(TWICE)) == 1 + 2 + 4 + 6


@given(depth=st.integers(1, 4), n=st.integers(1, 3), m=st.integers(1, 3))
def test_the_order_of_two_templates_is_that_of_the_levels(depth: int, n: int, m: int) -> None:
    made = [path for path in written(nested(depth, LEAF, n, m)) if path.count("/") == depth]
    lists = [range(n if level % 2 else m) for level in reversed(range(depth))]
    assert made == ["/".join(["p", *(f"s{value}" for value in values)]) for values in product(*lists)]


def test_what_a_value_brings_along_is_taken_as_it_is() -> None:
    """A subtree may use the name of a variable around it, and sees none of them."""
    brought = {"{a}": {**LEAF, "expand": {"a": ["x", "y"]}}, "{b}": LEAF}
    outer = {"{a.name}": {"expand": {"a": [{"name": "n", "tree": brought}]}, "sleeves": "{a.tree}"}}
    assert list(written({"sleeves": outer})) == ["p", "p/n", "p/n/x", "p/n/y", "p/n/{b}"]


INNER = {"expand": {"b": [1, 2]}, **LEAF}
NESTS = {
    "same variable": (
        {"{a}": {"expand": {"a": [1]}, "sleeves": {"x{a}": {**LEAF, "expand": {"a": [1]}}}}},
        "sleeve 'p/1/x{a}': expand has a variable 'a', and so has a template around it; .* rename one of them",
    ),
    "unknown variable": (
        {"{a}": {"expand": {"a": [1]}, "sleeves": {"{b}": {**INNER, "lookback": "{bb}"}}}},
        "sleeve 'p/1/{b}': template has no value for '{bb}'; did you mean 'b'",
    ),
    "a variable of the inner one": (
        {"{a}": {"expand": {"a": [1]}, "lookback": "{b}", "sleeves": {"{b}": INNER}}},
        "sleeve 'p/{a}': template has no value for '{b}'",
    ),
    "no list": (
        {"{a}": {"expand": {"a": [1]}, "sleeves": {"{b}": {**LEAF, "expand": {"b": "{a}"}}}}},
        "sleeve 'p/1/{b}': expand is {'b': 1}, wanted",
    ),
    "names within": (
        {"{a}": {"expand": {"a": [1]}, "sleeves": {"{b}": INNER, "2": LEAF}}},
        "sleeve 'p/1': two sleeves are called '2'; give each its own name",
    ),
    "names beside": (
        {"{a}": {"expand": {"a": ["x"]}, "sleeves": {"{a}": LEAF, "x": LEAF}}},
        "sleeve 'p/{a}': a template makes two entries called 'x'; give each its own name",
    ),
    "weights": (
        {"{a}": {"expand": {"a": ["A"]}, **LEAF, "optimizer": {"name": "fixed", "weights": {"{a}": 0.5, "A": 0.4}}}},
        "sleeve 'p/{a}': a template makes two entries called 'A'; give each its own name",
    ),
}


@pytest.mark.parametrize(("sleeves", "says"), NESTS.values(), ids=NESTS)
def test_what_templates_within_each_other_cannot_mean_is_refused(sleeves: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says.replace("{", r"\{")):
        resolve({"name": "p", "sleeves": sleeves})


def test_the_limit_holds_for_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a variable brings the list, so that the product is only known when it is made."""
    pools = [{"name": "p", "list": [1, 2, 3]}, {"name": "q", "list": [4, 5, 6]}]
    inner = {"{b}": {**LEAF, "expand": {"b": "{a.list}"}}}
    lists = {"{a.name}": {"expand": {"a": pools}, "sleeves": inner}}
    monkeypatch.setenv("METABT_MAX_SLEEVES", "9")
    resolve({"sleeves": lists})
    resolve(template(template(LEAF, b=3), a=2))
    monkeypatch.setenv("METABT_MAX_SLEEVES", "8")
    with pytest.raises(ConfigError, match="the tree makes more than 8 sleeves"):
        resolve({"sleeves": lists})
    with pytest.raises(ConfigError, match="the tree makes 9 sleeves, the limit is 8"):
        resolve(template(template(LEAF, b=3), a=2))


def test_a_template_that_contains_itself_is_refused() -> None:
    tree: dict[str, Any] = {"expand": {"a": [1, 2]}, "sleeves": {}}
    tree["sleeves"]["{a}"] = tree
    with pytest.raises(ConfigError, match="and so has a template around it"):
        resolve({"sleeves": {"{a}": tree}})
