"""Platform: the same on every start, another where bits may be others, and one thread whatever was asked for."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.lib.introspect import opt_func_info
from threadpoolctl import threadpool_info, threadpool_limits

from metabt.numerics.platform import numeric_platform, one_thread
from metabt.values.digests import digest

SHOW = "import json; from metabt.numerics.platform import numeric_platform as f; print(json.dumps(f()))"


def elsewhere(code: str = SHOW, **environment: str) -> Any:
    """Return what another process, started with some environment variables, prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_it_is_made_of_plain_values_and_names_what_bits_depend_on() -> None:
    found = numeric_platform()
    assert digest(found) == digest(json.loads(json.dumps(found)))
    assert all(found[name] for name in ("machine", "system", "compiled_for", "compiler_features", "numpy_features"))
    assert [library["internal_api"] for library in found["blas"]] and len(found["blas"]) == 1


def test_it_is_the_same_in_every_process_whatever_was_loaded_before_and_however_many_threads_there_are() -> None:
    before = f"import pyarrow, pandas, scipy.linalg; {SHOW}"
    threads = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    assert numeric_platform() == elsewhere() == elsewhere(before) == elsewhere(**threads)


LOOPS = np.show_config(mode="dicts")["SIMD Extensions"]
OTHERS = {
    "what numba compiles for": ({"NUMBA_CPU_NAME": "generic"}, "compiled_for"),
    "how far numba optimises": ({"NUMBA_OPT": "1"}, "compiler_flags"),
    "NumPy's loops": ({"NPY_DISABLE_CPU_FEATURES": " ".join(LOOPS.get("found", []))}, "numpy_features"),
    "the kernel of BLAS": ({"OPENBLAS_CORETYPE": "Nehalem"}, "blas"),
}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the features are those of x86_64")
@pytest.mark.parametrize("what", OTHERS)
def test_it_tells_what_may_change_a_bit(what: str) -> None:
    environment, where = OTHERS[what]
    here, there = numeric_platform(), elsewhere(**environment)
    assert here[where] != there[where]


def test_what_numpy_has_found_is_what_its_loops_were_picked_by() -> None:
    picked = {loop["current"] for loops in opt_func_info().values() for loop in loops.values()}
    picked = {name for loop in picked if not loop.startswith("baseline") for name in loop.split("__")}
    assert picked <= set(numeric_platform()["numpy_features"])  # type: ignore[call-overload]


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture
def two_threads() -> Iterator[None]:
    with threadpool_limits(limits=2):
        assert blas_threads() == {2}
        yield


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("is_first_alive", [True, False])
def test_threads_that_overlap_have_one_thread_inside_and_leave_what_there_was(is_first_alive: bool) -> None:
    """A enters, B enters, A leaves: B is still inside; then B leaves, while A goes on living or has ended."""
    turns = {name: threading.Event() for name in ("A in", "B in", "A out", "B out", "end")}
    seen: dict[str, set[int]] = {}

    def first() -> None:
        with one_thread():
            turns["A in"].set()
            turns["B in"].wait(60)
        turns["A out"].set()
        if is_first_alive:
            turns["end"].wait(60)

    def second(one: threading.Thread) -> None:
        turns["A in"].wait(60)
        with one_thread():
            turns["B in"].set()
            turns["A out"].wait(60)
            if not is_first_alive:
                one.join(60)
            seen["B, after A"] = blas_threads()

    one = threading.Thread(target=first)
    other = threading.Thread(target=second, args=(one,))
    one.start(), other.start()
    other.join(60)
    seen["after B"] = blas_threads()
    turns["end"].set()
    one.join(60)
    assert seen == {"B, after A": {1}, "after B": {2}} and not one.is_alive() and not other.is_alive()


@pytest.mark.usefixtures("two_threads")
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_blocks_may_begin_and_end_in_any_order_in_any_thread(moves: list[tuple[int, bool]]) -> None:
    """Four threads open and close blocks, nested or not, by chance: one thread while any is open, else two."""
    workers = [ThreadPoolExecutor(1) for _ in range(4)]
    stacks: list[list[ExitStack]] = [[] for _ in workers]
    try:
        for place, is_entry in moves:
            if is_entry:
                stacks[place].append(ExitStack())
                workers[place].submit(stacks[place][-1].enter_context, one_thread()).result(60)
            elif stacks[place]:
                workers[place].submit(stacks[place].pop().close).result(60)
            assert workers[place].submit(blas_threads).result(60) == ({1} if any(stacks) else {2})
    finally:
        for worker, stack in zip(workers, stacks, strict=True):
            for block in reversed(stack):
                worker.submit(block.close).result(60)
            worker.shutdown()
    assert blas_threads() == {2}


def test_openmp_is_limited_in_every_thread_that_enters() -> None:
    """OpenMP counts threads by the thread that calls it, so that one block does not speak for another's."""
    code = """
        import json, threading, numpy, sklearn.cluster
        from threadpoolctl import threadpool_info
        from metabt.numerics.platform import one_thread

        def openmp():
            return [it["num_threads"] for it in threadpool_info() if it["user_api"] == "openmp"]

        def inside():
            with one_thread():
                found.append(openmp())

        found = []
        with one_thread():
            other = threading.Thread(target=inside)
            other.start(); other.join()
            inside()
        found.append(openmp())
        print(json.dumps(found))
    """
    other, own, after = elsewhere(textwrap.dedent(code), OMP_NUM_THREADS="3")
    assert other == own == [1] * len(own) and len(own) > 0 and after == [3] * len(own)


def test_numeric_libraries_keep_to_one_thread_and_are_let_go_again() -> None:
    with threadpool_limits(limits=2):
        before = [library["num_threads"] for library in threadpool_info()]
        assert 2 in before
        with one_thread():
            assert {library["num_threads"] for library in threadpool_info()} == {1}
        assert [library["num_threads"] for library in threadpool_info()] == before
