"""A lazy property: computed once, kept, and no lock that is not the caller's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from metabt.values.lazy_property import lazy_property


class Squared:
    def __init__(self, number: int, together: Barrier | None = None) -> None:
        self.number, self.together, self.times = number, together, 0

    @lazy_property
    def value(self) -> list[int]:
        """The square."""
        self.times += 1
        if self.together:
            self.together.wait(20)
        return [self.number**2]


def test_it_is_computed_once_and_can_be_forgotten() -> None:
    it = Squared(3)
    assert it.value == [9] and it.value is it.value and it.times == 1
    del it.__dict__["value"]
    assert it.value == [9] and it.times == 2
    assert Squared.value.__doc__ == "The square."


def test_two_objects_are_computed_at_the_same_time() -> None:
    """The barrier opens when both are inside; with a lock for the class nobody would ever be the second."""
    together = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda it: it.value, [Squared(2, together), Squared(3, together)]))
    assert found == [[4], [9]]


def test_threads_that_ask_one_object_at_once_are_given_the_same_value() -> None:
    it = Squared(4, Barrier(2))
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: it.value, range(2))
    assert it.times == 2 and one is other is it.value


def test_what_raises_is_not_kept() -> None:
    class Failing:
        tries = 0

        @lazy_property
        def value(self) -> int:
            self.tries += 1
            if self.tries == 1:
                raise ValueError("not yet")
            return self.tries

    it = Failing()
    with pytest.raises(ValueError, match="not yet"):
        _ = it.value
    assert it.value == 2
