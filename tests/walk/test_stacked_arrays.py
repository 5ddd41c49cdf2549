"""Stacked: rows that lie in several arrays are those of the arrays one below the other."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metabt.walk.stacked_arrays import StackedArrays
from tests.shared.laws import examples


@examples(60)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.data())
def test_rows_are_those_of_the_whole(sizes: list[int], data: st.DataObject) -> None:
    parts = tuple(np.random.default_rng(i).normal(size=(size, 3)) for i, size in enumerate(sizes))
    whole, stacked = np.concatenate(parts), StackedArrays(parts)
    places = st.lists(st.integers(0, len(whole) - 1), max_size=12) if len(whole) else st.just([])
    rows = np.array(sorted(data.draw(places)), np.int64)
    assert stacked.shape == whole.shape
    assert np.asarray(stacked).tobytes() == whole.tobytes()
    assert stacked[rows].tobytes() == whole[rows].tobytes()


def test_what_was_gathered_may_be_changed() -> None:
    part = np.ones((2, 2))
    stacked = StackedArrays((part, part))
    stacked[np.arange(4)][:] = 0.0
    assert part.all()
