"""Rates by name: what other trees of a forest read does not decide what a tree is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.build.plan import plan_forest
from metabt.errors import ConfigError
from metabt.lakehouse.price_source import source_of
from metabt.portfolio.resolve import resolve

DAYS = pd.bdate_range("2020-01-01", periods=80)
RNG = np.random.default_rng(0)
CLOSES = {
    name: pd.DataFrame(100 * np.exp(np.cumsum(RNG.normal(0, 0.01, (80, 2)), axis=0)), DAYS, symbols)
    for name, symbols in {"here": ["A", "B"], "there": ["C", "D"]}.items()
}
USD = pd.DataFrame({"name": "usd", "date": ["2019-12-01"], "value": [0.04], "day_count": [360]})
RULES = {"schedule": "monthly", "lookback": 5, "optimizer": "equal"}


def leaf(dataset: str, **stated: object) -> dict[str, object]:
    return {"name": dataset, "dataset": dataset, "universe": list(CLOSES[dataset]), **RULES, **stated}


def test_a_rate_is_that_of_a_dataset_of_the_tree() -> None:
    tables = {"there": {"rates": USD}}
    with pytest.raises(ConfigError, match="'usd', which no dataset of the tree has.*ingest FILE --dataset here"):
        metabt.backtest(leaf("here", cash="usd"), CLOSES, tables=tables)
    alone = [resolve(leaf(name, cash="usd")) for name in ("there", "here")]
    datasets = source_of(CLOSES, tables=tables).datasets(alone)
    with pytest.raises(ConfigError, match="no dataset of the tree has"):
        plan_forest(alone, datasets)
    assert plan_forest(alone[:1], datasets).n_blocks
    of_both = {"name": "both", **RULES, "cash": "usd", "sleeves": {name: leaf(name) for name in CLOSES}}
    for tree in of_both["sleeves"].values():  # type: ignore[attr-defined]
        tree.pop("name")
    found, without = metabt.backtest(of_both, CLOSES, tables=tables), metabt.backtest({**of_both, "cash": 0.0}, CLOSES)
    assert (found.returns("both/here")["gross"] >= without.returns("both/here")["gross"]).all()


def test_unlike_rows_of_one_name_are_refused() -> None:
    tables = {"here": {"rates": USD.assign(value=0.01)}, "there": {"rates": USD}}
    sleeves = {name: {key: it for key, it in leaf(name).items() if key != "name"} for name in CLOSES}
    tree = {"name": "both", **RULES, "cash": "usd", "sleeves": sleeves}
    with pytest.raises(ConfigError, match="'usd', which datasets 'here' and 'there' have with unlike rows"):
        metabt.backtest(tree, CLOSES, tables=tables)
