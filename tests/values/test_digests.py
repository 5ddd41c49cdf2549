"""Digests: equal for what is equal, different for what is not, refused for what cannot be written down."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.values.digests import array_digest, digest

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
