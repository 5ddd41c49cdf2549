"""A view is cut where pandas cuts it, and what is cut adds up to what there was."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.analysis.attribution.contributions import on_periods
from metabt.analysis.attribution.periods import by_period
from metabt.errors import ConfigError


@given(st.integers(0, 10**6), st.integers(1, 60), st.sampled_from(["year", "month", None]))
def test_periods_are_those_of_pandas(seed: int, n: int, every: str | None) -> None:
    rng = np.random.default_rng(seed)
    days = np.datetime64("2019-11-20") + np.cumsum(rng.choice([1, 3, 40], n))
    factors = rng.uniform(0.5, 2, n)
    ends, rows = by_period(days, factors, every)
    labels = pd.DatetimeIndex(days).to_period(every[0].upper()) if every else np.zeros(n)
    groups = list(pd.Series(np.arange(n)).groupby(labels).groups.values())
    assert ends.tolist() == [days[list(group)[-1]].astype(object) for group in groups]
    wanted = np.zeros((len(groups), n))
    for k, group in enumerate(groups):
        wanted[k, list(group)] = factors[list(group)]
    assert (rows == wanted).all()
    kept = np.sort(rng.permutation(n)[: rng.integers(1, n + 1)])
    own = on_periods(days, days[kept], factors[kept], every)
    assert (own == wanted[:, kept]).all()


def test_the_last_session_of_a_year_and_the_first_of_the_next() -> None:
    days = np.array(["2020-12-30", "2020-12-31", "2021-01-01"], "datetime64[D]")
    ends, rows = by_period(days, np.array([1.0, 2.0, 3.0]), "year")
    assert ends.tolist() == days[1:].tolist() and rows.tolist() == [[1.0, 2.0, 0.0], [0.0, 0.0, 3.0]]
    with pytest.raises(ConfigError) as refused:
        by_period(days, np.ones(3), "years")
    wanted = "wanted year, month or None for the whole view"
    assert str(refused.value) == f"every is 'years'; did you mean 'year'?; {wanted}"
