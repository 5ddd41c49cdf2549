"""Samplers: the same seed asks for the same points, random and Sobol's are uniform, and those that learn do."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest, qmc

from metabt.errors import ConfigError
from metabt.search.sampler import sampler_of
from metabt.search.settings import SAMPLERS
from metabt.search.space import Choice, Interval, Point, Space, Steps
from tests.shared.searches import MIXED, ORDERED, asked, settings, worth

PLAIN: Space = {name: Interval(0.0, 1.0) for name in "abc"}


def drawn(sampler: str, n: int, seed: int = 5) -> np.ndarray:
    return np.array(sampler_of(settings(sampler, PLAIN, seed=seed), PLAIN).ask(n), float)


@pytest.mark.parametrize("sampler", ["random", "sobol"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_points_are_uniform(sampler: str, seed: int) -> None:
    """Kolmogorov and Smirnov's test of each key; 9 tests at 0.1 % for each sampler."""
    points = drawn(sampler, 512, seed)
    assert min(kstest(column, "uniform").pvalue for column in points.T) > 1e-3
    assert 0 <= points.min() and points.max() < 1


@pytest.mark.parametrize("m", [1, 2, 5, 8])
def test_of_a_power_of_two_of_sobols_points_each_part_of_a_key_has_one(m: int) -> None:
    points = drawn("sobol", 2**m)
    for column in points.T:
        assert sorted((column * 2**m).astype(int)) == list(range(2**m))


def test_sobols_points_lie_more_evenly_than_random_ones() -> None:
    discrepancy = {sampler: qmc.discrepancy(drawn(sampler, 256)) for sampler in ("random", "sobol")}
    assert discrepancy["sobol"] < discrepancy["random"] / 5


def test_every_choice_is_drawn_equally_often() -> None:
    space = {"a": Choice(tuple("wxyz")), "b": Steps(tuple("12345678"))}
    points = sampler_of(settings("sobol", space), space).ask(64)
    assert Counter(a for a, _ in points) == dict.fromkeys("wxyz", 16)
    assert Counter(points) == {(a, b): 2 for a in "wxyz" for b in "12345678"}


@pytest.mark.parametrize("sampler", ["random", "sobol"])
def test_what_does_not_learn_asks_for_the_same_points_in_any_batches(sampler: str) -> None:
    how = settings(sampler, MIXED)
    whole, parts = sampler_of(how, MIXED), sampler_of(how, MIXED)
    together = [point for n in (1, 2, 13, 4) for point in parts.ask(n)]
    assert whole.ask(20) == together and whole.library is None
    assert sampler_of(settings(sampler, MIXED, seed=6), MIXED).ask(20) != together


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_same_seed_asks_for_the_same_points(sampler: str) -> None:
    space = ORDERED if sampler == "cmaes" else MIXED
    how = settings(sampler, space, n=30, batch=6)
    found = asked(how, space)
    assert found == asked(how, space) and len(found) == 30
    assert found != asked(settings(sampler, space, n=30, batch=6, seed=6), space)
    for point, _ in found:
        assert all(
            text in it.values if isinstance(it, Choice) else it.low <= float(text) <= it.high
            for text, it in zip(point, space.values(), strict=True)
        )


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_what_learns_ends_up_near_the_best(sampler: str) -> None:
    space = {"lookback": ORDERED["lookback"], "weight": ORDERED["weight"]}
    found = asked(settings(sampler, space, n=120, batch=6), space)
    late, early = ([value for _, value in part if value is not None] for part in (found[-40:], found[:40]))
    assert np.median(late) > np.median(early) / 2, "values are below 0"


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_less_is_sought_where_less_is_better(sampler: str) -> None:
    space = {"lookback": ORDERED["lookback"], "weight": ORDERED["weight"]}

    def negative(points: Sequence[Point]) -> list[float | None]:
        return [None if (value := worth(point)) is None else -value for point in points]

    how = {"n": 24, "batch": 6}
    up = asked(settings(sampler, space, **how), space)
    down = asked(settings(sampler, space, direction="minimize", **how), space, negative)
    assert [point for point, _ in up] == [point for point, _ in down]


def test_a_batch_does_not_ask_for_one_point_many_times() -> None:
    space = {"lookback": Steps(tuple(map(str, range(200)))), "weight": Interval(0.1, 0.9)}
    found = asked(settings("tpe", space, n=64, batch=32), space, lambda points: [float(it[1]) for it in points])
    assert len({point for point, _ in found[32:]}) == 32


def test_a_library_that_is_missing_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name.split(".")[0] == "optuna":
            raise ModuleNotFoundError("No module named 'optuna'", name="optuna")
        return original(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"sampler=tpe needs the package optuna.*pip install 'metabt\[optuna\]'"):
        sampler_of(settings("tpe", MIXED), MIXED)
    assert len(sampler_of(settings("sobol", MIXED), MIXED).ask(3)) == 3


def test_the_version_of_the_library_that_learns_is_known() -> None:
    import optuna

    assert sampler_of(settings("tpe", MIXED), MIXED).library == f"optuna {optuna.__version__}"
