"""Around: just before trading is what was kept where something traded, and what is held after elsewhere."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metabt.walk.around import around
from metabt.walk.block import Assets


@given(st.integers(0, 2**32), st.integers(1, 12), st.sampled_from([0.0, 0.3, 1.0]))
def test_a_loop_over_rows_agrees(seed: int, n: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    moved, after = rng.random(n) < share, rng.normal(size=(n, 3))
    kept = {int(t): rng.normal(size=3) for t in np.flatnonzero(moved)}
    held = Assets(after.copy(), np.array([*kept.values()]).reshape(-1, 3), None)
    rows = np.sort(rng.integers(0, n, rng.integers(0, 8)))
    before, now = around(held, moved, rows)
    assert before.shape == now.shape == (len(rows), 3)
    for i, t in enumerate(rows.tolist()):
        assert (now[i] == after[t]).all() and (before[i] == kept.get(t, after[t])).all()
    before[:], now[:] = 7.0, 8.0  # it is the caller's
    assert (held.after == after).all() and all((held.before[k] == it).all() for k, it in enumerate(kept.values()))
