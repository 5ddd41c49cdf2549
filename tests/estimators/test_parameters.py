"""Parameters: each is of the type that its signature states, or is refused by name, value and what was wanted."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from metabt.errors import ConfigError
from metabt.estimators.parameters import checked_parameters, typed


def doubled(who: str, value: Any) -> Any:
    return f"{who}: {2 * value}"


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (3, float, 3.0),
        (np.float32(0.5), float, 0.5),
        (np.int64(3), int, 3),
        ("x", str, "x"),
        (np.bool_(True), bool, True),
        (None, float | None, None),
        (1, float | None, 1.0),
        (1, typing.Optional[float], 1.0),  # noqa: UP045
        ("a", Literal["a", "b"], "a"),
        ("sample", dict[str, float] | str, "sample"),
        ({"a": 1}, dict[str, float] | str, {"a": 1.0}),
        ({"a": 1}, dict[str, float], {"a": 1.0}),
        ({"a": 1}, Mapping[str, float], {"a": 1.0}),
        ({"a": 1}, typing.Mapping[str, float], {"a": 1.0}),  # noqa: UP006
        ({"a": {"b": 1}}, dict[str, dict[str, float]], {"a": {"b": 1.0}}),
        (3, Annotated[float, doubled], "who: 6.0"),
        ([1, "x"], Any, [1, "x"]),
        ((1, 2), list[int], (1, 2)),  # what is of no plain type is left to whoever takes it
    ],
)
def test_a_value_becomes_what_is_stated(value: Any, hint: Any, expected: Any) -> None:
    found = typed("who", value, hint)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "hint", "told"),
    [
        ("3", float, "who is '3'; wanted a finite number"),
        (True, float, "who is True; wanted a finite number"),
        (float("inf"), float, "who is inf; wanted a finite number"),
        (float("nan"), float, "who is nan; wanted a finite number"),
        (2.5, int, "who is 2.5; wanted a whole number"),
        (2.0, int, "who is 2.0; wanted a whole number"),
        (True, int, "who is True; wanted a whole number"),
        (3, str, "who is 3; wanted a word"),
        (1, bool, "who is 1; wanted true or false"),
        (None, float, "who is None; wanted a finite number"),
        ("x", float | None, "who is 'x'; wanted a finite number"),
        ("bata", Literal["alpha", "beta"], "who is 'bata'; wanted one of alpha, beta; did you mean 'beta'?"),
        (3, dict[str, float], "who is 3; wanted a mapping"),
        (3, dict[str, float] | str, "who is 3; wanted a word"),  # of several types the last is named
        ({"a": "x"}, Mapping[str, float], "who.a is 'x'; wanted a finite number"),
        ({"a": {"b": "x"}}, dict[str, dict[str, float]], "who.a.b is 'x'; wanted a finite number"),
    ],
)
def test_a_value_that_is_not_is_refused(value: Any, hint: Any, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        typed("who", value, hint)
    assert str(caught.value) == told


def build(k: int, *, share: float = 0.5, kind: Literal["even", "odd"] = "even") -> None: ...


def anything(**params: object) -> None: ...


def test_parameters_are_those_of_the_signature() -> None:
    assert checked_parameters("it", build, {"k": np.int64(2), "share": 1}) == {"k": 2, "share": 1.0}
    assert checked_parameters("it", anything, {"k": "2", "x": 1}) == {"k": "2", "x": 1}
    for params, told in (
        ({"k": 1, "shar": 1}, "it has no parameter 'shar'; did you mean 'share'?"),
        ({"share": 1}, "it needs the parameter 'k'"),
        ({"k": 1, "share": "x"}, "it: share is 'x'; wanted a finite number"),
        ({"k": 1, "kind": "evem"}, "it: kind is 'evem'; wanted one of even, odd; did you mean 'even'?"),
    ):
        with pytest.raises(ConfigError) as caught:
            checked_parameters("it", build, params)
        assert str(caught.value) == told


def checked(share: Annotated[float, doubled], *, names: dict[str, Annotated[float, doubled]] | None = None) -> None:
    """Take what is checked."""


class Checked:
    """One that is built of what is checked."""

    def __init__(self, share: Annotated[float, doubled]) -> None:
        """Keep nothing."""


@pytest.mark.parametrize("builder", [checked, Checked])
def test_what_a_signature_checks_is_checked_under_the_name_of_the_parameter(builder: Any) -> None:
    assert checked_parameters("it", builder, {"share": 3}) == {"share": doubled("it: share", 3.0)}
    if builder is checked:
        found = checked_parameters("it", builder, {"share": 3, "names": {"A": 2}})
        assert found["names"] == {"A": doubled("it: names.A", 2.0)}
