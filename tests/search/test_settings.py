"""Settings of a search: what is left out has a default, and what cannot be is refused with what was wanted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.errors import ConfigError
from metabt.search.objectives import LESS_IS_BETTER, METRICS
from metabt.search.settings import Settings, settings_of
from metabt.search.space import Choice, Steps
from tests.shared.searches import MIXED, ORDERED


def test_what_nobody_says_has_a_default() -> None:
    found = settings_of({"sampler": "sobol", "objective": "sharpe", "seed": None}, MIXED)
    assert found == Settings("sobol", "sharpe", "maximize", 100, 32, 0)


def test_more_points_are_the_same_search() -> None:
    one, other = (settings_of({"sampler": "tpe", "objective": "sharpe", "n": n}, MIXED) for n in (10, 20))
    assert one.identity == other.identity and "n" not in one.identity
    others = [{"objective": "cagr"}, {"seed": 1}, {"batch": 8}, {"sampler": "random"}, {"direction": "minimize"}]
    for change in others:
        assert settings_of({"sampler": "tpe", "objective": "sharpe", **change}, MIXED).identity != one.identity


@pytest.mark.parametrize(("metric", "direction"), [("volatility", "minimize"), ("cagr", "maximize")])
def test_a_metric_says_which_way_it_is_better(metric: str, direction: str) -> None:
    found = settings_of({"sampler": "random", "objective": metric}, MIXED)
    assert found.direction == direction and found.sign == (1 if direction == "maximize" else -1)
    assert settings_of({"sampler": "random", "objective": metric, "direction": "maximize"}, MIXED).sign == 1


def test_the_metrics_are_those_that_a_root_has() -> None:
    sessions = pd.bdate_range("2020-01-01", periods=120, name="date")
    moves = np.random.default_rng(0).normal(0, 0.01, (120, 2))
    prices = pd.DataFrame(100 * np.cumprod(1 + moves, axis=0), sessions, ["A", "B"])
    tree = {"name": "one", "universe": "all", "lookback": 20, "optimizer": "equal"}
    table = metabt.backtest(tree, prices, benchmark="A", engine="local").frame("metrics")
    assert set(METRICS) == set(table.metric[table.path == "one"])
    assert set(METRICS) > LESS_IS_BETTER


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"objective": None}, "sampler=random has no objective"),
        ({"sampler": "rndom"}, "did you mean 'random'"),
        ({"objective": "sharp"}, "near it are sharpe"),
        ({"objective": "xyzzy"}, "there are total_return, cagr"),
        ({"objective": "-volatility"}, "sweep.objective=volatility sweep.direction=minimize"),
        ({"direction": "up"}, "wanted maximize or minimize"),
        ({"n": 0}, "sweep.n is 0, wanted a whole number of at least 1"),
        ({"n": 2.5}, "sweep.n is 2.5"),
        ({"n": True}, "sweep.n is True"),
        ({"n": 10**9}, "the limit is"),
        ({"batch": 0}, "sweep.batch is 0"),
        ({"seed": -1}, "sweep.seed is -1"),
        ({"seed": 2**32}, "wanted at most 4294967295"),
        ({"trials": 3}, "unknown setting 'sweep.trials'"),
    ],
)
def test_what_cannot_be_is_refused(stated: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        settings_of({"sampler": "random", "objective": "sharpe", **stated}, MIXED)


def test_cmaes_needs_keys_in_order_and_more_than_one() -> None:
    stated = {"sampler": "cmaes", "objective": "sharpe"}
    assert settings_of(stated, {**ORDERED, "fixed": Choice(("a",))}).sampler == "cmaes"
    with pytest.raises(ConfigError, match="optimizer lists choices"):
        settings_of(stated, MIXED)
    with pytest.raises(ConfigError, match="lag is the only free one"):
        settings_of(stated, {"lag": Steps(("0", "1")), "fixed": Choice(("a",))})
