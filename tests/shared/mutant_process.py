"""The process that is forked for each mutant (tests/shared/mutants.py); it imports libraries, and the package never."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

from numba.core import caching

PACKAGE = Path(__file__).parents[2] / "metabt"

LIBRARIES = ("numpy", "numba", "llvmlite.binding", "threadpoolctl", "pyarrow", "pyarrow.ipc")


def serve() -> None:
    """Answer requests on standard input, a line of JSON each, until it is closed."""
    folder = Path(sys.argv[1])
    for library in LIBRARIES:
        importlib.import_module(library)
    for line in sys.stdin:
        print(_forked(folder, json.loads(line)), flush=True)


def _forked(folder: Path, asked: dict[str, Any]) -> str:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        with os.fdopen(writing, "w") as answer:
            answer.write(json.dumps(_answer(folder, asked)))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text or "null"


def _answer(folder: Path, asked: dict[str, Any]) -> dict[str, list[str]] | None:
    os.dup2(2, 1)
    try:
        sys.path.insert(0, str(folder))
        if "way" in asked:
            _mutate(folder, asked["module"], asked["way"], asked["seed"])
        _use_the_machine_code(folder, mutant=bool(asked["kernels"] or "way" in asked))
        return _seen(folder, asked["kernels"])
    except BaseException:
        (folder / "error.txt").write_text(traceback.format_exc())
        return None


def _mutate(folder: Path, module: str, way: int, seed: int) -> None:
    """Let one module be imported as its mutated syntax tree, with the line numbers that it has."""
    from tests.shared.mutations import code_of

    plain = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, name: str) -> CodeType | None:
        return code_of(name, self.path, way, seed) if name == module else plain(self, name)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign]


def _use_the_machine_code(folder: Path, mutant: bool) -> None:
    """Let kernels be loaded that the package itself has compiled; a mutant stores none, since it might have others."""
    copy, subpath = folder / "metabt", caching._CacheLocator.get_suitable_cache_subpath.__func__
    stamp = caching._SourceFileBackedLocatorMixin.get_source_stamp

    def original(path: str) -> str:
        return str(PACKAGE / Path(path).relative_to(copy)) if Path(path).is_relative_to(copy) else path

    def stamped(self: Any) -> object:
        told, self._py_file = self._py_file, original(self._py_file)
        try:
            return stamp(self)
        finally:
            self._py_file = told

    caching._CacheLocator.get_suitable_cache_subpath = classmethod(lambda cls, path: subpath(cls, original(path)))
    caching._SourceFileBackedLocatorMixin.get_source_stamp = stamped
    if mutant:
        caching.FunctionCache.save_overload = lambda self, signature, data: None
    from metabt.numerics import kernels

    assert Path(kernels.__file__).is_relative_to(folder)
    kernels.store = lambda: sys.argv[2]


def _seen(folder: Path, kernels: list[str]) -> dict[str, list[str]]:
    from tests.shared.mutated_walks import perturb, seen

    beneath = folder / "beneath.pickle"
    if not beneath.exists():
        found, given = seen()
        beneath.write_bytes(pickle.dumps(given))
        return found
    perturb(kernels)
    return seen(pickle.loads(beneath.read_bytes()))[0]
