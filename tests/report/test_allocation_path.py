"""The allocation path on calendars of any week: decisions before the stream began are placed by the root's own days."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.report.run import Run
from tests.shared.reported import stored_row

WEEKS = {"weekdays": "1111100", "every day": "1111111", "Sunday to Thursday": "1111001", "no Wednesdays": "1101100"}


@pytest.mark.parametrize("first", ["2020-01-01", "2020-01-03", "2020-01-06"])
@pytest.mark.parametrize(("every", "lag"), [(1, 3), (2, 5), (3, 8), (4, 4), (2, 9)])
@pytest.mark.parametrize("week", WEEKS)
def test_what_children_earn_is_what_the_root_earns(week: str, every: int, lag: int, first: str) -> None:
    """From the first session on, though several decisions were taken before it and are traded after it."""
    dates = pd.bdate_range(first, periods=120, freq="C", weekmask=[day == "1" for day in WEEKS[week]])
    steps = np.random.default_rng(every).normal(0.0, 0.02, (len(dates), 4))
    prices = pd.DataFrame(50 * np.exp(steps.cumsum(axis=0)), dates, ["A", "B", "C", "D"])
    rules = {"lookback": 10, "schedule": {"every": every}, "lag": lag, "optimizer": "inverse_volatility"}
    sleeves = {"one": {**rules, "universe": ["A", "B"]}, "two": {**rules, "universe": ["C", "D"], "lag": 0}}
    found = metabt.backtest({"name": "mine", **rules, "defaults": {"lag": 0}, "sleeves": sleeves}, prices)
    run = Run(stored_row(found), found.tables)
    gross = found.returns()["gross"].to_numpy()
    np.testing.assert_allclose(run.shares.earned.sum(axis=1), gross, rtol=0, atol=1e-12)
