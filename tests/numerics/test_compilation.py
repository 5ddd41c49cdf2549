"""Compilation: it is timed, told once, and spared the collector of garbage."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numba import njit

from metabt.numerics.compilation import compilation


@pytest.fixture(autouse=True)
def _collecting() -> Iterator[None]:
    """Turn the collector on before and after, whatever a test does to it."""
    gc.enable()
    yield
    gc.enable()


def fresh() -> Callable[[np.ndarray], float]:
    """Return a function that is compiled when it is first called, another one within it."""

    @njit
    def first(values):
        return values[0]

    @njit
    def doubled(values):
        return 2.0 * first(values)

    return doubled


def test_compilations_are_told_once_and_timed() -> None:
    told: list[str] = []
    with compilation(lambda: told.append("compiling")) as compiling:
        assert fresh()(np.ones(1)) == 2.0
        once = compiling.seconds
        assert fresh()(np.ones(1)) == 2.0
    assert told == ["compiling"] and 0.0 < once < compiling.seconds


def test_garbage_waits_for_the_outermost_compilation() -> None:
    with compilation() as compiling:
        seen = [gc.isenabled()]
        for step in (compiling.on_start, compiling.on_start, compiling.on_end, compiling.on_end):
            step(None)
            seen.append(gc.isenabled())
    assert seen == [True, False, False, False, True]


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_left_as_it_was_even_after_a_failure(enabled: bool) -> None:
    @njit
    def broken(values):
        return values.no_such_thing

    if not enabled:
        gc.disable()
    with compilation(), pytest.raises(Exception, match="no_such_thing"):
        broken(np.ones(2))
    assert gc.isenabled() is enabled
