"""A space maps the unit interval to values, evenly on each key's own scale, and refuses what is none."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.errors import ConfigError
from metabt.search.space import Choice, Interval, Steps, check_space, interval

UNIT = [(place + 0.5) / 5040 for place in range(5040)]


def test_a_choice_gives_each_value_an_equal_part() -> None:
    assert Counter(map(Choice(("a", "b", "c")).at, UNIT)) == {"a": 1680, "b": 1680, "c": 1680}


def test_an_interval_of_whole_numbers_gives_each_an_equal_part() -> None:
    counts = Counter(map(interval(3, 9, integer=True).at, UNIT))
    assert counts == {str(number): 720 for number in range(3, 10)}


def test_an_interval_by_its_logarithm_gives_each_factor_an_equal_part() -> None:
    values = [float(interval(0.01, 100.0, log=True).at(u)) for u in UNIT]
    assert Counter(math.floor(math.log10(value)) for value in values) == {power: 1260 for power in (-2, -1, 0, 1)}


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.booleans(), st.booleans(), st.floats(0, 1, exclude_max=True))
def test_no_value_lies_outside_and_a_larger_u_gives_no_smaller_one(
    one: float, other: float, log: bool, integer: bool, u: float
) -> None:
    low, high = sorted((round(one) + 1, round(other) + 1) if integer else (one, other))
    if low == high:
        return
    found = interval(low, high, log, integer)
    values = [float(found.at(it)) for it in (0.0, u, math.nextafter(1.0, 0.0))]
    assert values == sorted(values) and low <= values[0] and values[-1] <= high
    assert found.text(values[1]) == found.at(u), "every bit is read back"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((2, 1), "is empty, wanted the smaller number first"),
        ((1, 1), "is empty"),
        (("a", 1), "wanted two numbers"),
        ((True, 2), "wanted two numbers"),
        ((math.nan, 1), "wanted two numbers"),
        ((0, math.inf), "wanted two numbers"),
        ((0, 1, True), "bounds above 0"),
        ((1, 2.5, False, True), "give whole bounds"),
    ],
)
def test_what_is_no_interval_is_refused(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        interval(*arguments)


def test_a_space_needs_a_free_key() -> None:
    check_space({"a": Choice(("1",)), "b": Steps(("1", "2"))})
    check_space({"a": Interval(0.0, 1.0)})
    for fixed in ({}, {"a": Choice(("1",)), "b": Steps(("2",))}):
        with pytest.raises(ConfigError, match="no free key"):
            check_space(fixed)
