"""Machine code that is stored belongs to the kernels, and the compiler's flags, that it was made from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llvmlite import ir
from numba.core import base, caching, cgutils, config, event, options
from numba.core.caching import FunctionCache

from metabt.numerics import kernels
from metabt.values.source_files import ROOT

SAY = """
import json, sys
sys.path.insert(0, sys.argv[1])
from metabt.numerics import kernels
from metabt.numerics.platform import numeric_platform
assert kernels.ROOT.as_posix().startswith(sys.argv[1])
print(json.dumps([kernels.store(), numeric_platform()["compiler_flags"]]))
"""

ANSWER = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from metabt.estimators.selectors._scores import scores
values = np.random.default_rng(0).uniform(size=(40, 1, 4))
print(scores(values, np.ones((1, 4), bool), np.array([0]), np.ones(1)))
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT, tmp_path / "metabt", ignore=shutil.ignore_patterns("__pycache__"))
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


CONSTANTS = {
    "read by kernels of other files": ("estimators/solvers/tolerance.py", "\nFEASIBLE = ", "\nFEASIBLE = 100 * "),
    "of instructions": ("numerics/vectors.py", "\nCHAINS = 3\n", "\nCHAINS = 4\n"),
}


@pytest.mark.parametrize("constant", CONSTANTS)
def test_an_edited_constant_has_a_store_of_its_own(copy: Path, constant: str) -> None:
    name, old, new = CONSTANTS[constant]
    path = copy / "metabt" / name
    source = path.read_text().replace("metabt.numerics.kernels", "kernels")  # that a docstring names them is not needed
    assert source.count(old) == 1
    path.write_text(source)
    before = json.loads(said(SAY, copy))
    path.write_text(source.replace(old, new))
    assert json.loads(said(SAY, copy))[0] != before[0]


@pytest.mark.parametrize("flag", ["NUMBA_DISABLE_JIT", "NUMBA_LOOP_VECTORIZE", "NUMBA_ENABLE_AVX"])
def test_a_flag_of_the_compiler_changes_the_store_and_the_platform(copy: Path, flag: str) -> None:
    one, other = (json.loads(said(SAY, copy, **{flag: value})) for value in "01")
    assert one[0] != other[0] and one[1] != other[1]


def test_an_edited_inner_is_what_runs(copy: Path) -> None:
    before = said(ANSWER, copy)
    assert said(ANSWER, copy) == before
    path = copy / "metabt" / "estimators" / "solvers" / "support.py"
    source = path.read_text()
    assert source.count("n += support[i]\n") == 1
    path.write_text(source.replace("n += support[i]\n", "n += support[i] * (i > 0)\n"))
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


def squares(values, out):
    for i in range(len(values)):
        out[i] = values[i] * values[i]


LOAD = FunctionCache._load_overload


def load(self: FunctionCache, sig: object, context: Any) -> object:
    """Load a stored kernel as numba does, by other private names."""
    context.refresh()
    return LOAD(self, sig, context)


def save(self: FunctionCache, sig: object, data: object) -> None:
    """Store a kernel, whatever the disk says."""
    self._save_overload(sig, data)


PRIVATE = {
    "what loads": (caching.Cache, "_load_overload"),
    "what forgives a disk": (caching.Cache, "_guard_against_spurious_io_errors"),
    "addresses of the runtime": (kernels.nrt, "_nrt"),
}


@pytest.mark.parametrize("what", PRIVATE)
def test_without_a_name_that_loading_needs_kernels_are_stored_and_loaded_as_numba_does(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "store", lambda: str(tmp_path))
    first, out = kernels.kernel()(squares), np.zeros(2)
    first(np.array([3.0, 4.0]), out)
    assert isinstance(first._cache, kernels.MachineCode) and list(out) == [9.0, 16.0]
    monkeypatch.setattr(FunctionCache, "load_overload", load)
    monkeypatch.setattr(FunctionCache, "save_overload", save)
    monkeypatch.delattr(*PRIVATE[what])
    monkeypatch.setattr(kernels, "store", lambda: str(tmp_path / "another"))
    for hits in (0, 1):
        compiled, out = kernels.kernel()(squares), np.zeros(3)
        compiled(np.array([1.0, 2.0, 3.0]), out)
        assert not isinstance(compiled._cache, kernels.MachineCode) and list(out) == [1.0, 4.0, 9.0]
        assert sum(compiled.stats.cache_hits.values()) == hits
        assert compiled.stats.cache_path.startswith(str(tmp_path / "another"))


NAMES = {
    "how an instruction is written": (cgutils, "alloca_once for_range for_range_slice get_or_insert_function"),
    "where an array's data begin": (base.BaseContext, "make_array get_dummy_value"),
    "the address of a vector": (ir.VectorType, "as_pointer"),
    "a vector in memory": (ir.IRBuilder, "bitcast gep load store shuffle_vector insert_element"),
    "a kernel without counting and wrappers": (options.DefaultOptions, "_nrt no_cfunc_wrapper no_cpython_wrapper"),
    "settings that change bits": (config, " ".join([*kernels.FLAGS, "CPU_NAME", "CPU_FEATURES", "CACHE_DIR"])),
    "when a compilation begins and ends": (event, "Listener install_listener"),
}


@pytest.mark.parametrize("what", NAMES)
def test_the_compiler_still_has(what: str) -> None:
    owner, names = NAMES[what]
    assert [name for name in names.split() if not hasattr(owner, name)] == []
