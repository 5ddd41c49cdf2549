"""Digests: equal for what is equal, different for what is not, refused for what cannot be written down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.values.digests import array_digest, digest, joint_digest, json_form

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), PLAIN, min_size=2))
def test_the_order_of_keys_does_not_matter(value: dict) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


def test_types_and_signs_matter() -> None:
    values = [1, 1.0, True, "1", None, [1], {"1": 1}, 0.0, -0.0, np.array([1]), np.array([1.0]), np.array([[1]])]
    assert len({digest(value) for value in values}) == len(values)


@dataclass(frozen=True)
class Pair:
    """A value of two fields."""

    one: object
    two: object


WORDS = st.sampled_from(["float", "dict", "array", "date", "dataclass", "one", "two", "Pair", "0x1.0p+0", "2020", ""])
"""Words that canonical forms are made of."""
SCALARS = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, 0.0, -0.0, 1.0, 1e-300, np.inf])
    | WORDS
    | st.sampled_from([np.datetime64("2020", "Y"), np.datetime64("2020-01-01"), np.datetime64("NaT", "D")])
    | st.sampled_from([np.array([1]), np.array([1.0]), np.array([[1]]), np.array(["1"]), np.array([], "M8[D]")])
)
CUNNING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2) | st.builds(Pair, inner, inner)
    ),
    max_leaves=6,
)
"""Plain values that are easily taken for one another, canonical forms of values among them."""


def written(value: object) -> str:
    """Return a value as Python would write it, mappings in the order of their keys."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {written(item)}' for key, item in sorted(value.items()))}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, Pair):
        return f"Pair({written(value.one)}, {written(value.two)})"
    if isinstance(value, np.ndarray):
        return f"array({value.dtype}, {value.shape}, {value.tolist()!r})"
    return repr(value)


@given(CUNNING, CUNNING, st.booleans())
def test_two_values_have_one_digest_if_they_are_one_value(one: object, other: object, disguised: bool) -> None:
    """The canonical form of a value, which is plain itself, is another value unless it is the same to the letter."""
    other = json_form(one) if disguised else other
    assert (digest(one) == digest(other)) == (written(one) == written(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1.0, {"float": (1.0).hex()}),
        (np.datetime64("2020-01-01"), "2020-01-01"),
        (np.datetime64("NaT", "D"), np.datetime64("NaT", "s")),
        (Pair(1, 2), {"Pair": {"one": 1, "two": 2}}),
        (np.arange(2), {"array": array_digest(np.arange(2))}),
        ([1, [2]], [[1], 2]),
    ],
)
def test_no_value_is_taken_for_the_form_of_another(one: object, other: object) -> None:
    assert digest(one) != digest(other)


TEXTS = st.lists(st.text(st.sampled_from("\0:12a"), max_size=4), max_size=4)


@given(TEXTS, TEXTS)
def test_texts_are_told_apart_wherever_they_are_cut(one: list[str], other: list[str]) -> None:
    assert (joint_digest(one) == joint_digest(other)) == (one == other)
    assert (joint_digest(one) == joint_digest(["\0".join(one)])) == (len(one) == 1)


ARRAYS = st.lists(
    st.tuples(st.sampled_from(["i1", "i2", "f4", "M8[D]", "S1", "?"]), st.binary(max_size=16)),
    max_size=3,
).map(lambda items: [np.frombuffer(raw[: len(raw) // 8 * 8], kind) for kind, raw in items])


@given(ARRAYS, ARRAYS)
def test_arrays_are_told_apart_wherever_one_ends(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    def named(arrays: list[np.ndarray]) -> list[tuple]:
        return [(array.dtype, array.shape, array.tobytes()) for array in arrays]

    assert (array_digest(*one) == array_digest(*other)) == (named(one) == named(other))


@pytest.mark.parametrize("array", [np.array([object()]), np.zeros(2, [("a", "f8")])])
def test_an_array_whose_bytes_do_not_hold_its_values_is_refused(array: np.ndarray) -> None:
    with pytest.raises(TypeError, match="cannot fingerprint an array of"):
        digest(array)


@pytest.mark.parametrize("value", [len, lambda: 1, object(), {1: 2}, {"f": print}, {1, 2}, 1j])
def test_what_cannot_be_written_down_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="cannot fingerprint"):
        digest(value)


def test_an_array_is_its_type_shape_and_bytes() -> None:
    base = np.arange(6.0)
    same = np.asfortranarray(base.reshape(2, 3))
    assert array_digest(base.reshape(2, 3)) == array_digest(same)
    others = [base.reshape(3, 2), base.reshape(2, 3).astype(np.float32), base.reshape(2, 3) + 1e-15]
    assert array_digest(same) not in {array_digest(other) for other in others}
