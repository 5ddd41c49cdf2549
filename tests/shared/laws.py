"""Laws: how often a property is tried, on which seeds, and the run that it is tried on."""

from __future__ import annotations

import pandas as pd
from hypothesis import HealthCheck, Phase, reject, settings
from hypothesis import strategies as st

import metabt

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example, HealthCheck.filter_too_much]

SEEDS = st.integers(0, 5)
"""Seeds of prices, beside a tree that tells the examples apart."""
DRAWS = st.integers(0, 2**32 - 1)
"""Seeds of all that an example is made of."""

WEEKDAY = {"dataset": "stocks", "schedule": {"every": 5}, "lookback": 12}

REFUSALS = ("nothing was traded", "start earlier", "ruined")
"""What a random tree may rightly be refused for: it starts too late, or its shorts take the whole NAV."""


def examples(count: int) -> settings:
    """Return Hypothesis settings for `count` examples; shrinking a tree of backtests would take minutes."""
    phases = (Phase.explicit, Phase.generate)
    return settings(max_examples=count, deadline=None, suppress_health_check=SLOW, phases=phases)


def run(tree: dict, prices: dict[str, pd.DataFrame]) -> metabt.Result:
    """Return the run of a random tree; one that is rightly refused is no example."""
    try:
        return metabt.backtest(tree, prices)
    except metabt.MetabtError as error:
        assert any(reason in str(error) for reason in REFUSALS), error
        reject()
