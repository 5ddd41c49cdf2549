"""Machine code that is stored belongs to the kernels, and the compiler's flags, that it was made from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from metabt.numerics.kernels import PACKAGE

SAY = """
import json, sys
sys.path.insert(0, sys.argv[1])
from metabt.numerics import kernels
from metabt.numerics.platform import numeric_platform
assert kernels.PACKAGE.as_posix().startswith(sys.argv[1])
print(json.dumps([kernels.store(), numeric_platform()["compiler_flags"]]))
"""

ANSWER = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from metabt.estimators.optimizers.min_variance import MinVariance
X = np.random.default_rng(0).normal(size=(60, 4)) * [1, 2, 3, 4]
print(MinVariance().fit(X).weights_.tobytes().hex())
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(PACKAGE, tmp_path / "metabt", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def said(script: str, copy: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, str(copy)],
        capture_output=True,
        text=True,
        check=True,
        cwd=copy,
        env={**os.environ, "NUMBA_CACHE_DIR": str(copy / "machine"), **environment},
    )
    return done.stdout


def test_an_edited_kernel_has_a_store_of_its_own_and_other_edits_keep_it(copy: Path) -> None:
    before = json.loads(said(SAY, copy))
    with (copy / "metabt" / "analysis" / "summary.py").open("a") as file:
        file.write("\n# no kernel\n")
    assert json.loads(said(SAY, copy)) == before
    with (copy / "metabt" / "estimators" / "solvers" / "linear.py").open("a") as file:
        file.write("\n# an inner of other files' kernels\n")
    assert json.loads(said(SAY, copy))[0] != before[0]


@pytest.mark.parametrize("flag", ["NUMBA_DISABLE_JIT", "NUMBA_LOOP_VECTORIZE", "NUMBA_ENABLE_AVX"])
def test_a_flag_of_the_compiler_changes_the_store_and_the_platform(copy: Path, flag: str) -> None:
    one, other = (json.loads(said(SAY, copy, **{flag: value})) for value in "01")
    assert one[0] != other[0] and one[1] != other[1]


def test_an_edited_inner_is_what_runs(copy: Path) -> None:
    before = said(ANSWER, copy)
    assert said(ANSWER, copy) == before
    path = copy / "metabt" / "estimators" / "solvers" / "linear.py"
    source = path.read_text()
    assert source.count("other * row[a]\n") == 1
    path.write_text(source.replace("other * row[a]\n", "1.01 * other * row[a]\n"))
    assert said(ANSWER, copy) != before


LOADED = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from numba import njit
from metabt.estimators.moments.sample import sample_covariance
X = np.random.default_rng(0).normal(size=(60, 4))
print(sample_covariance(X, np.array([60]), np.array([60])).tobytes().hex())
print("numba.np.linalg" in sys.modules)
print(njit(lambda x: (x @ x)[0, 0])(np.eye(4)) == 1.0, "numba.np.linalg" in sys.modules)
from metabt.estimators.moments.risk_contribution import ex_ante
print(ex_ante(np.eye(4)[None], np.full((1, 4), 0.25)))
"""


def test_a_stored_kernel_is_loaded_without_what_compiling_needs_and_others_are_compiled_after_it(copy: Path) -> None:
    compiled, loaded = (said(LOADED, copy).splitlines() for _ in range(2))
    assert compiled[0] == loaded[0] and compiled[2:] == loaded[2:]
    assert (compiled[1], loaded[1]) == ("True", "False")
    assert loaded[2:] == ["True True", "[[0.25 0.25 0.25 0.25]]"]
