"""Overrides side by side: which keys differ, what they are called for short, and the order of their values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.values.overrides import are_numbers, differing, in_order, short_names, stated


def test_a_key_that_only_some_have_differs() -> None:
    assert differing([{"a": "1", "b": "2"}, {"a": "1"}, {"a": "1", "b": "2"}]) == ["b"]
    assert differing([{"a": "1"}]) == []
    assert differing([]) == []


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["portfolio.optimizer"], ["optimizer"]),
        (["portfolio", "start"], ["portfolio", "start"]),
        (["portfolio.optimizer", "portfolio.sleeves.a.optimizer"], ["portfolio.optimizer", "a.optimizer"]),
        (["portfolio.sleeves.a.x", "portfolio.sleeves.b.x"], ["a.x", "b.x"]),
        (["start", "portfolio.start"], ["start", "portfolio.start"]),
        (["++portfolio.x", "sleeve@portfolio.sleeves.oil"], ["x", "oil"]),
        (["portfolio.turnover"], ["portfolio.turnover"]),
    ],
)
def test_a_name_is_as_short_as_it_can_be_told_apart(keys: list[str], names: list[str]) -> None:
    assert list(short_names(keys, {"rank", "run", "turnover"}).values()) == names


KEYS = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join), unique=True, max_size=8)


@given(KEYS)
def test_no_two_keys_share_a_name(keys: list[str]) -> None:
    names = short_names(keys)
    assert len(set(names.values())) == len(keys)
    assert all(key.endswith(name) for key, name in names.items())


def test_quotes_around_a_value_are_left_out() -> None:
    assert stated(["a.b='erc'", 'c="x=1"', "~d"]) == {"a.b": "erc", "c": "x=1", "~d": ""}


@given(st.lists(st.one_of(st.integers(-99, 99).map(str), st.floats(allow_nan=False).map(str), st.sampled_from("xyz"))))
def test_numbers_are_in_order_of_size_and_words_as_they_came(values: list[str]) -> None:
    found = in_order(values)
    numbers = [float(value) for value in found if value not in "xyz"]
    words = [value for value in found if value in "xyz"]
    assert sorted(found) == sorted(set(values))
    assert numbers == sorted(numbers) and words == [value for value in dict.fromkeys(values) if value in "xyz"]
    assert found[len(numbers) :] == words
    assert are_numbers(values) == (not words)
