from __future__ import annotations

import numpy as np
import pytest

from metabt.estimators.solvers.support import feasible, supported
from metabt.numerics.kernels import kernel


@kernel()
def feasible_on(S, support, column, lo, hi):
    return feasible(S, column, supported(support, column), lo, hi)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1.0])
@pytest.mark.parametrize("left_out", [(), (0,), (3, 10), tuple(range(11))])
def test_what_is_supported_must_be_finite_and_have_room(bad: float, left_out: tuple[int, ...]) -> None:
    S, support = np.ones((11, 11)), np.ones(11, bool)
    support[list(left_out)] = False
    n = support.sum()
    for i, j in np.ndindex(11, 11):
        S[i, j] = bad
        expected = n > 0 and np.isfinite(S[np.ix_(support, support)]).all()
        assert feasible_on(S, support, np.empty(11, np.int64), 0.0, 1.0) == expected
        S[i, j] = 1.0
    for lo, hi in ((0.0, 0.1), (0.1, 1.0), (0.1, 0.1)):
        expected = n > 0 and lo * n <= 1.0 + 1e-9 and hi * n >= 1.0 - 1e-9
        assert feasible_on(S, support, np.empty(11, np.int64), lo, hi) == expected
