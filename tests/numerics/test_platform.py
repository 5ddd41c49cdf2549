"""Platform: the same on every start, another where bits may be others, and one thread whatever was asked for."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from numpy.lib.introspect import opt_func_info
from threadpoolctl import threadpool_info, threadpool_limits

from metabt.numerics.platform import numeric_platform, one_thread
from metabt.values.digests import digest

SHOW = "import json; from metabt.numerics.platform import numeric_platform as f; print(json.dumps(f()))"


def elsewhere(code: str = SHOW, **environment: str) -> dict:
    """Return what another process, started with some environment variables, finds."""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout))


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


def test_numeric_libraries_keep_to_one_thread_and_are_let_go_again() -> None:
    with threadpool_limits(limits=2):
        before = [library["num_threads"] for library in threadpool_info()]
        assert 2 in before
        with one_thread():
            assert {library["num_threads"] for library in threadpool_info()} == {1}
        assert [library["num_threads"] for library in threadpool_info()] == before
