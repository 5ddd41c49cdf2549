"""Mutants: a copy of the package with one module changed, and what every kind of sleeve makes with it.

1. `Farm` copies the package, and starts a process that has imported the libraries.
2. For each mutant (tests/shared/mutations.py) that process is forked: the child imports the copy anew, walks a few
   small trees (tests/shared/mutated_walks.py) and prints the key and the digest of every block.

Kernels are those that the package itself has compiled, and not compiled anew for each mutant: they are mutated by what
they give, in the child.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from compileall import compile_dir
from pathlib import Path
from py_compile import PycInvalidationMode
from types import TracebackType
from typing import Any, Self

from metabt.numerics import kernels
from metabt.values.source_files import ROOT, module_files
from metabt.values.syntax_trees import syntax_tree
from tests.shared.mutations import KERNELS, is_compiled, source_of, text_of

SERVE = "from tests.shared.mutant_process import serve; serve()"
HERE = Path(__file__).parents[2]
Seen = dict[str, list[str]]
"""Sleeve and partition -> the key and the digest of its block."""


class Farm:
    """A copy of the package in a folder, and a process that runs it."""

    def __init__(self, folder: Path) -> None:
        """Copy the package into `folder`, and start the process."""
        self._copy = folder / "metabt"
        shutil.copytree(ROOT, self._copy, ignore=shutil.ignore_patterns("__pycache__"))
        # no mutant compiles what it shares with others, or leaves what it is to them: bytecode goes by what a file says
        compile_dir(self._copy, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(HERE)!r}); {SERVE}", folder, kernels.store()],
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        """Use it for the length of a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """End the process."""
        self._process.communicate()

    def run(self, module: str = "", way: int | None = None, seed: int = 0) -> Seen | None:
        """Return what is seen with a module mutated in some way, or as it is; None where that does not run.

        In the way KERNELS the module says one thing more, and all kernels that it is compiled into give other numbers.
        """
        if way is None:
            return self._ask({"kernels": []})
        path = self._copy / source_of(module).relative_to(ROOT)
        before = path.read_bytes()
        path.write_text(text_of(module, way, seed), encoding="utf-8")
        try:
            if way == KERNELS:
                return self._ask({"kernels": _inlining(module)})
            return self._ask({"kernels": [], "module": module, "way": way, "seed": seed})
        finally:
            path.write_bytes(before)

    def _ask(self, asked: dict[str, Any]) -> Seen | None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        found: Seen | None = json.loads(self._process.stdout.readline())
        return found


def _inlining(module: str) -> list[str]:
    """Return the modules into whose kernels a module is compiled, its own first."""
    used = {name: set(_compiled_from(path)) for name, path in module_files().items()}
    found, pending = [], [module]
    while pending:
        name = pending.pop()
        if name not in found:
            found.append(name)
            pending += [other for other, names in used.items() if name in names]
    return found


def compiled_modules() -> set[str]:
    """Return the modules that are compiled into some kernel: they hold one, or what one takes."""
    used = {name: set(_compiled_from(path)) for name, path in module_files().items()}
    return {name for name, names in used.items() if names} | {name for names in used.values() for name in names}


def _compiled_from(path: Path) -> Iterator[str]:
    """Yield the modules whose names stand in the compiled functions of a file, and its decorators."""
    tree = syntax_tree(path.read_bytes())
    bound = {
        alias.asname or alias.name: (node.module, f"{node.module}.{alias.name}")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("metabt")
        for alias in node.names
    }
    files = module_files()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and is_compiled(node):
            for name in {it.id for it in ast.walk(node) if isinstance(it, ast.Name)} & bound.keys():
                yield from (module for module in bound[name] if module in files)
