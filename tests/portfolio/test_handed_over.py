"""Estimators that are objects or classes: the same numbers as by name, and remembered nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt import lakehouse
from metabt.api.plain_values import plain_tree
from metabt.errors import ConfigError
from metabt.estimators.optimizers.inverse_volatility import InverseVolatility
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from tests.shared.panels import stocks
from tests.shared.plain_estimators import FirstColumns, FitsOnce, InverseDeviation
from tests.shared.small_tree import LEAF, tree


def leaf(**settings: Any) -> dict:
    return {"name": "x", **LEAF, "universe": ["AA", "BB", "CC"], **settings}


def run(settings: dict, **more: Any) -> metabt.Result:
    return metabt.backtest(settings, {"stocks": stocks(5)}, **more)


@pytest.mark.parametrize("made", [InverseDeviation(), InverseDeviation, {"name": InverseDeviation, "power": 1.0}])
def test_an_object_or_a_class_weights_as_its_formula_says(made: object) -> None:
    result, prices = run(leaf(optimizer=made)), stocks(5)[["AA", "BB", "CC"]]
    returns, weights = prices.pct_change(), result.sleeve_weights()
    for date, row in weights.iterrows():
        scale = 1 / returns.loc[:date].tail(20).std()
        assert np.allclose(row, scale / scale.sum(), rtol=1e-12)
    assert len(weights) > 10 and set(result.decisions()["status"]) == {"ok"}


def test_a_parameter_of_the_class_and_of_the_object_is_heard() -> None:
    by_class = run(leaf(optimizer={"name": InverseDeviation, "power": 2.0}))
    by_object = run(leaf(optimizer=InverseDeviation(2.0)))
    assert by_class.weights.equals(by_object.weights) and not by_class.weights.equals(
        run(leaf(optimizer=InverseDeviation())).weights
    )


def test_metabts_own_object_is_what_its_name_is() -> None:
    named, handed = run(leaf(optimizer="inverse_volatility")), run(leaf(optimizer=InverseVolatility()))
    assert named.weights.equals(handed.weights) and named.run_id != handed.run_id


def test_an_object_of_skfolio_is_what_its_name_is() -> None:
    optimization = pytest.importorskip("skfolio.optimization")
    made = optimization.MeanRisk(max_weights=0.5)
    named = run(leaf(optimizer={"name": "skfolio.MeanRisk", "max_weight": 0.5}))
    assert run(leaf(optimizer=made)).weights.equals(named.weights)
    assert run(leaf(optimizer=optimization.EqualWeighted)).weights.equals(run(leaf(optimizer="equal")).weights)


def test_a_selector_that_is_an_object_selects() -> None:
    result = run(leaf(selector=FirstColumns(2), optimizer="equal"))
    assert result.sleeve_weights().drop_duplicates().to_numpy().tolist() == [[0.5, 0.5, 0.0]]
    assert set(result.weights.columns[result.weights.any()]) == {"AA", "BB"}


def test_every_window_has_a_fresh_copy_and_the_callers_object_is_left_alone() -> None:
    made = FitsOnce()
    assert set(run(leaf(optimizer=made)).decisions()["status"]) == {"ok"} and not vars(made)


def test_a_change_of_the_object_after_the_run_changes_no_second_walk() -> None:
    made = InverseDeviation()
    result = run(tree(optimizer=made))
    before = result.attribution()
    made.power = -3.0
    pd.testing.assert_frame_equal(result.attribution(), before)


def test_a_meta_sleeve_and_a_fallback_take_objects_too() -> None:
    result = run(tree(optimizer={"name": InverseDeviation, "power": 1.0}, fallback=[InverseDeviation()]))
    assert result.weights.equals(run(tree(optimizer=InverseDeviation())).weights)
    assert set(result.decisions()["status"]) == {"ok", "warmup"}


def test_two_objects_of_one_class_are_two_and_one_object_is_one() -> None:
    mild, strong = InverseDeviation(0.5), InverseDeviation(4.0)
    twice = tree()
    twice["sleeves"] = {
        "a": {**LEAF, "universe": ["AA", "BB"], "optimizer": mild},
        "b": {**LEAF, "universe": ["AA", "BB"], "optimizer": strong},
        "c": {**LEAF, "universe": ["AA", "BB"], "optimizer": mild},
    }
    result = run(twice)
    assert result.objects == ("InverseDeviation#1", "InverseDeviation#2")
    a, b, c = (result.sleeve_weights(f"book/{name}") for name in "abc")
    assert a.equals(c) and not a.equals(b)
    assert a.equals(run(leaf(universe=["AA", "BB"], optimizer=mild)).sleeve_weights())


def test_such_a_run_is_remembered_nowhere_and_says_so() -> None:
    cache = metabt.MemoryCache()
    result = run(tree(optimizer=InverseDeviation()), cache=cache)
    assert not cache.objects and "remembered nowhere" in repr(result) and "InverseDeviation#1" in repr(result)
    assert "remembered nowhere" in result._repr_html_() and "nowhere" not in repr(run(tree(), cache=cache))
    assert cache.objects
    assert len(run(tree(optimizer=InverseDeviation())).baselines(samples=10).results) == 6


def test_other_numbers_of_an_object_under_one_label_are_never_found(tmp_path: Path) -> None:
    cache = metabt.MemoryCache()
    first = run(leaf(optimizer=InverseDeviation(1.0)), cache=cache)
    second = run(leaf(optimizer=InverseDeviation(3.0)), cache=cache)
    assert not first.weights.equals(second.weights) and not second.found


def test_a_lakehouse_takes_names_alone(tmp_path: Path) -> None:
    lakehouse.ingest(tmp_path / "lake", "stocks", stocks(5).rename_axis("date"))
    for ask in (metabt.backtest, metabt.plan):
        with pytest.raises(ConfigError, match=r"book'.*InverseDeviation#1 was handed over.*plug-in.*frame"):
            ask(tree(optimizer=InverseDeviation()), tmp_path / "lake")
    with metabt.connect(tmp_path / "lake") as connection:
        assert connection.execute("select count(*) from runs").fetchall() == [(0,)]


def test_other_processes_are_refused_and_auto_stays_here() -> None:
    with pytest.raises(ConfigError, match="InverseDeviation#1.*engine 'ray'.*engine='local'"):
        run(leaf(optimizer=InverseDeviation()), engine=metabt.Ray(workers=2))


def test_one_engine_takes_no_two_objects_of_one_label() -> None:
    trees = [resolve(plain_tree(leaf(optimizer=InverseDeviation(power)))) for power in (1.0, 2.0)]
    with pytest.raises(ConfigError, match="two trees have their own estimator InverseDeviation#1"):
        metabt.BacktestEngine(trees, {"stocks": to_prices("stocks", stocks(5))})


class Locked(FitsOnce):
    def __init__(self) -> None:
        self.lines = (line for line in "ab")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"optimizer": lambda X: X}, "sleeve 'x': optimizer is function .*wanted a name.*class with fit"),
        ({"optimizer": FirstColumns}, "optimizer FirstColumns#1 needs the parameter 'k'"),
        ({"optimizer": {"name": InverseDeviation, "powr": 1}}, "has no parameter 'powr'; did you mean 'power'"),
        ({"optimizer": {"name": InverseDeviation()}}, "optimizer.name is InverseDeviation.*without a mapping"),
        ({"selector": InverseDeviation()}, "selector InverseDeviation#1 has no get_support"),
        ({"optimizer": Locked()}, "Locked#1 cannot be copied.*hand over its class"),
        ({"optimizer": {"name": "erc", "budgets": FitsOnce()}}, "optimizer.budgets is FitsOnce.*as an object"),
        (
            {"optimizer": {"name": "erc", "max_weight": 0.5}, "fallback": [FitsOnce()]},
            r"fallback FitsOnce#1 has no bounds.*\[0, 0.5\]",
        ),
    ],
)
def test_what_cannot_be_an_estimator_is_refused(settings: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run(leaf(**settings))
