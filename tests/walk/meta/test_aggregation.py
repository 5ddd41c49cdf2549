"""Which streams vary over their windows, against NumPy."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metabt.walk.meta.aggregation import last_change


@given(arrays(np.float64, st.tuples(st.integers(0, 12), st.integers(1, 4)), elements=st.sampled_from([0.0, -0.0, 0.1])))
def test_the_newest_change_is_the_row_that_differs_from_the_one_before(returns: np.ndarray) -> None:
    rows = np.arange(len(returns))[:, None]
    changed = np.zeros(returns.shape, bool)
    changed[1:] = returns[1:] != returns[:-1]
    expected = np.maximum.accumulate(np.where(changed, rows, -1), axis=0)
    assert (last_change(returns) == expected).all()
    for t in range(len(returns)):
        for length in range(1, t + 2):
            window = returns[t + 1 - length : t + 1]
            varies = (window != window[0]).any(axis=0)
            assert ((last_change(returns)[t] > t + 1 - length) == varies).all()
