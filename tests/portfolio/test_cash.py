"""Cash in configuration: a rate for a tree, a reserve for a sleeve, and the digests of sleeves that state neither."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from metabt.errors import ConfigError
from metabt.portfolio.resolve import check_alike, resolve
from metabt.portfolio.sleeve import Cash, Leaf, Sleeve


def tree(**changes: Any) -> dict[str, Any]:
    leaves = {name: {"dataset": "d", "universe": ["A", "B"], "lookback": k} for name, k in (("x", 20), ("y", 30))}
    return {
        "name": "root",
        "sleeves": {"pair": {"sleeves": leaves}, "z": {"dataset": "d", "universe": ["C"]}},
        **changes,
    }


def cash_of(settings: dict[str, Any]) -> dict[str, Cash]:
    return {path: sleeve.spec.cash for path, sleeve in resolve(settings).walk()}


@pytest.mark.parametrize("stated", [0.05, {"rate": 0.05}])
@pytest.mark.parametrize("key", ["cash", "defaults"])
def test_a_rate_at_the_root_holds_for_all_of_the_tree(stated: object, key: str) -> None:
    settings = tree(cash=stated) if key == "cash" else tree(defaults={"cash": stated})
    assert set(cash_of(settings).values()) == {Cash(0.05)} and len(cash_of(settings)) == 5


def test_a_bare_name_is_short_for_a_rate() -> None:
    assert set(cash_of(tree(cash="fed_funds")).values()) == {Cash("fed_funds")}
    assert cash_of({"name": "x", "dataset": "d", "universe": ["A"], "cash": "sofr"}) == {"x": Cash("sofr")}


def test_a_reserve_is_a_sleeves_own_and_rate_and_reserve_merge() -> None:
    settings = tree(cash={"rate": "sofr", "reserve": 0.1}, defaults={"cash": {"reserve": 0.02}})
    settings["sleeves"]["z"]["cash"] = {"reserve": 0.3}
    found = cash_of(settings)
    assert found["root"] == Cash("sofr", 0.1) and found["root/z"] == Cash("sofr", 0.3)
    assert found["root/pair"] == found["root/pair/x"] == Cash("sofr", 0.02)


@pytest.mark.parametrize(
    ("rate", "other", "told"),
    [(None, 0.02, "nothing"), (0.05, 0.02, "0.05"), ("sofr", "estr", "'sofr'"), ("sofr", 0.02, "'sofr'")],
)
def test_unlike_rates_in_one_tree_are_refused_with_both_sleeves(rate: object, other: object, told: str) -> None:
    settings = tree() if rate is None else tree(cash=rate)
    settings["sleeves"]["pair"]["sleeves"]["y"]["cash"] = other
    with pytest.raises(ConfigError) as refused:
        resolve(settings)
    message = str(refused.value)
    assert "'root/pair/y'" in message and f"that of 'root' {told}" in message
    assert "cash: {rate: ...} of 'root'" in message and "take it out beneath" in message


def test_a_tree_made_by_hand_is_checked_as_well() -> None:
    one, other = (Sleeve(n, Leaf(dataset="d", universe=("A",), cash=Cash(r))) for n, r in (("a", "x"), ("b", None)))
    with pytest.raises(ConfigError, match="'m/b': its cash earns nothing, that of 'm' 'x'"):
        check_alike(Sleeve.meta("m", (one, other), cash=Cash("x")))


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        (5, "cash.rate is 5"),
        (True, "cash.rate is True"),
        ("", "cash.rate is ''"),
        (-1, "cash.rate is -1"),
        (float("nan"), "cash.rate is nan"),
        ([0.05], "cash.rate is [0.05]"),
        ({"rates": 0.05}, "unknown key 'cash.rates'"),
        ({"reserve": 1.0}, "cash.reserve is 1.0"),
        ({"reserve": -0.1}, "cash.reserve is -0.1"),
        ({"reserve": "much"}, "cash.reserve is 'much'"),
    ],
)
def test_what_cannot_be_meant_is_refused(stated: object, found: str) -> None:
    with pytest.raises(ConfigError) as refused:
        resolve(tree(cash=stated))
    assert found in str(refused.value) and "sleeve 'root" in str(refused.value)


def test_a_sleeve_that_states_no_cash_has_nothing_of_it_in_its_digest() -> None:
    """Or every block that was ever computed would be computed again."""
    for _, sleeve in resolve(tree()).walk():
        assert "cash" not in sleeve.spec.plain() and "cash" not in sleeve.spec.text
        with_rate = replace(sleeve.spec, cash=Cash(0.0))
        assert with_rate.plain()["cash"] == {"rate": 0.0, "reserve": 0.0} and with_rate.digest != sleeve.spec.digest
    digests = [resolve(tree(cash=it)).spec.digest for it in (0.01, 0.02, "a", "b", {"rate": "b", "reserve": 0.1})]
    assert len(set(digests)) == 5
    assert resolve(tree(cash={"rate": "b"})).spec.digest == resolve(tree(cash="b")).spec.digest
