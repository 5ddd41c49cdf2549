"""Arrays for kernels: of one type, read-only views of what the caller has; work arrays apart from each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.errors import ConfigError
from metabt.estimators.moments.arrays import aligned, index, matrix
from metabt.estimators.moments.covariance import COVARIANCES
from metabt.estimators.moments.mean import MEANS
from metabt.estimators.solvers.linear import LANES, padded, work_arrays
from tests.shared.laws import examples


@pytest.mark.parametrize(("kept", "kind"), [(matrix, np.float64), (index, np.int64)])
def test_what_kernels_take_is_read_only_and_copied_only_if_need_be(kept: object, kind: type) -> None:
    assert callable(kept)
    own = np.arange(12).reshape(3, 4).astype(kind)
    found = kept(own)
    assert np.shares_memory(found, own) and not found.flags.writeable and own.flags.writeable
    for other in (own.astype(np.float32), own.astype(np.int32), np.asfortranarray(own), own[:, ::2], own.tolist()):
        found = kept(other)
        assert found.tolist() == np.asarray(other).tolist()
        assert found.dtype == kind and found.flags.c_contiguous and not found.flags.writeable


@examples(50)
@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=3).map(tuple), min_size=1, max_size=4))
def test_work_arrays_begin_on_a_cache_line_and_do_not_overlap(shapes: list[tuple[int, ...]]) -> None:
    widths = [(*shape[:-1], 8 * shape[-1]) for shape in shapes]
    found = aligned(*widths)
    assert [it.shape for it in found] == widths and all(it.dtype == np.float64 for it in found)
    for k, it in enumerate(found):
        it[:] = k
    for k, it in enumerate(found):
        assert (it == k).all() and it.flags.c_contiguous
        assert not it.size or it.__array_interface__["data"][0] % 64 == 0


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 8, 9])
def test_work_arrays_of_solvers_are_zeros_as_wide_as_vectors(n: int) -> None:
    width = padded(n)
    assert width % LANES == 0 and n <= width < n + LANES
    for array in aligned((40, 40)):
        array[:] = 7.0  # what a work array may find in memory
    del array
    v, m, squares = work_arrays(n, vectors=3, numbers=2, squares=4)
    assert (v.shape, m.shape, squares.shape) == ((3, width), (2, width), (4, width, width))
    assert not v.any() and not m.any() and not squares.any() and m.dtype == np.int64


@pytest.mark.parametrize(("family", "who"), [(MEANS, "mean"), (COVARIANCES, "covariance")])
@pytest.mark.parametrize("half_life", [0.0, -2.5])
def test_a_half_life_is_above_zero_when_it_is_stated(family: object, who: str, half_life: float) -> None:
    for build in (family.build, family.canonical):  # type: ignore[attr-defined]
        with pytest.raises(ConfigError) as caught:
            build(who, {"name": "ewma", "half_life": half_life})
        told = f"half_life is {half_life:g}; wanted a number of sessions above 0"
        assert str(caught.value) == f"{who} 'ewma': {told}"
