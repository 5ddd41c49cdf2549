"""Trees of plain values: defaults, templates, and every way to get one wrong."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from metabt.errors import ConfigError
from metabt.portfolio.resolve import MAX_DEPTH, resolve
from metabt.portfolio.sleeve import Leaf, Meta, Sleeve

SYMBOLS = {"stocks": ("AAPL", "AMD", "MSFT"), "etfs": ("MTUM", "QUAL")}


def leaf(**changes: Any) -> dict:
    return {"dataset": "stocks", "universe": ["AAPL", "AMD", "MSFT"], **changes}


def tree(**changes: Any) -> dict:
    return {"name": "book", "sleeves": {"tech": leaf(), "other": leaf(universe=["AAPL"], lookback=60)}, **changes}


def spec_of(settings: dict, path: str) -> Leaf | Meta:
    return dict(resolve(settings, symbols=SYMBOLS).walk())[path].spec


def test_own_settings_beat_defaults_beat_the_signature() -> None:
    settings = tree(lookback=504, defaults={"lookback": 100, "costs": {"commission_bp": 5}})
    settings["sleeves"]["tech"]["costs"] = {"slippage_bp": 2}
    assert spec_of(settings, "book").lookback == 504
    assert spec_of(settings, "book/tech").lookback == 100
    assert spec_of(settings, "book/other").lookback == 60
    # costs merge field by field
    costs = spec_of(settings, "book/tech").costs
    assert (costs.commission_bp, costs.slippage_bp) == (5, 2)
    assert spec_of(settings, "book/tech").lag == Leaf(dataset="", universe=()).lag == 1


def test_start_replaces_what_the_tree_says() -> None:
    resolved = resolve(tree(start="1999-01-01"), symbols=SYMBOLS, start="2001-01-01")
    assert {sleeve.spec.start for _, sleeve in resolved.walk()} == {"2001-01-01"}


def test_names_and_the_order_of_siblings_are_no_part_of_a_spec() -> None:
    settings = tree()
    renamed = {
        **settings,
        "name": "x",
        "sleeves": {"b": settings["sleeves"]["other"], "a": settings["sleeves"]["tech"]},
    }
    assert resolve(settings, symbols=SYMBOLS).spec.digest == resolve(renamed, symbols=SYMBOLS).spec.digest


@pytest.mark.parametrize(
    "change",
    [
        {"lookback": 253},
        {"lag": 2},
        {"schedule": {"every": 21}},
        {"optimizer": "inverse_volatility"},
        {"optimizer": {"name": "equal", "max_weight": 0.9}},
        {"selector": {"name": "top_k", "k": 2}},
        {"costs": {"borrow_bp": 1}},
        {"fallback": ["equal"]},
        {"direction": "short"},
        {"min_coverage": 0.9},
        {"stale_after": 5},
        {"start": "2001-01-01"},
        {"universe": ["AAPL", "AMD"]},
        {"dataset": "etfs", "universe": "all"},
    ],
    ids=str,
)
def test_every_setting_is_part_of_the_spec(change: dict) -> None:
    changed = tree()
    changed["sleeves"]["tech"].update(change)
    assert spec_of(changed, "book").digest != spec_of(tree(), "book").digest


def test_a_template_stands_for_every_combination() -> None:
    settings = {
        "name": "t",
        "sleeves": {
            "{sector.name}_{lookback}": {
                "expand": {
                    "sector": [{"name": "a", "assets": ["AAPL"]}, {"name": "b", "assets": ["AMD", "MSFT"]}],
                    "lookback": [63, 126],
                },
                "dataset": "stocks",
                "universe": "{sector.assets}",
                "lookback": "{lookback}",
            }
        },
    }
    found = {path: sleeve.spec for path, sleeve in resolve(settings, symbols=SYMBOLS).walk()}
    assert list(found) == ["t", "t/a_63", "t/a_126", "t/b_63", "t/b_126"]
    assert found["t/b_126"].universe == ("AMD", "MSFT") and found["t/b_126"].lookback == 126


def test_universe_all_is_what_the_dataset_holds() -> None:
    assert spec_of(tree(sleeves={"x": leaf(universe="all")}), "book/x").universe == SYMBOLS["stocks"]


def test_one_dataset_need_not_be_named() -> None:
    resolved = resolve({"name": "x", "universe": "all"}, symbols={"only": ("A", "B")})
    assert resolved.spec.dataset == "only"


def cyclic() -> dict:
    loop: dict = {"sleeves": {"plain": leaf()}}
    loop["sleeves"]["again"] = loop
    return tree(sleeves={"tech": loop})


def deep(levels: int) -> dict:
    settings = leaf()
    for level in range(levels):
        settings = {"sleeves": {f"s{level}": settings}}
    return {"name": "deep", **settings}


WRONG = {
    "misspelt key": (tree(lookbak=3), "sleeve 'book': unknown key 'lookbak'; did you mean 'lookback'?"),
    "misspelt default": (tree(defaults={"shedule": 3}), "unknown key 'defaults.shedule'; did you mean 'schedule'?"),
    "unknown optimizer": (
        tree(optimizer="min_varance"),
        "sleeve 'book': .*'min_varance'; did you mean 'min_variance'?",
    ),
    "unknown selector": (tree(sleeves={"t": leaf(selector="topk")}), "sleeve 'book/t': .*did you mean 'top_k'?"),
    "unknown parameter": (tree(optimizer={"name": "erc", "max_wieght": 1}), "did you mean 'max_weight'"),
    "import path": (tree(optimizer="os.system"), "no optimizer is called 'os.system'"),
    "empty sleeve": (tree(sleeves={"t": {"dataset": "stocks"}}), "sleeve 'book/t' is empty"),
    "no sleeves": (tree(sleeves={}), "sleeves is {}, wanted at least one"),
    "empty universe": (tree(sleeves={"t": leaf(universe=[])}), "universe is \\[\\], wanted a list"),
    "both kinds": (tree(universe=["AAPL"]), "has (both )?sleeves and a universe"),
    "selector on a meta sleeve": (tree(selector="all"), "'selector' belongs to a leaf; put it under defaults"),
    "warmup on a leaf": (tree(sleeves={"t": leaf(warmup="wait")}), "'warmup' belongs to a meta sleeve"),
    "capped below one": (
        tree(optimizer={"name": "erc", "max_weight": 0.4}),
        "weights cannot sum to one: 2 sleeves at max_weight 0.4 make 0.8; raise max_weight to at least 0.5",
    ),
    "top_k capped below one": (
        tree(sleeves={"t": leaf(selector={"name": "top_k", "k": 2}, optimizer={"name": "equal", "max_weight": 0.4})}),
        "2 of 3 assets at max_weight 0.4 make 0.8",
    ),
    "budget of an asset that is not there": (
        tree(sleeves={"t": leaf(optimizer={"name": "erc", "budgets": {"MSTF": 2}})}),
        "sleeve 'book/t': optimizer 'erc' speaks of 'MSTF', which is not in its universe; did you mean 'MSFT'?",
    ),
    "budget of a fallback": (
        tree(sleeves={"t": leaf(fallback=[{"name": "erc", "budgets": {"IBM": 2}}])}),
        "optimizer 'erc' speaks of 'IBM', which is not in its universe",
    ),
    "budget of a sleeve that is not there": (
        tree(optimizer={"name": "erc", "budgets": {"teck": 2}}),
        "sleeve 'book': optimizer 'erc' speaks of 'teck', which is not among its sleeves; did you mean 'tech'?",
    ),
    "weight of a sleeve in a fallback": (
        tree(fallback=[{"name": "fixed", "weights": {"othr": 1}}]),
        "sleeve 'book': optimizer 'fixed' speaks of 'othr', which is not among its sleeves; did you mean 'other'?",
    ),
    "weights above one": (
        tree(optimizer={"name": "fixed", "weights": {"tech": 0.7, "other": 0.5}}),
        "sleeve 'book': Fixed: weights sum to more than one: 0.7 \\+ 0.5 = 1.2; what is missing to one is cash",
    ),
    "budget below nothing": (
        tree(sleeves={"t": leaf(optimizer={"name": "erc", "budgets": {"AMD": -1}})}),
        "the budget of AMD is -1; wanted more than 0",
    ),
    "floored above one": (
        tree(optimizer={"name": "erc", "min_weight": 0.6}),
        "2 sleeves at min_weight 0.6 make 1.2; lower min_weight to at most 0.5",
    ),
    "symbol that YAML read as a truth": (tree(sleeves={"t": leaf(universe=["AAPL", True])}), "has True, .*quotes"),
    "symbol twice": (tree(sleeves={"t": leaf(universe=["AAPL", "AAPL"])}), "lists AAPL more than once"),
    "unknown dataset": (tree(sleeves={"t": leaf(dataset="stoks", universe="all")}), "did you mean 'stocks'?"),
    "no dataset": (tree(sleeves={"t": {"universe": ["AAPL"]}}), "needs a dataset .*known: etfs, stocks"),
    "lookback as text": (tree(lookback="252"), "lookback is '252', wanted a whole number of at least 2"),
    "lookback as a truth": (tree(lookback=True), "lookback is True"),
    "negative lag": (tree(lag=-1), "lag is -1"),
    "costs misspelt": (
        tree(costs={"commision_bp": 1}),
        "unknown key 'costs.commision_bp'; did you mean 'commission_bp'",
    ),
    "negative costs": (tree(costs={"slippage_bp": -1}), "costs.slippage_bp is -1"),
    "coverage": (tree(defaults={"min_coverage": 1.5}), "min_coverage is 1.5"),
    "direction": (tree(defaults={"direction": "up"}), "direction is 'up', wanted one of long, short"),
    "schedule": (tree(schedule="dayly"), "unknown period 'dayly'"),
    "start": (tree(start="2001-02-31"), "start is '2001-02-31', wanted a date"),
    "cycle": (cyclic(), "sleeve 'book/tech/again' contains itself"),
    "too deep": (deep(MAX_DEPTH), f"levels deep, .*{MAX_DEPTH}"),
    "name with a slash": (tree(sleeves={"a/b": leaf()}), "a name is text without '/'"),
    "name no text": (tree(sleeves={7: leaf()}), "a name is text"),
    "template names clash": (
        tree(sleeves={"x": leaf(expand={"k": [1, 2]})}),
        "two sleeves are called 'x'; give each its own name",
    ),
    "template variable": (tree(sleeves={"{k}": leaf(expand={"k": ["a"]}, lookback="{j}")}), "no value for '{j}'"),
    "template at the root": (
        tree(expand={"k": [1]}),
        "sleeve 'book': expand makes several .*; put the template beneath",
    ),
    "template of nothing": (tree(sleeves={"{k}": leaf(expand={"k": []})}), "expand is {'k': \\[\\]}, wanted"),
    "not a mapping": ([1, 2], "a portfolio is a mapping"),
}


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_what_cannot_be_meant_is_refused_with_its_path_and_cure(wrong: str) -> None:
    settings, says = WRONG[wrong]
    with pytest.raises(ConfigError, match=says):
        resolve(settings, symbols=SYMBOLS)


def test_the_deepest_tree_is_walked() -> None:
    resolved = resolve(deep(MAX_DEPTH - 1), symbols=SYMBOLS)
    assert max(path.count("/") for path, _ in resolved.walk()) == MAX_DEPTH - 1


def test_resolving_changes_nothing_it_was_given() -> None:
    settings = tree(defaults={"lookback": 20})
    kept = copy.deepcopy(settings)
    resolve(settings, symbols=SYMBOLS)
    assert settings == kept


def test_a_thousand_leaves_are_a_few_lines() -> None:
    ten = list(range(10))
    settings = {"name": "k", "sleeves": {"{a}{b}{c}": leaf(expand={"a": ten, "b": ten, "c": ten})}}
    leaves = list(resolve(settings, symbols=SYMBOLS).leaves())
    assert len(leaves) == 1000 and re.fullmatch(r"k/\d{3}", leaves[123][0])


class Compared(str):
    """A symbol that counts how often symbols are compared."""

    times = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return str(self) == str(other)


def test_a_wide_universe_takes_no_comparison_of_all_with_all() -> None:
    """Budgets of every symbol too: each of 3,000 symbols is compared with a few others, not with 3,000."""
    universe = [Compared(f"S{i:05d}") for i in range(3000)]
    Compared.times = 0
    found = resolve(leaf(universe=universe, optimizer={"name": "erc", "budgets": dict.fromkeys(universe, 1.0)}))
    assert isinstance(found.spec, Leaf) and len(found.spec.universe) == 3000
    assert Compared.times < 30 * 3000


NUMBERS = {
    "lookback": (20, np.int64(20), np.uint8(20), np.array(20)),
    "lag": (2, np.int32(2)),
    "schedule": ({"every": 5}, {"every": np.int16(5)}),
    "min_coverage": (0.5, np.float64(0.5), np.float32(0.5), Fraction(1, 2)),
    "costs": ({"commission_bp": 3.0}, {"commission_bp": np.int64(3)}, {"commission_bp": np.float32(3)}),
    "optimizer": (
        {"name": "erc", "max_weight": 0.5, "budgets": {"AMD": 2.0}},
        {"name": "erc", "max_weight": np.float32(0.5), "budgets": {"AMD": np.int64(2)}},
    ),
    "selector": ({"name": "top_k", "k": 2}, {"name": "top_k", "k": np.int64(2)}),
    "start": ("2001-01-31", np.datetime64("2001-01-31"), np.datetime64("2001-01-31T00:00:00.000000000")),
}


@pytest.mark.parametrize("key", NUMBERS)
def test_numbers_of_numpy_are_numbers(key: str) -> None:
    """They make the same spec, of the same digest, as Python's own, and can be written down."""
    specs = [spec_of(leaf(**{key: value}), "portfolio") for value in NUMBERS[key]]
    assert {spec.digest for spec in specs} == {specs[0].digest}
    assert len({json.dumps(spec.plain()) for spec in specs}) == 1


def test_numbers_of_numpy_are_handed_to_plug_ins_as_python_s_own() -> None:
    plain = {"name": "skfolio.MeanRisk", "l2_coef": 0.1, "min_weight": 0.0, "previous_weights": [0.5, 0.5]}
    given = {
        **plain,
        "l2_coef": np.float64(0.1),
        "min_weight": np.float32(0),
        "previous_weights": [np.float32(0.5)] * 2,
    }
    one, other = (spec_of(leaf(optimizer=optimizer), "portfolio") for optimizer in (plain, given))
    assert json.dumps(one.plain()) == json.dumps(other.plain())
    assert type(other.optimizer.params["l2_coef"]) is float


@pytest.mark.parametrize("truth", [True, False, np.True_, np.False_])
@pytest.mark.parametrize(
    "settings",
    [
        lambda it: {"lookback": it},
        lambda it: {"lag": it},
        lambda it: {"schedule": {"every": it}},
        lambda it: {"min_coverage": it},
        lambda it: {"stale_after": it},
        lambda it: {"costs": {"commission_bp": it}},
        lambda it: {"optimizer": {"name": "erc", "max_weight": it}},
        lambda it: {"optimizer": {"name": "fixed", "weights": {"AMD": it}}},
        lambda it: {"optimizer": {"name": "skfolio.MeanRisk", "max_weight": it}},
        lambda it: {"selector": {"name": "top_k", "k": it}},
    ],
)
def test_a_truth_is_no_number(settings: Callable[[object], dict], truth: object) -> None:
    with pytest.raises(ConfigError, match=r"is (np\.)?(True|False)_?[,;] wanted a"):
        resolve(leaf(**settings(truth)), symbols=SYMBOLS)


def test_leaves_are_shared_where_they_are_stated_alike() -> None:
    leaves: dict[str, Sleeve] = {}

    def leaf(**settings: Any) -> Sleeve:
        return resolve({"dataset": "d", "universe": ["A", "B"], **settings}, leaves=leaves)

    first = leaf(lookback=60)
    assert leaf(lookback=60) is first and leaf(lookback=61) is not first and leaf(lookback=60, lag=2) is not first
    assert resolve({"dataset": "d", "universe": ["A", "B"], "lookback": 60}, leaves=leaves, start="2020-01-01") != first
    assert len(leaves) == 4
