"""The loop asks, tells in the order of asking, and begun again gives what an uninterrupted search gives."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.search.loop import search
from metabt.search.space import Point
from tests.shared.laws import examples
from tests.shared.searches import MIXED, ORDERED, asked, settings, worth


class Scribe:
    """A sampler that writes down what it is asked and told."""

    library = None

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.told: list[list[float | None]] = []

    def ask(self, n: int) -> list[Point]:
        self.asked.append(n)
        return [(str(len(self.asked)), str(place)) for place in range(n)]

    def tell(self, values: Sequence[float | None]) -> None:
        self.told.append(list(values))


def test_batches_are_full_but_the_last_and_told_in_the_order_of_asking() -> None:
    scribe = Scribe()
    found = search(scribe, settings("random", n=7, batch=3), lambda points: [float(it[1]) for it in points])
    assert scribe.asked == [3, 3, 1]
    assert scribe.told == [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0], [0.0]]
    assert [point for point, _ in found] == [(str(b), str(p)) for b, n in ((1, 3), (2, 3), (3, 1)) for p in range(n)]


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_a_point_without_an_objective_is_told_as_failed(value: float | None) -> None:
    scribe = Scribe()
    search(scribe, settings("random", n=2, batch=2), lambda points: [1.0, value])
    assert scribe.told == [[1.0, None]]


class Stopped(Exception):
    """Whoever evaluates was killed."""


@examples(25)
@given(st.sampled_from(["random", "sobol", "tpe", "cmaes"]), st.lists(st.integers(0, 5), max_size=3), st.integers(1, 9))
def test_interrupted_and_begun_again_it_asks_for_the_points_of_an_uninterrupted_search(
    sampler: str, stops: list[int], batch: int
) -> None:
    """What was evaluated is found in a store, whole batches alone; the last attempt evaluates what is missing."""
    space = ORDERED if sampler == "cmaes" else MIXED
    how = settings(sampler, space, n=30, batch=batch)
    store: dict[Point, float | None] = {}
    evaluated: list[Point] = []

    def attempt(last: int | None) -> list[tuple[Point, float | None]]:
        batches = 0

        def evaluate(points: Sequence[Point]) -> list[float | None]:
            nonlocal batches
            if batches == last:
                raise Stopped
            batches += 1
            new = [point for point in dict.fromkeys(points) if point not in store]
            evaluated.extend(new)
            store.update({point: worth(point) for point in new})
            return [store[point] for point in points]

        return asked(how, space, evaluate)

    for stop in stops:
        try:
            attempt(stop)
        except Stopped:
            continue
    assert attempt(None) == asked(how, space)
    assert len(evaluated) == len(set(evaluated)), "nothing is evaluated twice"


@pytest.mark.parametrize("sampler", ["random", "sobol", "tpe"])
def test_a_search_for_more_points_begins_with_those_of_one_for_fewer(sampler: str) -> None:
    few, many = (asked(settings(sampler, MIXED, n=n, batch=8), MIXED) for n in (13, 29))
    assert many[:13] == few
