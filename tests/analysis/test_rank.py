"""Rank: a naive reading of its words gives the same order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metabt.analysis.rank import rank

NUMBER = st.sampled_from([-1.0, 0.0, 0.5, 0.5, 2.0, np.nan, np.inf])


@given(st.lists(st.tuples(NUMBER, NUMBER, st.booleans()), max_size=12))
def test_the_order_is_that_of_a_naive_reading(rows: list[tuple[float, float, bool]]) -> None:
    def place(row: tuple[float, float, bool]) -> tuple[int, float]:
        sharpe, growth, failed = row
        if failed:
            return 3, 0.0
        if np.isfinite(sharpe):
            return 0, -sharpe
        return (1, -growth) if np.isfinite(growth) else (2, 0.0)

    wanted = sorted(range(len(rows)), key=lambda number: place(rows[number]))
    sharpe, growth, failed = (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.empty(0),) * 3
    assert rank(sharpe, growth, failed.astype(bool)).tolist() == wanted
