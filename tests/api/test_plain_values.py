"""Python's own ways to state a tree are those of a file: sequences, NumPy's scalars, dates."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metabt
from metabt.api.plain_values import plain_tree
from metabt.errors import ConfigError
from tests.shared.panels import stocks
from tests.shared.small_tree import LEAF, tree

SYMBOLS = ["AA", "BB", "CC"]
SEQUENCES: dict[str, Callable[[list], Any]] = {
    "tuple": tuple,
    "array": np.array,
    "objects": lambda items: np.array(items, object),
    "index": pd.Index,
    "series": pd.Series,
    "named series": lambda items: pd.Series(items, [f"row {place}" for place in range(len(items))]),
    "categories": pd.Categorical,
    "strings": lambda items: pd.array(items, "string"),
    "keys": lambda items: dict.fromkeys(items).keys(),
    "values": lambda items: dict(enumerate(items)).values(),
}


def leaf(**settings: Any) -> dict:
    return {"name": "x", **LEAF, "universe": SYMBOLS, **settings}


def run_id(settings: Any, **more: Any) -> str:
    return metabt.backtest(settings, {"stocks": stocks(5)}, **more).run_id


@pytest.mark.parametrize("form", SEQUENCES)
def test_a_universe_may_be_any_sequence(form: str) -> None:
    assert plain_tree(leaf(universe=SEQUENCES[form](SYMBOLS))) == leaf()
    assert run_id(leaf(universe=SEQUENCES[form](SYMBOLS))) == run_id(leaf())


def test_columns_of_the_frame_itself_are_a_universe() -> None:
    prices = stocks(5)
    assert run_id(leaf(universe=prices.columns[:3])) == run_id(leaf()) == run_id(leaf(universe=set(SYMBOLS)))
    assert run_id(leaf(universe=np.array("all"))) == run_id(leaf(universe="all"))


@pytest.mark.parametrize("form", [*SEQUENCES][:5])
def test_a_fallback_may_be_any_sequence(form: str) -> None:
    assert run_id(leaf(fallback=SEQUENCES[form](["erc", "equal"]))) == run_id(leaf(fallback=["erc", "equal"]))


DAY = "2021-03-15"
DATES = [
    pd.Timestamp(DAY),
    pd.Timestamp(DAY, tz="Europe/Berlin"),
    pd.Timestamp(f"{DAY} 17:30"),
    datetime.date(2021, 3, 15),
    datetime.datetime(2021, 3, 15, 23, 59),
    np.datetime64(DAY),
    np.datetime64(f"{DAY}T17:30"),
    pd.DatetimeIndex([DAY])[0],
    np.str_(DAY),
]


@pytest.mark.parametrize("date", DATES, ids=repr)
def test_a_date_may_be_of_any_kind(date: object) -> None:
    assert run_id(leaf(start=date)) == run_id(leaf(start=DAY))
    assert run_id(leaf(), start=date, end=pd.Timestamp("2021-06-01")) == run_id(leaf(), start=DAY, end="2021-06-01")


def test_numbers_texts_and_mappings_may_be_numpys_and_pandas() -> None:
    own = leaf(
        lookback=20,
        min_coverage=0.5,
        costs={"commission_bp": 5.0},
        schedule={"every": 7},
        optimizer={"name": "fixed", "weights": {"AA": 0.25, "BB": 0.75, "CC": 0.0}},
    )
    other = leaf(
        lookback=np.int32(20),
        min_coverage=np.float64(0.5),
        costs=MappingProxyType({np.str_("commission_bp"): np.array(5.0)}),
        schedule={"every": np.uint8(7)},
        optimizer={"name": np.str_("fixed"), "weights": pd.Series([0.25, 0.75, 0.0], pd.Index(SYMBOLS))},
    )
    assert plain_tree(other) == plain_tree(own) == own
    assert json.dumps(plain_tree(other), sort_keys=True) == json.dumps(own, sort_keys=True)
    assert run_id(other) == run_id(own)


def test_what_stands_deep_in_a_tree_is_read_as_well() -> None:
    stated = tree(defaults={"lookback": np.int64(30)})
    stated["sleeves"][np.str_("a")] = {**stated["sleeves"].pop("a"), "universe": stocks(5).columns[:2]}
    stated["sleeves"] = {name: stated["sleeves"][name] for name in "ab"}
    held = [stocks(5).columns[:2], ("BB", "CC")]
    stated["sleeves"]["{held}"] = {"expand": {"held": held}, **LEAF, "universe": "{held}"}
    plain = plain_tree(stated)
    assert plain["sleeves"]["{held}"]["expand"] == {"held": [["AA", "BB"], ["BB", "CC"]]}
    assert plain["sleeves"]["a"]["universe"] == ["AA", "BB"] and type(next(iter(plain["sleeves"]))) is str


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


def dressed(value: Any, draw: Callable[[int], int]) -> Any:
    """Return a value in NumPy's and Python's other clothes."""
    if isinstance(value, bool):
        return np.bool_(value) if draw(2) else value
    if isinstance(value, int):
        return np.int64(value) if draw(2) else np.array(value)
    if isinstance(value, float):
        return np.float64(value) if draw(2) else value
    if isinstance(value, str):
        return np.str_(value) if draw(2) and "\0" not in value else value
    if isinstance(value, list):
        items = [dressed(item, draw) for item in value]
        return tuple(items) if draw(2) else pd.Series(items, dtype=object) if draw(2) else items
    if isinstance(value, dict):
        items = {key: dressed(item, draw) for key, item in value.items()}
        return MappingProxyType(items) if draw(2) else items
    return value


@given(st.dictionaries(st.text(max_size=4), values, max_size=4), st.data())
def test_whatever_is_stated_comes_back_as_a_file_would_have_it(stated: dict, data: st.DataObject) -> None:
    def draw(choices: int) -> int:
        return data.draw(st.integers(0, choices - 1))

    wanted = {key: value for key, value in stated.items() if key not in ("universe", "fallback", "sleeves")}
    found = plain_tree({key: dressed(value, draw) for key, value in wanted.items()})
    assert json.dumps(found) == json.dumps(wanted)


def test_a_tree_that_contains_itself_is_told_so() -> None:
    stated = {"sleeves": {}}
    stated["sleeves"]["a"] = stated
    with pytest.raises(ConfigError, match="contains itself"):
        run_id(stated)


def test_one_sleeve_may_stand_in_many_places() -> None:
    stated: dict = {**LEAF, "universe": ["AA"]}
    for _ in range(25):  # 2 ** 25 nodes, were each of them read anew
        stated = {"sleeves": {"a": stated, "b": stated}}
    found = plain_tree(stated)["sleeves"]
    assert found["a"] is found["b"]


PRICES = stocks(5)
REFUSED = {
    "frame": ({"universe": PRICES}, r"sleeve 'x': universe is a table, wanted a list.*list\(table.columns\)"),
    "row": ({"universe": PRICES.iloc[0]}, "sleeve 'x': universe is a Series of .*, wanted symbols; take its index"),
    "matrix": ({"universe": PRICES.to_numpy()}, r"universe is an array of shape \(130, 5\), wanted one dimension"),
    "mapping": (
        {"universe": {"AA": 1}},
        r"universe is dict .*, wanted a list of symbols, 'all', or a rule .*; list its keys",
    ),
    "iterator": ({"universe": iter(SYMBOLS)}, r"universe is list_iterator .*read once.*list\("),
    "bytes": ({"universe": b"AA"}, "universe is bytes b'AA', wanted a list of symbols, 'all', or a rule"),
    "missing": ({"universe": ["AA", None]}, "universe has None, which is no text"),
    "set": ({"fallback": {"equal"}}, r"fallback is set .*no order, wanted a list; sort it"),
    "not a time": ({"start": pd.NaT}, "sleeve 'x': start is NaT, wanted a date"),
    "complex": ({"lookback": 3 + 4j}, r"sleeve 'x': lookback is complex \(3\+4j\), wanted text, a number"),
    "object": ({"costs": {"commission_bp": object()}}, "sleeve 'x': costs.commission_bp is object.*wanted text"),
    "defaults": ({"defaults": {"lookback": pd.NA}}, "sleeve 'x': defaults.lookback is NAType"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_is_refused_with_who_and_what(case: str) -> None:
    settings, said = REFUSED[case]
    with pytest.raises(ConfigError, match=said):
        run_id(leaf(**settings))
